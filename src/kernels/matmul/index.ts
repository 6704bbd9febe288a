import { defineOp } from '../../tensor/autograd.ts';
import type { Shape } from '../../tensor/shape.ts';
import { empty, type Tensor } from '../../tensor/tensor.ts';
import { expectTensor } from '../shared/expectTensor.ts';
import { geometryOf, type MatmulVariant, type Transposes } from './geometry.ts';
import { plain } from './plain.ts';
import { subgroup } from './subgroup.ts';
import { tiled } from './tiled.ts';

/*
 * Matrix product: y [M, N] = A [M, K] * B [K, N], where A is the first input or, with transposeA, its transpose (the input is then
 * [K, M]); B likewise ([N, K] with transposeB).
 *
 *   y[m, n]  = sum_k A[m, k] * B[k, n]
 *   dA[m, k] = sum_n dy[m, n] * B[k, n]    dA = dy * B^T, and the gradient of a transposed input is (dA)^T = B * dy^T
 *   dB[k, n] = sum_m A[m, k] * dy[m, n]    dB = A^T * dy, likewise (dB)^T = dy^T * A
 */

/** Fastest first; the first that supports the shapes on the adapter is taken. */
export const variants: readonly MatmulVariant[] = [subgroup, tiled, plain];

export interface MatmulOptions extends Partial<Transposes> {
  /** Which implementation, by name; default: the fastest that fits. For tests and benchmarks. */
  variant?: string;
}

/** The product of two matrices, off the tape, with `bias` [N] added to every row. */
export function product(
  a: Tensor,
  b: Tensor,
  { transposeA = false, transposeB = false, variant: name }: MatmulOptions,
  bias?: Tensor,
  y?: Tensor,
): Tensor {
  const g = geometryOf('matmul', a.shape, b.shape, { transposeA, transposeB });
  const { gpu } = a.storage;
  const variant =
    variants.find((v) => (name === undefined || v.name === name) && v.supports(g, gpu)) ?? plain;
  const to = y ?? empty([g.M, g.N], 'f32', gpu);
  variant.run(g, a, b, bias, to);
  return to;
}

/** The shape of a product. @throws ShapeError */
export function productShape(
  op: string,
  a: Shape,
  b: Shape,
  { transposeA = false, transposeB = false }: MatmulOptions = {},
): Shape {
  const { M, N } = geometryOf(op, a, b, { transposeA, transposeB });
  return [M, N];
}

const op = defineOp<MatmulOptions>({
  name: 'matmul',
  shape: ([a, b], attrs) => productShape('matmul', a, b, attrs),
  forward({ inputs: [a, b], attrs, output, save }) {
    product(a, b, attrs, undefined, output);
    save(a, b);
  },
  backward({
    gradient: dy,
    saved: [a, b],
    attrs: { transposeA = false, transposeB = false, variant },
    needs,
  }) {
    const gradientOfA = () =>
      transposeA
        ? product(b, dy, { transposeA: transposeB, transposeB: true, variant })
        : product(dy, b, { transposeB: !transposeB, variant });
    const gradientOfB = () =>
      transposeB
        ? product(dy, a, { transposeA: true, transposeB: transposeA, variant })
        : product(a, dy, { transposeA: !transposeA, variant });
    return [needs[0] ? gradientOfA() : null, needs[1] ? gradientOfB() : null];
  },
});

/**
 * Matrix product.
 *
 * @param a [M, K], or [K, M] with `transposeA`
 * @param b [K, N], or [N, K] with `transposeB`
 * @returns [M, N]
 * @throws ShapeError
 */
export function matmul(a: Tensor, b: Tensor, options: MatmulOptions = {}): Tensor {
  expectTensor('matmul', 'a', a, 'f32');
  expectTensor('matmul', 'b', b, 'f32');
  return op([a, b], options);
}
