import { ShapeError } from '../../errors.ts';
import type { Gpu } from '../../gpu/gpu.ts';
import { type Shape, showShape } from '../../tensor/shape.ts';
import type { Tensor } from '../../tensor/tensor.ts';
import type { Windows } from '../maxPool2d.ts';

export type Padding = 'same' | 'valid';

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
  /** Rows and columns of zeros before the image. */
  readonly P: number;
  readonly Q: number;
}

/** @throws ShapeError */
export function geometryOf([x, w, bias]: readonly Shape[], padding: Padding): Geometry {
  if (x.length !== 4) throw new ShapeError('conv2d', 'x [N, H, W, C]', showShape(x));
  if (w.length !== 4)
    throw new ShapeError('conv2d', 'filters [kernel height, kernel width, C, K]', showShape(w));
  const [N, H, W, C] = x;
  const [I, J, filterC, K] = w;
  if (filterC !== C)
    throw new ShapeError('conv2d', `filters for ${C} channels, as x ${showShape(x)} has`, showShape(w));
  if (I % 2 === 0 || J % 2 === 0)
    throw new ShapeError('conv2d', 'a kernel of odd height and width', showShape(w));
  if (bias && (bias.length !== 1 || bias[0] !== K))
    throw new ShapeError('conv2d', `a bias of shape [${K}]`, showShape(bias));
  if (padding !== 'same' && padding !== 'valid')
    throw new ShapeError('conv2d', "padding 'same' or 'valid'", `'${padding}'`);
  const [P, Q] = padding === 'same' ? [(I - 1) / 2, (J - 1) / 2] : [0, 0];
  const [Y, X] = [H + 2 * P - I + 1, W + 2 * Q - J + 1];
  if (Y < 1 || X < 1) throw new ShapeError('conv2d', `an image of at least ${I}x${J}`, showShape(x));
  return { N, H, W, C, K, Y, X, I, J, P, Q };
}

/** Floating-point operations of one pass by the direct method: two a multiply-add. */
export const directFlops = ({ N, C, K, Y, X, I, J }: Geometry): number => 2 * N * Y * X * I * J * C * K;

/** Terms of a pass' sums. */
export const termsOf = ({ N, C, K, Y, X, I, J }: Geometry, pass: Pass): number =>
  ({ forward: I * J * C, inputGradient: I * J * K, filterGradient: N * Y * X })[pass];

/** The windows of a max-pool that is part of a convolution. */
export const POOL: Windows = { size: [2, 2], strides: [2, 2] };

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
