import { kernel } from '../gpu/kernel.ts';
import { defineOp } from '../tensor/autograd.ts';
import { launch, split } from '../tensor/launch.ts';
import { empty, type Tensor } from '../tensor/tensor.ts';

/*
 * y = max(x, 0)
 * dx = dy where y > 0, else 0
 */

const forwardKernel = kernel({
  name: 'relu',
  lanes: 64,
  read: { x: 'f32' },
  write: { y: 'f32' },
  body: 'if (item < u.items) { y[item] = max(x[item], 0.0); }',
});

const backwardKernel = kernel({
  name: 'relu-gradient',
  lanes: 64,
  read: { y: 'f32', dy: 'f32' },
  write: { dx: 'f32' },
  body: 'if (item < u.items) { dx[item] = select(0.0, dy[item], y[item] > 0.0); }',
});

const inPlaceKernel = kernel({
  name: 'relu-in-place',
  lanes: 64,
  write: { y: 'f32' },
  body: 'if (item < u.items) { y[item] = max(y[item], 0.0); }',
});

/** Sets the elements of y below 0 to 0. */
export function rectify(y: Tensor): void {
  launch(inPlaceKernel, { y: split(y, 1) }, { items: y.size });
}

/** The gradient before the rectifier, from its output and the gradient after it. */
export function reluGradient(y: Tensor, dy: Tensor): Tensor {
  const dx = empty(y.shape);
  launch(backwardKernel, { y: split(y, 1), dy: split(dy, 1), dx: split(dx, 1) }, { items: dx.size });
  return dx;
}

const op = defineOp({
  name: 'relu',
  shape: ([x]) => x,
  forward({ inputs: [x], output, save }) {
    launch(forwardKernel, { x: split(x, 1), y: split(output, 1) }, { items: x.size });
    save(output);
  },
  backward: ({ gradient, saved: [y] }) => [reluGradient(y, gradient)],
});

/** Rectified linear unit, element by element: `max(x, 0)`. */
export const relu = (x: Tensor): Tensor => op([x], undefined);
