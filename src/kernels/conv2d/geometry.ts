import { ShapeError } from '../../errors.ts';
import type { Gpu } from '../../gpu/gpu.ts';
import { type Shape, showShape } from '../../tensor/shape.ts';
import type { Tensor } from '../../tensor/tensor.ts';
import { type Padding, type Strides, sideOf, stridesOf, zerosOf } from '../shared/padding.ts';
import type { PoolOptions } from '../shared/windows.ts';

/** The letters of a convolution; see `index.ts`. */
export interface Geometry {
  readonly N: number;
  readonly H: number;
  readonly W: number;
  readonly C: number;
  readonly K: number;
  /** Output height and width. */
  readonly Y: number;
  readonly X: number;
  /** Kernel height and width. */
  readonly I: number;
  readonly J: number;
  /** Strides, down and across. */
  readonly S: number;
  readonly T: number;
  /** Rows and columns of zeros before the image. Those after it are as many as the last output needs: see `zerosAfter`. */
  readonly P: number;
  readonly Q: number;
}

/** @throws ShapeError */
export function geometryOf(
  [x, w, bias]: readonly Shape[],
  padding: Padding,
  strides: Strides = 1,
  op = 'conv2d',
): Geometry {
  if (x.length !== 4) throw new ShapeError(op, 'x [N, H, W, C]', showShape(x));
  if (w.length !== 4) throw new ShapeError(op, 'filters [kernel height, kernel width, C, K]', showShape(w));
  const [N, H, W, C] = x;
  const [I, J, filterC, K] = w;
  if (filterC !== C)
    throw new ShapeError(op, `filters for ${C} channels, as x ${showShape(x)} has`, showShape(w));
  checkBias(op, bias, K);
  const [S, T] = stridesOf(op, strides);
  const [rows, columns] = zerosOf(op, padding);
  const [P, after] = typeof rows === 'string' ? sideOf(rows, H, I, S) : rows;
  const [Q, right] = typeof columns === 'string' ? sideOf(columns, W, J, T) : columns;
  const Y = Math.floor((H + P + after - I) / S) + 1;
  const X = Math.floor((W + Q + right - J) / T) + 1;
  if (Y < 1 || X < 1) throw new ShapeError(op, `an image of at least ${I}x${J}`, showShape(x));
  return { N, H, W, C, K, Y, X, I, J, S, T, P, Q };
}

/** @throws ShapeError */
export function checkBias(op: string, bias: Shape | undefined, filters: number): void {
  if (bias && (bias.length !== 1 || bias[0] !== filters))
    throw new ShapeError(op, `a bias of shape [${filters}]`, showShape(bias));
}

/** Rows and columns of zeros after the image that the outputs reach. */
export const zerosAfter = ({ H, W, Y, X, I, J, S, T, P, Q }: Geometry): readonly [number, number] => [
  Math.max(0, (Y - 1) * S + I - P - H),
  Math.max(0, (X - 1) * T + J - Q - W),
];

/** ` stride 2`, ` stride 2x1` or nothing: part of a name. */
export const strideName = ({ S, T }: Geometry): string =>
  S === T ? (S === 1 ? '' : ` stride ${S}`) : ` stride ${S}x${T}`;

/** The padding as part of a name: `valid`, `same` or, where it is neither, `pad 1,1;0,2` (top, bottom; left, right). */
export function paddingName(g: Geometry): string {
  const { H, W, I, J, S, T, P, Q } = g;
  const [bottom, right] = zerosAfter(g);
  const zeros = [P, bottom, Q, right];
  const same = [...sideOf('same', H, I, S), ...sideOf('same', W, J, T)];
  if (zeros.every((count) => count === 0)) return 'valid';
  return zeros.every((count, side) => count === same[side]) ? 'same' : `pad ${P},${bottom};${Q},${right}`;
}

/** A convolution's sizes in the name of its work: `3x3 28x28 64-128 stride 2`. */
export const sizesOf = (g: Geometry): string => `${g.I}x${g.J} ${g.H}x${g.W} ${g.C}-${g.K}${strideName(g)}`;

/** A 3x3 kernel of stride 1 with the same padding, at most 2, before rows and columns: what the variants for just that take. */
export const isUnit3x3 = ({ I, J, S, T, P, Q }: Geometry): boolean =>
  I === 3 && J === 3 && S === 1 && T === 1 && P === Q && P <= 2;

/** Multiply-adds of a forward pass by the direct method. */
export const multiplyAdds = ({ N, C, K, Y, X, I, J }: Omit<Geometry, 'P' | 'Q'>): number =>
  N * Y * X * I * J * C * K;

/** Floating-point operations of one pass by the direct method: two a multiply-add. */
export const directFlops = (g: Geometry): number => 2 * multiplyAdds(g);

/** Terms of a pass' sums. */
export const termsOf = ({ N, C, K, Y, X, I, J }: Geometry, pass: Pass): number =>
  ({ forward: I * J * C, inputGradient: I * J * K, filterGradient: N * Y * X })[pass];

/** The windows of a max-pool that is part of a convolution. */
export const POOL: PoolOptions = { poolSize: 2 };

/** What a forward pass writes: the sum with bias and ReLU, whole or as the maxima of its 2x2 windows. */
export interface Output {
  readonly bias: Tensor | undefined;
  readonly relu: boolean;
  /** [N, Y, X, K], or pooled [N, floor(Y/2), floor(X/2), K] */
  readonly y: Tensor;
  readonly pool: boolean;
  /**
   * Pooled, where a gradient will be asked for: u32 [N, floor(Y/2), floor(X/2), ceil(K/4)], a byte a channel, the first in the lowest bits: the place
   * (row * 2 + column) of the first maximum in its window, or `NOWHERE` where the ReLU lets nothing through.
   */
  readonly winners?: Tensor;
  /** The moments of y's channels are wanted: a variant that can attaches them to y. */
  readonly moments?: boolean;
}

/**
 * The gradient of the sum, folded as the forward pass left it: where `winners` is given, dy is pooled and belongs to the winners'
 * places; where `y` is given, dy counts where y > 0; else it is dy.
 */
export interface Cotangent {
  readonly dy: Tensor;
  readonly y?: Tensor;
  readonly winners?: Tensor;
}

export type Pass = 'forward' | 'inputGradient' | 'filterGradient';

/** One way to compute a convolution's passes, or some of them. */
export interface ConvVariant {
  readonly name: string;
  /** Whether it has this pass and this adapter and these shapes suit it. */
  supports(g: Geometry, pass: Pass, gpu: Gpu): boolean;
  /** Predicted nanoseconds of the pass on this adapter; only their order among variants matters. */
  cost(g: Geometry, pass: Pass, gpu: Gpu): number;
  /** Bound of its error: so many round-offs (2^-24) of a sum's root-mean-square kind, sqrt(terms), at the scale of the largest value. */
  readonly roundOffs: number;
  /** Forward writes pooled outputs by itself; else it is given whole ones. */
  readonly pools?: boolean;
  /** The gradient passes read folded cotangents; else they are given whole ones, with `dy` alone. */
  readonly unfolds?: boolean;
  forward(g: Geometry, x: Tensor, w: Tensor, output: Output): void;
  inputGradient(g: Geometry, cotangent: Cotangent, w: Tensor, dx: Tensor): void;
  /** The filter gradient [I, J, C, K]. */
  filterGradient(g: Geometry, x: Tensor, cotangent: Cotangent): Tensor;
}
