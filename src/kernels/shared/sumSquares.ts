import { kernel } from '../../gpu/kernel.ts';
import { launch, split } from '../../tensor/launch.ts';
import { scope } from '../../tensor/scope.ts';
import { empty, type Tensor } from '../../tensor/tensor.ts';
import { REDUCING_LANES, reduceLanesWgsl, scaledSum } from './reduceLanes.ts';

/** Values that one lane sums; a block's bytes are then a multiple of 256. */
const VALUES_A_LANE = 32;
const BLOCK = VALUES_A_LANE * REDUCING_LANES;

const squaresInBlocks = kernel({
  name: 'squares-in-blocks',
  lanes: REDUCING_LANES,
  read: { x: 'f32' },
  write: { partial: 'f32' },
  uniforms: { length: 'u32' },
  declarations: reduceLanesWgsl('f32', 'a + b'),
  body: `
    let end = min(${BLOCK}u, u.length - (u.first + workgroup) * ${BLOCK}u);
    var s = 0.0;
    for (var i = lane; i < end; i += ${REDUCING_LANES}u) {
      let value = x[workgroup * ${BLOCK}u + i];
      s += value * value;
    }
    let total = reduceLanes(lane, s);
    if (lane == 0u) { partial[workgroup] = total; }`,
});

/**
 * Writes `scale` times the sum of x's squares into the first element of `sum`. A workgroup sums a block, another one the blocks, both
 * in a fixed order.
 */
export function sumSquares(x: Tensor, scale: number, sum: Tensor): void {
  scope(() => {
    const blocks = Math.ceil(x.size / BLOCK);
    const partial = empty([blocks]);
    launch(
      squaresInBlocks,
      { x: split(x, BLOCK), partial: split(partial, 1) },
      { items: blocks, workgroups: (items) => items, uniforms: { length: x.size } },
    );
    scaledSum(partial, scale, sum);
  });
}
