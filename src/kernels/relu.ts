import { defineOp } from '../tensor/autograd.ts';
import { blockKernel, launchBlocks } from '../tensor/blocks.ts';
import { empty, type Tensor } from '../tensor/tensor.ts';
import { elementwise } from './shared/elementwise.ts';

/*
 * y = max(x, 0)
 * dx = dy where y > 0, else 0
 */

const inPlaceKernel = blockKernel({
  name: 'relu-in-place',
  write: { y: 'vec4f' },
  body: 'y[item] = max(y[item], vec4f());',
});

/** Sets the elements of y below 0 to 0. */
export const rectify = (y: Tensor): void => launchBlocks(inPlaceKernel, { y });

/** The gradient before the rectifier, from its output and the gradient after it. */
export function reluGradient(y: Tensor, dy: Tensor): Tensor {
  const dx = empty(y.shape);
  elementwise('relu-gradient', 'select(0.0, dy, y > 0.0)', { y, dy }, dx);
  return dx;
}

const op = defineOp({
  name: 'relu',
  shape: ([x]) => x,
  forward({ inputs: [x], output, save }) {
    elementwise('relu', 'max(x, 0.0)', { x }, output);
    save(output);
  },
  backward: ({ gradient, saved: [y] }) => [reluGradient(y, gradient)],
});

/** Rectified linear unit, element by element: `max(x, 0)`. */
export const relu = (x: Tensor): Tensor => op([x], undefined);
