import { kernel } from '../../gpu/kernel.ts';
import { launch, range, split } from '../../tensor/launch.ts';
import { scope } from '../../tensor/scope.ts';
import { empty, type Tensor } from '../../tensor/tensor.ts';
import { sumTerms } from '../shared/sumTerms.ts';
import { forPairs, pairsLaunch, ROWS_A_STRIP } from './pairs.ts';

const divergenceKernel = kernel({
  name: 'tsne-divergence',
  read: { p: 'vec4f', y: 'vec4f' },
  write: { partial: 'vec4f' },
  uniformArrays: { Z: ['vec4f', 1] },
  ...forPairs(
    'var kl = vec4f();',
    // Where p is 0, so is its term; on the diagonal p is 0.
    'kl += select(pij * log(pij * w * Z[0].x), vec4f(), pij == vec4f());',
    'partial[strip * u.blocks + block] = kl;',
  ),
});

/**
 * Kullback-Leibler divergence of the places from the probabilities, in nats: sum of p_ij log(p_ij w_ij Z).
 *
 * @param p f32 [N, M], by `jointProbabilities`
 * @param y places, f32 [M, 2]
 * @param Z f32 [1], of these places, by `pairForces`
 * @param sum f32 [1], written
 */
export function divergence(p: Tensor, y: Tensor, Z: Tensor, sum: Tensor): void {
  const [N, M] = p.shape;
  scope(() => {
    const partial = empty([Math.ceil(N / ROWS_A_STRIP), M]);
    launch(
      divergenceKernel,
      { p: split(p, ROWS_A_STRIP * M), y, partial: split(partial, M), Z: range(Z, 0, 4) },
      pairsLaunch(N, M),
    );
    sumTerms('tsne-divergence-sum', 'x', { x: partial }, 1, sum);
  });
}
