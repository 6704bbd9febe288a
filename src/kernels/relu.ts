import { defineOp } from '../tensor/autograd.ts';
import { blockKernel, launchBlocks } from '../tensor/blocks.ts';
import { empty, type Tensor } from '../tensor/tensor.ts';
import { elementwise } from './shared/elementwise.ts';
import { nanWgsl } from './shared/nan.ts';

/*
 * y = max(x, 0), NaN where x is
 * dx = dy where y isn't 0, else 0
 */

const inPlaceKernel = blockKernel({
  name: 'relu-in-place',
  write: { y: 'vec4f' },
  declarations: nanWgsl('vec4f'),
  body: 'y[item] = rectified(y[item]);',
});

/** Sets the elements of y below 0 to 0. */
export const rectify = (y: Tensor): void => launchBlocks(inPlaceKernel, { y });

/** The gradient before the rectifier, from its output and the gradient after it. */
export function reluGradient(y: Tensor, dy: Tensor): Tensor {
  const dx = empty(y.shape);
  elementwise('relu-gradient', 'select(0.0, dy, isOpen(y))', { y, dy }, dx, nanWgsl('f32'));
  return dx;
}

const op = defineOp({
  name: 'relu',
  shape: ([x]) => x,
  forward({ inputs: [x], output, save }) {
    elementwise('relu', 'rectified(x)', { x }, output, nanWgsl('f32'));
    save(output);
  },
  backward: ({ gradient, saved: [y] }) => [reluGradient(y, gradient)],
});

/** Rectified linear unit, element by element: `max(x, 0)`, and NaN where x is. The gradient passes where x > 0 or NaN, as in PyTorch. */
export const relu = (x: Tensor): Tensor => op([x], undefined);
