import { ShapeError } from '../../errors.ts';
import type { Gpu } from '../../gpu/gpu.ts';
import { type Shape, showShape } from '../../tensor/shape.ts';
import type { Tensor } from '../../tensor/tensor.ts';

/** Which operands are stored transposed. */
export interface Transposes {
  readonly transposeA: boolean;
  readonly transposeB: boolean;
}

/** The letters of a product; see `index.ts`. */
export interface Geometry extends Transposes {
  readonly M: number;
  readonly N: number;
  readonly K: number;
}

/** @throws ShapeError */
export function geometryOf(op: string, a: Shape, b: Shape, { transposeA, transposeB }: Transposes): Geometry {
  if (a.length !== 2 || b.length !== 2)
    throw new ShapeError(op, 'two matrices', `${showShape(a)} and ${showShape(b)}`);
  const [M, K] = transposeA ? [a[1], a[0]] : a;
  const [innerB, N] = transposeB ? [b[1], b[0]] : b;
  if (innerB !== K)
    throw new ShapeError(
      op,
      'matrices of one inner extent',
      `${showShape(a)} and ${showShape(b)}: ${K} and ${innerB}`,
    );
  return { M, N, K, transposeA, transposeB };
}

/** Floating-point operations of a product by the direct method: two a multiply-add. */
export const directFlops = ({ M, N, K }: Pick<Geometry, 'M' | 'N' | 'K'>): number => 2 * M * N * K;

/** One way to compute a product. */
export interface MatmulVariant {
  readonly name: string;
  /** Whether this adapter and these shapes suit it. */
  supports(g: Geometry, gpu: Gpu): boolean;
  /** Predicted nanoseconds on this adapter; only their order among variants matters. */
  cost(g: Geometry, gpu: Gpu): number;
  /** Bound of its error: so many round-offs (2^-24) of a sum's root-mean-square kind, sqrt(K), at the scale of the largest value. */
  readonly roundOffs: number;
  /** Whether it cuts K into slices that bind all of A, for want of rows. Default false. */
  slicesTerms?(g: Geometry, gpu: Gpu): boolean;
  /** Writes the product, plus `bias` [N] on every row, into y [M, N]. */
  run(g: Geometry, a: Tensor, b: Tensor, bias: Tensor | undefined, y: Tensor): void;
}
