import { kernel } from '../../gpu/kernel.ts';
import { launch, split } from '../../tensor/launch.ts';
import { adopt, scope } from '../../tensor/scope.ts';
import { empty, type Tensor } from '../../tensor/tensor.ts';
import { scaledSum } from '../shared/reduceLanes.ts';
import { sumPartials } from '../shared/sumRows.ts';
import { forPairs, pairsLaunch, ROWS_A_STRIP } from './pairs.ts';

/*
 * The two parts of the gradient, which exaggeration and Z weigh afterwards:
 *   attraction_i = sum over j of p_ij (y_i - y_j) / w_ij,  repulsion_i = sum over j of (y_i - y_j) / w_ij^2
 *   z_i = sum over j of 1 / w_ij,  Z = sum of z_i
 */

const SUMS = ['ax', 'ay', 'rx', 'ry', 'z'] as const;

const forcesKernel = kernel({
  name: 'tsne-forces',
  read: { p: 'vec4f', y: 'vec4f' },
  write: { partial: 'vec4f' },
  ...forPairs(
    `${SUMS.map((sum) => `var ${sum} = vec4f();`).join(' ')}`,
    `
      let q = select(1.0 / w, vec4f(), same);
      let pq = pij * q;
      let qq = q * q;
      z += q;
      ax += pq * dx;
      ay += pq * dy;
      rx += qq * dx;
      ry += qq * dy;`,
    SUMS.map((sum, s) => `partial[(${SUMS.length}u * strip + ${s}u) * u.blocks + block] = ${sum};`).join(
      '\n',
    ),
  ),
});

/** What pulls and pushes each point. */
export interface Forces {
  /** f32 [5, M]: attraction and repulsion, both in x and in y, and z. */
  readonly sums: Tensor;
  /** f32 [1] */
  readonly Z: Tensor;
}

/**
 * @param p f32 [N, M], by `jointProbabilities`
 * @param y places, f32 [M, 2]
 */
export function pairForces(p: Tensor, y: Tensor): Forces {
  const [N, M] = p.shape;
  return scope(() => {
    const partial = empty([Math.ceil(N / ROWS_A_STRIP), SUMS.length, M]);
    launch(
      forcesKernel,
      { p: split(p, ROWS_A_STRIP * M), y, partial: split(partial, SUMS.length * M) },
      pairsLaunch(N, M),
    );
    const sums = sumPartials(partial, [SUMS.length, M]);
    const Z = empty([1]);
    scaledSum(adopt(sums.view(SUMS.indexOf('z') * M, [N])), 1, Z);
    return { sums, Z };
  });
}
