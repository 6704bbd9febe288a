import { ShapeError } from '../errors.ts';
import { defineOp } from '../tensor/autograd.ts';
import { sameShape, showShape } from '../tensor/shape.ts';
import { empty, type Tensor } from '../tensor/tensor.ts';
import { elementwise } from './shared/elementwise.ts';
import { expectTensor } from './shared/expectTensor.ts';
import { sumTerms } from './shared/sumTerms.ts';
import { log1pWgsl } from './softmax.ts';
import { sigmoidWgsl } from './unary.ts';

/*
 * Cross-entropy of probabilities given as logits, element by element: PyTorch's binary_cross_entropy_with_logits, and Keras'
 * BinaryCrossentropy(from_logits=True).
 *
 * E elements; x logits, t targets in [0, 1], p = sigmoid(x)
 *   loss  = -1/E sum_e (t[e] log(p[e]) + (1 - t[e]) log(1 - p[e]))
 *         =  1/E sum_e (max(x[e], 0) - x[e] t[e] + log(1 + exp(-|x[e]|)))
 *   dx[e] =  1/E (p[e] - t[e]) dloss
 */

const termWgsl = `${log1pWgsl}
fn crossEntropy(x: f32, t: f32) -> f32 {
  return max(x, 0.0) - x * t + log1p(exp(-abs(x)));
}`;

const op = defineOp({
  name: 'binaryCrossEntropy',
  shape([logits, target]) {
    if (!sameShape(logits, target))
      throw new ShapeError(
        'binaryCrossEntropy',
        `a target ${showShape(logits)}, of the logits' shape`,
        showShape(target),
      );
    return [];
  },
  forward({ inputs: [x, target], output, save }) {
    const operands = { x, t: target };
    sumTerms('binary-cross-entropy', 'crossEntropy(x, t)', operands, 1 / x.size, output, termWgsl);
    save(x, target);
  },
  backward({ gradient: dloss, saved: [x, t] }) {
    const dx = empty(x.shape);
    elementwise(
      'binary-cross-entropy-gradient',
      'scale * dloss * (sigmoid(x) - t)',
      { x, t, dloss, scale: 1 / x.size },
      dx,
      sigmoidWgsl,
    );
    return [dx, null];
  },
});

/**
 * Mean cross-entropy of independent probabilities, from logits (scores before the sigmoid), over all elements. The target is taken
 * as given: it gets no gradient.
 *
 * @param logits of any shape
 * @param target probabilities from 0 to 1, of the logits' shape
 * @returns a scalar []
 * @throws ShapeError
 * @example
 * ```ts
 * import { binaryCrossEntropy, tensor } from 'weft-gpu';
 *
 * console.log((await binaryCrossEntropy(tensor([0, 0]), tensor([1, 0])).item()).toFixed(4)); // 0.6931
 * ```
 */
export function binaryCrossEntropy(logits: Tensor, target: Tensor): Tensor {
  expectTensor('binaryCrossEntropy', 'logits', logits, 'f32');
  expectTensor('binaryCrossEntropy', 'target', target, 'f32');
  return op([logits, target], undefined);
}
