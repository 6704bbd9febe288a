import { kernel } from '../gpu/kernel.ts';
import { defineOp } from '../tensor/autograd.ts';
import { launch, split } from '../tensor/launch.ts';
import { empty, type Tensor } from '../tensor/tensor.ts';
import { elementwise } from './shared/elementwise.ts';
import { expectTensor } from './shared/expectTensor.ts';
import { REDUCING_LANES, reduceLanesWgsl, scaledSum } from './shared/reduceLanes.ts';

/*
 * The L2 penalty as Keras has it, without a half.
 *
 * E weights w, cut into blocks
 *   loss  = lambda * sum_e w[e]^2
 *   dw[e] = 2 * lambda * w[e] * dloss
 * A workgroup sums a block, another one the blocks, both in a fixed order.
 */

/** Weights that one lane sums; a block's bytes are then a multiple of 256. */
const WEIGHTS_A_LANE = 32;
const BLOCK = WEIGHTS_A_LANE * REDUCING_LANES;

const squaresInBlocks = kernel({
  name: 'l2-blocks',
  lanes: REDUCING_LANES,
  read: { w: 'f32' },
  write: { partial: 'f32' },
  uniforms: { length: 'u32' },
  declarations: reduceLanesWgsl('f32', 'a + b'),
  body: `
    let end = min(${BLOCK}u, u.length - (u.first + workgroup) * ${BLOCK}u);
    var s = 0.0;
    for (var i = lane; i < end; i += ${REDUCING_LANES}u) {
      let value = w[workgroup * ${BLOCK}u + i];
      s += value * value;
    }
    let total = reduceLanes(lane, s);
    if (lane == 0u) { partial[workgroup] = total; }`,
});

const op = defineOp<{ lambda: number }>({
  name: 'l2',
  shape: () => [],
  forward({ inputs: [w], attrs: { lambda }, output, save }) {
    const blocks = Math.ceil(w.size / BLOCK);
    const partial = empty([blocks]);
    launch(
      squaresInBlocks,
      { w: split(w, BLOCK), partial: split(partial, 1) },
      { items: blocks, workgroups: (items) => items, uniforms: { length: w.size } },
    );
    scaledSum(partial, lambda, output);
    save(w);
  },
  backward({ gradient: dloss, saved: [w], attrs: { lambda } }) {
    const dw = empty(w.shape);
    elementwise('l2-gradient', 'twiceLambda * dloss * w', { w, dloss, twiceLambda: 2 * lambda }, dw);
    return [dw];
  },
});

/**
 * L2 penalty of weights, to be added to a loss: `lambda * sum(w^2)`, without a half, as Keras counts it.
 *
 * @param w of any shape
 * @returns a scalar []
 */
export function l2(w: Tensor, lambda: number): Tensor {
  expectTensor('l2', 'w', w, 'f32');
  return op([w], { lambda });
}
