import { ShapeError } from '../../errors.ts';
import { kernel } from '../../gpu/kernel.ts';
import { launch, split } from '../../tensor/launch.ts';
import { scope } from '../../tensor/scope.ts';
import { showShape } from '../../tensor/shape.ts';
import { empty, type Tensor } from '../../tensor/tensor.ts';
import { expectTensor } from '../shared/expectTensor.ts';

/*
 *   d_ij = sum over k of (x_ik - x_jk)^2,  k rising
 *
 * Summed as it stands: |x_i|^2 + |x_j|^2 - 2 x_i x_j would lose the distance of near points far from the origin, and the distance of
 * equal ones would not be 0. An invocation has 16 rows by 4 columns, of x transposed, so that a load serves many terms.
 */

const LANES = 64;
const ROWS = 16;

/** What stands for the distance of a point to itself, and to columns past the last point: so far that its probability is 0. */
export const FAR = '3.0e38';

/** Columns of a matrix of pairs of N points. */
export const paddedCount = (N: number): number => 64 * Math.ceil(N / 64);

// Columns past the last point are 0.
const transposeKernel = kernel({
  name: 'tsne-transpose',
  lanes: LANES,
  read: { x: 'f32' },
  write: { columns: 'f32' },
  uniforms: { N: 'u32', M: 'u32', D: 'u32' },
  body: `
    if (item >= u.items * u.M) { return; }
    let j = item % u.M;
    let k = u.first + item / u.M;
    columns[item] = select(0.0, x[min(j, u.N - 1u) * u.D + k], j < u.N);`,
});

const rows = Array.from({ length: ROWS }, (_, r) => r);

const distancesKernel = kernel({
  name: 'tsne-distances',
  lanes: LANES,
  read: { x: 'vec4f' },
  write: { d: 'vec4f' },
  uniforms: { N: 'u32', D: 'u32', blocks: 'u32', groups: 'u32' },
  body: `
    let block = (workgroup % u.groups) * ${LANES}u + lane;
    if (block >= u.blocks) { return; }
    let row = (workgroup / u.groups) * ${ROWS}u;
    let i = u.first * ${ROWS}u + row;
    ${rows.map((r) => `var sum${r} = vec4f();`).join(' ')}
    var at = 0u;
    for (var k = 0u; k < u.D; k++) {
      let xj = x[at + block];
      ${rows
        .filter((r) => r % 4 === 0)
        .map((r) => `let xi${r / 4} = x[at + i / 4u + ${r / 4}u];`)
        .join(' ')}
      ${rows
        .map((r) => `let e${r} = xj - xi${Math.floor(r / 4)}[${r % 4}]; sum${r} += e${r} * e${r};`)
        .join('\n      ')}
      at += u.blocks;
    }
    let j = 4u * block + vec4u(0u, 1u, 2u, 3u);
    ${rows
      .map(
        (r) => `if (i + ${r}u < u.N) {
      d[(row + ${r}u) * u.blocks + block] = select(sum${r}, vec4f(${FAR}), (j >= vec4u(u.N)) | (j == vec4u(i + ${r}u)));
    }`,
      )
      .join('\n    ')}`,
});

/**
 * Squared distances of all pairs of points.
 *
 * @param x f32 [N, D]
 * @returns f32 [N, M], symmetric; 3e38 on the diagonal and in the columns past the N-th
 * @throws ShapeError; GpuError where x doesn't fit one binding, or the matrix one buffer
 */
export function pairDistances(x: Tensor): Tensor {
  if (x.rank !== 2) throw new ShapeError('pairDistances', 'points [N, D]', showShape(x.shape));
  expectTensor('pairDistances', 'x', x, 'f32');
  const [N, D] = x.shape;
  const M = paddedCount(N);
  return scope(() => {
    const columns = empty([D, M]);
    launch(
      transposeKernel,
      { x, columns: split(columns, M) },
      { items: D, uniforms: { N, M, D }, workgroups: (items) => (items * M) / LANES },
    );
    const d = empty([N, M]);
    const blocks = M / 4;
    const groups = Math.ceil(blocks / LANES);
    launch(
      distancesKernel,
      { x: columns, d: split(d, ROWS * M) },
      {
        items: Math.ceil(N / ROWS),
        uniforms: { N, D, blocks, groups },
        workgroups: (items) => items * groups,
      },
    );
    return d;
  });
}
