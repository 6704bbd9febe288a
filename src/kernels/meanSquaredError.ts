import { ShapeError } from '../errors.ts';
import { defineOp } from '../tensor/autograd.ts';
import { sameShape, showShape } from '../tensor/shape.ts';
import { empty, type Tensor } from '../tensor/tensor.ts';
import { elementwise } from './shared/elementwise.ts';
import { expectTensor } from './shared/expectTensor.ts';
import { sumTerms } from './shared/sumTerms.ts';

/*
 * E elements of y and target t
 *   loss  = 1/E sum_e (y[e] - t[e])^2
 *   dy[e] = 2/E (y[e] - t[e]) dloss,  dt[e] = -dy[e]
 */

const op = defineOp({
  name: 'meanSquaredError',
  shape([y, target]) {
    if (!sameShape(y, target))
      throw new ShapeError('meanSquaredError', `a target ${showShape(y)}, of y's shape`, showShape(target));
    return [];
  },
  forward({ inputs: [y, target], output, save }) {
    sumTerms('mean-squared-error', '(y - t) * (y - t)', { y, t: target }, 1 / y.size, output);
    save(y, target);
  },
  backward({ gradient: dloss, saved: [y, t], needs }) {
    const gradient = (scale: number) => {
      const dx = empty(y.shape);
      elementwise('mean-squared-error-gradient', 'scale * dloss * (y - t)', { y, t, dloss, scale }, dx);
      return dx;
    };
    return [needs[0] ? gradient(2 / y.size) : null, needs[1] ? gradient(-2 / y.size) : null];
  },
});

/**
 * Mean of the squared differences, over all elements: of a batch of images, over samples, pixels and channels alike, as Keras and
 * PyTorch have it. Both operands take gradients.
 *
 * @param y of any shape
 * @param target y's shape
 * @returns a scalar []
 * @throws ShapeError
 * @example
 * ```ts
 * import { meanSquaredError, tensor } from 'weft-gpu';
 *
 * await meanSquaredError(tensor([1, 2]), tensor([1, 4])).item(); // 2
 * ```
 */
export function meanSquaredError(y: Tensor, target: Tensor): Tensor {
  expectTensor('meanSquaredError', 'y', y, 'f32');
  expectTensor('meanSquaredError', 'target', target, 'f32');
  return op([y, target], undefined);
}
