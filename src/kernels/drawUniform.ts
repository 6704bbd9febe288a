import { kernel } from '../gpu/kernel.ts';
import { defineOp } from '../tensor/autograd.ts';
import { launch, split } from '../tensor/launch.ts';
import type { Tensor } from '../tensor/tensor.ts';
import { expectTensor } from './shared/expectTensor.ts';
import { IMAGE_DRAWS_WGSL, imageDrawUniforms, type Purpose, purposeOffset } from './shared/imageDraws.ts';

/*
 * y[n] = low + (high - low) * u, u uniform over the multiples of 2^-24 in 0 .. 1: word 0 of image n's block 0.
 */

const uniformKernel = kernel({
  name: 'draw-uniform',
  lanes: 64,
  read: { draw: 'vec4u' },
  write: { y: 'f32' },
  uniforms: { ...imageDrawUniforms, low: 'f32', high: 'f32' },
  declarations: IMAGE_DRAWS_WGSL,
  body: `
    if (item >= u.items) { return; }
    y[item] = between(u.low, u.high, words(u.first + item, 0u).x);`,
});

const op = defineOp<{ count: number; range: readonly [number, number]; purpose: Purpose }>({
  name: 'drawUniform',
  shape: (_, { count }) => [count],
  forward({ inputs: [draw], attrs: { count, range, purpose }, output }) {
    const uniforms = { purpose: purposeOffset(purpose), low: range[0], high: range[1] };
    launch(uniformKernel, { draw, y: split(output, 1) }, { items: count, uniforms });
  },
});

/**
 * Draws a number for each of `count` images, uniform over a range.
 *
 * @param draw the random words: `RandomStream.drawTensor()`
 * @param purpose tells apart what is drawn from the same `draw`: 0 to 255
 * @returns f32 [count]
 * @throws ShapeError
 */
export function drawUniform(
  draw: Tensor,
  count: number,
  range: readonly [number, number],
  purpose: Purpose = 0,
): Tensor {
  expectTensor('drawUniform', 'draw', draw, 'u32', [4]);
  return op([draw], { count, range, purpose });
}
