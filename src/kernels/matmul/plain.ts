import { kernel } from '../../gpu/kernel.ts';
import { launch, split } from '../../tensor/launch.ts';
import { directFlops, type MatmulVariant } from './geometry.ts';
import { unread } from './tiles.ts';

/*
 * The product as `index.ts` states it, one invocation an output value: the variant to read first, and the one that the others are
 * compared with.
 */

const LANES = 64;

const productKernel = kernel({
  name: 'matmul-plain',
  lanes: LANES,
  read: { a: 'f32', b: 'f32', bias: 'f32' },
  write: { y: 'f32' },
  uniforms: {
    N: 'u32',
    K: 'u32',
    aRow: 'u32',
    aColumn: 'u32',
    bRow: 'u32',
    bColumn: 'u32',
    aItemRows: 'u32',
    hasBias: 'u32',
  },
  body: `
    if (item >= u.items * u.N) { return; }
    let m = item / u.N + u.first * u.aItemRows;
    let n = item % u.N;
    var s = 0.0;
    for (var k = 0u; k < u.K; k++) { s += a[m * u.aRow + k * u.aColumn] * b[k * u.bRow + n * u.bColumn]; }
    if (u.hasBias != 0u) { s += bias[n]; }
    y[item] = s;`,
});

export const plain: MatmulVariant = {
  name: 'plain',
  supports: () => true,
  cost: (g, gpu) => directFlops(g) / (gpu.isSoftware ? 0.7 : 200),
  roundOffs: 8,
  run({ M, N, K, transposeA, transposeB }, a, b, bias, y) {
    const [aRow, aColumn] = transposeA ? [1, M] : [K, 1];
    const [bRow, bColumn] = transposeB ? [1, K] : [N, 1];
    // Rows of A lie together only where it isn't transposed; else every chunk is bound to all of them.
    launch(
      productKernel,
      { a: transposeA ? a : split(a, K), b, bias: bias ?? unread(b), y: split(y, N) },
      {
        items: M,
        workgroups: (items) => Math.ceil((items * N) / LANES),
        uniforms: {
          N,
          K,
          aRow,
          aColumn,
          bRow,
          bColumn,
          aItemRows: transposeA ? 1 : 0,
          hasBias: bias ? 1 : 0,
        },
      },
    );
  },
};
