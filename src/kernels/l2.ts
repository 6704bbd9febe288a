import { checkNumber } from '../checks.ts';
import { defineOp } from '../tensor/autograd.ts';
import { empty, type Tensor } from '../tensor/tensor.ts';
import { elementwise } from './shared/elementwise.ts';
import { expectTensor } from './shared/expectTensor.ts';
import { sumSquares } from './shared/sumSquares.ts';

/*
 * The L2 penalty as Keras has it, without a half.
 *
 * E weights w
 *   loss  = lambda * sum_e w[e]^2
 *   dw[e] = 2 * lambda * w[e] * dloss
 */

const op = defineOp<{ lambda: number }>({
  name: 'l2',
  shape: () => [],
  forward({ inputs: [w], attrs: { lambda }, output, save }) {
    sumSquares(w, lambda, output);
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
 * @param lambda at least 0
 * @returns a scalar []
 * @throws ShapeError; WeftError for a lambda out of its range
 */
export function l2(w: Tensor, lambda: number): Tensor {
  expectTensor('l2', 'w', w, 'f32');
  checkNumber('l2', 'lambda', lambda, { from: 0 });
  return op([w], { lambda });
}
