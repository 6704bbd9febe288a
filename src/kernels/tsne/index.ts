/*
 * Exact t-SNE: van der Maaten and Hinton, "Visualizing data using t-SNE", JMLR 9, 2008.
 *
 * N points x_i of D features are given places y_i in the plane, so that pairs which are near in one are near in the other.
 *
 *   d_ij   = |x_i - x_j|^2
 *   p_j|i  = exp(-b_i d_ij) / S_i, S_i the sum of those over j; p_i|i = 0. b_i is such that the row's perplexity, exp of its
 *            entropy in nats, is the one asked for: about as many neighbours count
 *   p_ij   = (p_j|i + p_i|j) / 2N
 *   w_ij   = 1 + |y_i - y_j|^2 (Student's t with one degree of freedom), Z = sum of 1 / w_ij over i != j
 *   q_ij   = 1 / (w_ij Z)
 *   KL     = sum of p_ij log(p_ij / q_ij) = sum of p_ij log(p_ij w_ij Z)
 *   dKL / dy_i = 4 sum over j of (p_ij - q_ij) (y_i - y_j) / w_ij
 *
 * Matrices of pairs are f32 [N, M], M being N rounded up to 64: rows are read by blocks of four columns, begin where a binding may, and are
 * what launches past the largest binding are split by. There is one: `pairDistances` writes d, `jointProbabilities` makes it p in place.
 * Both are symmetric bit by bit, so a column is read for a row where that lets neighbouring lanes read neighbouring elements.
 * Places are f32 [M, 2], what moves them is f32 [2, M]; past the N-th there are points that nothing pulls.
 */
export { divergence } from './divergence.ts';
export { pairForces } from './forces.ts';
export { jointProbabilities } from './jointProbabilities.ts';
export { type MovingPoints, movePoints } from './movePoints.ts';
export { paddedCount, pairDistances } from './pairDistances.ts';
