import { ShapeError, WeftError } from '../errors.ts';
import { paddedCount, pairDistances } from '../kernels/tsne/index.ts';
import { keep } from '../tensor/scope.ts';
import { expectIsTensor, type Tensor } from '../tensor/tensor.ts';

/** How many neighbours are asked. */
export interface NearestNeighborOptions {
  /** Neighbours that vote; default 10. */
  k?: number;
}

/** Rows of the distances that are read at a time: a multiple of 64 elements in any case, and some MB for thousands of points. */
const ROWS_A_READ = 256;

/**
 * How many points are of the class that most of their k nearest neighbours are of, themselves left out: the accuracy of a nearest-neighbour
 * classifier, each point asked about by all others. Between two spaces for the same points it says how far apart classes are in each.
 * Of equal distances the first point counts, and of classes with as many votes the one with the nearest voter.
 *
 * @param points f32 [N, D], Euclidean distances between which count
 * @param labels N classes
 * @returns from 0 to 1
 * @throws ShapeError for points of another shape or as many labels as there aren't points; WeftError for a k that isn't from 1 to N - 1
 * @example
 * ```ts
 * import { init, nearestNeighborAccuracy, tensor } from 'weft-gpu';
 *
 * await init();
 * const points = tensor([[0], [1], [2], [10], [11], [12]]);
 * console.log(await nearestNeighborAccuracy(points, [0, 0, 0, 1, 1, 1], { k: 2 })); // 1
 * points.dispose();
 * ```
 */
export async function nearestNeighborAccuracy(
  points: Tensor,
  labels: ArrayLike<number>,
  { k = 10 }: NearestNeighborOptions = {},
): Promise<number> {
  expectIsTensor('nearestNeighborAccuracy', 'points', points);
  const d = keep(pairDistances(points));
  try {
    const [N] = points.shape;
    if (labels.length !== N)
      throw new ShapeError('nearestNeighborAccuracy', `${N} labels, one a point`, `${labels.length}`);
    if (!(Number.isSafeInteger(k) && k >= 1 && k < N))
      throw new WeftError(
        `nearestNeighborAccuracy: k must be from 1 to ${N - 1}, less than the points, got ${k}`,
      );
    const M = paddedCount(N);
    let right = 0;
    for (let begin = 0; begin < N; begin += ROWS_A_READ) {
      const rows = Math.min(ROWS_A_READ, N - begin);
      const part = d.view(begin * M, [rows, M]);
      const distances = await part.data();
      part.dispose();
      for (let i = 0; i < rows; i++) {
        const nearest = nearestOf(distances, i * M, N, k, begin + i);
        if (vote(nearest, labels) === labels[begin + i]) right++;
      }
    }
    return right / N;
  } finally {
    d.dispose();
  }
}

/** The k nearest of N points, the nearest first, by a row of distances. */
function nearestOf(distances: ArrayLike<number>, row: number, N: number, k: number, self: number): number[] {
  const nearest: number[] = [];
  for (let j = 0; j < N; j++) {
    if (j === self) continue;
    const distance = distances[row + j];
    if (nearest.length === k && !(distance < distances[row + nearest[k - 1]])) continue;
    let place = nearest.length < k ? nearest.length : k - 1;
    while (place > 0 && distance < distances[row + nearest[place - 1]]) {
      nearest[place] = nearest[place - 1];
      place--;
    }
    nearest[place] = j;
  }
  return nearest;
}

function vote(nearest: readonly number[], labels: ArrayLike<number>): number {
  // A map keeps the order in which classes came: the nearest first.
  const votes = new Map<number, number>();
  for (const j of nearest) votes.set(labels[j], (votes.get(labels[j]) ?? 0) + 1);
  return [...votes].reduce((best, entry) => (entry[1] > best[1] ? entry : best))[0];
}
