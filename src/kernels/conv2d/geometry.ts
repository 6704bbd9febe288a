import { ShapeError } from '../../errors.ts';
import { type Shape, showShape } from '../../tensor/shape.ts';
import type { Tensor } from '../../tensor/tensor.ts';

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

/** One way to compute the three passes of a convolution. */
export interface ConvVariant {
  readonly name: string;
  /** Whether this adapter and these shapes suit it. */
  supports(g: Geometry, gpu: Tensor['storage']['gpu']): boolean;
  forward(g: Geometry, x: Tensor, w: Tensor, bias: Tensor | undefined, y: Tensor): void;
  inputGradient(g: Geometry, dy: Tensor, w: Tensor, dx: Tensor): void;
  /** The filter gradient [I, J, C, K]. */
  filterGradient(g: Geometry, x: Tensor, dy: Tensor): Tensor;
}
