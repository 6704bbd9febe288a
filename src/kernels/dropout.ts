import { ShapeError } from '../errors.ts';
import { kernel } from '../gpu/kernel.ts';
import { defineOp } from '../tensor/autograd.ts';
import { launch, type Part } from '../tensor/launch.ts';
import { PHILOX_WGSL } from '../tensor/random.ts';
import { empty, type Tensor } from '../tensor/tensor.ts';
import { expectTensor } from './shared/expectTensor.ts';

/*
 * Inverted dropout (Srivastava et al. 2014).
 *
 * Element e draws word e mod 4 of the draw's block floor(e / 4).
 *   y[e]  = x[e] / (1 - rate) where word >= rate * 2^32, else 0
 *   dx[e] = dy[e] / (1 - rate) at the same places, else 0
 * Both passes are one kernel: the backward pass draws the same words again, so no mask is kept.
 */

const applyMask = kernel({
  name: 'dropout',
  lanes: 64,
  read: { x: 'vec4f', draw: 'vec4u' },
  write: { y: 'vec4f' },
  uniforms: { threshold: 'u32', scale: 'f32' },
  declarations: PHILOX_WGSL,
  body: `
    if (item >= u.items) { return; }
    let words = randomBlock(draw[0], u.first + item);
    y[item] = select(vec4f(), u.scale * x[item], words >= vec4u(u.threshold));`,
});

/** An item is a block of four. The last may reach past the tensor: its buffer is a multiple of 256 bytes. */
const inBlocks = (tensor: Tensor): Part => ({
  tensor,
  perItem: 4,
  offset: 0,
  length: 4 * Math.ceil(tensor.size / 4),
});

function launchMask(x: Tensor, draw: Tensor, rate: number, y: Tensor): void {
  // A word is never 2^32, so that a rate just below 1 may round down to the largest one.
  const threshold = Math.min(Math.ceil(rate * 2 ** 32), 2 ** 32 - 1);
  launch(
    applyMask,
    { x: inBlocks(x), draw, y: inBlocks(y) },
    { items: Math.ceil(x.size / 4), uniforms: { threshold, scale: 1 / (1 - rate) } },
  );
}

const op = defineOp<{ rate: number }>({
  name: 'dropout',
  shape: ([x]) => x,
  forward({ inputs: [x, draw], attrs: { rate }, output, save }) {
    launchMask(x, draw, rate, output);
    save(draw);
  },
  backward({ gradient, saved: [draw], attrs: { rate } }) {
    const dx = empty(gradient.shape);
    launchMask(gradient, draw, rate, dx);
    return [dx, null];
  },
});

/**
 * Sets each element to 0 with probability `rate` and divides the others by `1 - rate`, so that the mean
 * stays. For training only: a network that predicts leaves its dropout out.
 *
 * @param rate the share that is dropped, 0 <= rate < 1
 * @param draw the random words: `RandomStream.drawTensor()`
 * @returns the shape of x
 * @throws ShapeError
 */
export function dropout(x: Tensor, rate: number, draw: Tensor): Tensor {
  if (!(rate >= 0 && rate < 1))
    throw new ShapeError('dropout', 'a rate from 0 (included) to 1 (excluded)', String(rate));
  expectTensor('dropout', 'x', x, 'f32');
  expectTensor('dropout', 'draw', draw, 'u32', [4]);
  return op([x, draw], { rate });
}
