import { ShapeError } from '../errors.ts';
import { defineOp } from '../tensor/autograd.ts';
import { showShape } from '../tensor/shape.ts';
import type { Tensor } from '../tensor/tensor.ts';
import { work } from '../tensor/work.ts';
import { product, productShape } from './matmul/index.ts';
import { expectTensor } from './shared/expectTensor.ts';
import { sumRows } from './shared/sumRows.ts';

/*
 * A fully connected layer: N samples, I inputs, O units; x [N, I], w [I, O], bias [O]
 *   y     = x * w + bias
 *   dx    = dy * w^T
 *   dw    = x^T * dy
 *   dbias = sum of dy over the samples
 */

/** Options of `dense`. */
export interface DenseOptions {
  /** Which implementation of the product, by name; default: the fastest that fits. For tests and benchmarks. */
  variant?: string;
}

/** Issues the kernels of one product, named for profiles: each pass takes as many operations. */
function pass<T>(x: Tensor, w: Tensor, name: string, issue: () => T): T {
  const [I, O] = w.shape;
  return work({ op: `dense ${I}-${O}`, pass: name, flops: 2 * x.shape[0] * I * O }, issue);
}

const op = defineOp<DenseOptions>({
  name: 'dense',
  shape([x, w, bias]) {
    const shape = productShape('dense', x, w);
    if (bias && (bias.length !== 1 || bias[0] !== shape[1]))
      throw new ShapeError('dense', `a bias of shape [${shape[1]}]`, showShape(bias));
    return shape;
  },
  forward({ inputs: [x, w, bias], attrs: { variant }, output, save }) {
    pass(x, w, 'forward', () => product(x, w, { variant }, bias, output));
    save(x, w);
  },
  backward({ gradient: dy, saved: [x, w], attrs: { variant }, needs }) {
    return [
      needs[0] ? pass(x, w, 'input gradient', () => product(dy, w, { transposeB: true, variant })) : null,
      needs[1] ? pass(x, w, 'weight gradient', () => product(x, dy, { transposeA: true, variant })) : null,
      needs[2] ? sumRows(dy, w.shape[1]) : null,
    ];
  },
});

/**
 * A fully connected layer, `x * w + bias`.
 *
 * @param x [samples, inputs]
 * @param w weights [inputs, units]
 * @param bias [units], or none
 * @returns [samples, units]
 * @throws ShapeError
 * @example
 * ```ts
 * import { dense, tensor } from 'weft-gpu';
 *
 * await dense(tensor([[1, 2]]), tensor([[1], [10]]), tensor([100])).data(); // Float32Array [121]
 * ```
 */
export function dense(x: Tensor, w: Tensor, bias?: Tensor, options: DenseOptions = {}): Tensor {
  expectTensor('dense', 'x', x, 'f32');
  expectTensor('dense', 'w', w, 'f32');
  if (bias) expectTensor('dense', 'bias', bias, 'f32');
  return op(bias ? [x, w, bias] : [x, w], options);
}
