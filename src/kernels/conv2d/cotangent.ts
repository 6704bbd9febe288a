import { kernelFamily } from '../../gpu/kernel.ts';
import { launch, split } from '../../tensor/launch.ts';
import { empty, type Tensor } from '../../tensor/tensor.ts';
import { NOWHERE, unpool } from '../maxPool2d.ts';
import { reluGradient } from '../relu.ts';
import { sumPartials, sumRows } from '../shared/sumRows.ts';
import { type Cotangent, type Geometry, POOL } from './geometry.ts';

/*
 * The gradient of a convolution's sum from that of its output (see `Cotangent`), for passes that don't read it folded, and its sum,
 * the bias' gradient.
 *
 *   ReLU:         dz[n,oy,ox,k] = dy[n,oy,ox,k] where y[n,oy,ox,k] > 0, else 0
 *   and max-pool: dz[n,oy,ox,k] = dy[n,oy/2,ox/2,k] where (oy%2) * 2 + ox%2 is the winner of that window, else 0
 *   dbias[k] = sum of dz[n,oy,ox,k], which of a pooled gradient is the sum of dy over the windows that aren't closed
 */

/** The gradient of the sum as a tensor [N, Y, X, K]: dy itself where nothing is folded. */
export function unfold({ N, Y, X, K }: Geometry, { dy, y, winners }: Cotangent): Tensor {
  if (winners) return unpool(dy, winners, POOL, [N, Y, X, K]);
  return y ? reluGradient(y, dy) : dy;
}

const LANES = 64;
/** Rows that an invocation sums: a multiple of 64, so that ranges begin at multiples of 256 bytes. */
const BLOCK_ROWS = 256;

const sumOfOpenKernel = kernelFamily(({ pooled }: { pooled: boolean }) => ({
  name: 'conv2d-bias-gradient',
  lanes: LANES,
  read: { dy: 'f32', mask: pooled ? 'u32' : 'f32' },
  write: { partial: 'f32' },
  uniforms: { rows: 'u32', K: 'u32', G: 'u32' },
  body: `
    if (item >= u.items * u.K) { return; }
    let k = item % u.K;
    let begin = item / u.K * ${BLOCK_ROWS}u;
    let end = min(begin + ${BLOCK_ROWS}u, u.rows - u.first * ${BLOCK_ROWS}u);
    var s = 0.0;
    for (var row = begin; row < end; row++) {
      ${
        pooled
          ? `let open = ((mask[row * u.G + k / 4u] >> (8u * (k % 4u))) & 255u) != ${NOWHERE}u;`
          : 'let open = mask[row * u.K + k] > 0.0;'
      }
      s += select(0.0, dy[row * u.K + k], open);
    }
    partial[item] = s;`,
}));

/** The bias' gradient [K]. */
export function biasGradient({ K }: Geometry, { dy, y, winners }: Cotangent): Tensor {
  const mask = winners ?? y;
  if (!mask) return sumRows(dy, K);
  const rows = dy.size / K;
  const blocks = Math.ceil(rows / BLOCK_ROWS);
  const partial = empty([blocks, K]);
  launch(
    sumOfOpenKernel({ pooled: winners !== undefined }),
    {
      dy: split(dy, BLOCK_ROWS * K),
      mask: split(mask, BLOCK_ROWS * (mask.size / rows)),
      partial: split(partial, K),
    },
    {
      items: blocks,
      workgroups: (items) => Math.ceil((items * K) / LANES),
      uniforms: { rows, K, G: Math.ceil(K / 4) },
    },
  );
  return sumPartials(partial, [K]);
}
