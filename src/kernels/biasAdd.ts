import { ShapeError } from '../errors.ts';
import { defineOp } from '../tensor/autograd.ts';
import { showShape } from '../tensor/shape.ts';
import type { Tensor } from '../tensor/tensor.ts';
import { elementwise } from './shared/elementwise.ts';
import { expectTensor } from './shared/expectTensor.ts';
import { sumRows } from './shared/sumRows.ts';

/*
 * C channels, r over all axes but the last
 *   y[r, c] = x[r, c] + bias[c]
 *   dx = dy,  dbias[c] = sum of dy[r, c] over r
 */

const op = defineOp({
  name: 'biasAdd',
  shape([x, bias]) {
    const channels = x[x.length - 1];
    if (x.length === 0) throw new ShapeError('biasAdd', 'x of at least one axis', showShape(x));
    if (bias.length !== 1 || bias[0] !== channels)
      throw new ShapeError('biasAdd', `a bias of shape [${channels}]`, showShape(bias));
    return x;
  },
  forward({ inputs: [x, bias], output }) {
    elementwise('biasAdd', 'x + bias', { x, bias }, output);
  },
  backward: ({ gradient, inputShapes: [, [channels]], needs }) => [
    gradient,
    needs[1] ? sumRows(gradient, channels) : null,
  ],
});

/**
 * Adds a bias to every channel.
 *
 * @param x [..., C]
 * @param bias [C]
 * @throws ShapeError
 */
export function biasAdd(x: Tensor, bias: Tensor): Tensor {
  expectTensor('biasAdd', 'x', x, 'f32');
  expectTensor('biasAdd', 'bias', bias, 'f32');
  return op([x, bias], undefined);
}
