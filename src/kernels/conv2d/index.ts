import { defineOp } from '../../tensor/autograd.ts';
import { empty, type Tensor } from '../../tensor/tensor.ts';
import { sumRows } from '../shared/sumRows.ts';
import { broadcast } from './broadcast.ts';
import { type ConvVariant, type Geometry, geometryOf, type Padding } from './geometry.ts';
import { plain } from './plain.ts';
import { tiled } from './tiled.ts';

/*
 * Two-dimensional convolution with stride 1 (cross-correlation, as in every deep-learning library).
 *
 * N images, H x W input, C input channels, I x J kernel (odd), K filters, Y x X output
 *   x [N,H,W,C], w [I,J,C,K], bias [K], y [N,Y,X,K]
 *   'same':  Y = H, X = W, P = (I-1)/2 and Q = (J-1)/2 rows and columns of zeros around the image
 *   'valid': Y = H-I+1, X = W-J+1, P = Q = 0
 *
 *   y[n,oy,ox,k]  = bias[k] + sum_{i,j,c} x[n, oy+i-P, ox+j-Q, c] * w[i,j,c,k]
 *   dx[n,h,v,c]   = sum_{i,j,k} dy[n, h-i+P, v-j+Q, k] * w[i,j,c,k]
 *   dw[i,j,c,k]   = sum_{n,oy,ox} x[n, oy+i-P, ox+j-Q, c] * dy[n,oy,ox,k]
 *   dbias[k]      = sum_{n,oy,ox} dy[n,oy,ox,k]
 */

export const variants: readonly ConvVariant[] = [broadcast, tiled, plain];

/** The variant of that name if it suits, else the one that is fast here: broadcasting on processors, workgroup tiles on GPUs. */
function variantFor(g: Geometry, like: Tensor, name?: string): ConvVariant {
  const { gpu } = like.storage;
  const wanted = name
    ? variants.filter((variant) => variant.name === name)
    : gpu.isSoftware
      ? [broadcast, tiled]
      : [tiled];
  return wanted.find((variant) => variant.supports(g, gpu)) ?? plain;
}

export interface Conv2dOptions {
  /** `'valid'` (default): no padding; `'same'`: zeros around the image keep its size. */
  padding?: Padding;
  /** Which implementation, by name; default: the fastest that fits. For tests and benchmarks. */
  variant?: string;
}

const op = defineOp<{ padding: Padding; variant: string | undefined }>({
  name: 'conv2d',
  shape(inputs, { padding }) {
    const { N, Y, X, K } = geometryOf(inputs, padding);
    return [N, Y, X, K];
  },
  forward({ inputs: [x, w, bias], attrs, output, save }) {
    const g = geometryOf([x.shape, w.shape], attrs.padding);
    variantFor(g, x, attrs.variant).forward(g, x, w, bias, output);
    save(x, w);
  },
  backward({ gradient: dy, saved: [x, w], attrs, needs }) {
    const g = geometryOf([x.shape, w.shape], attrs.padding);
    const variant = variantFor(g, x, attrs.variant);
    let dx: Tensor | null = null;
    if (needs[0]) {
      dx = empty(x.shape);
      variant.inputGradient(g, dy, w, dx);
    }
    return [dx, needs[1] ? variant.filterGradient(g, x, dy) : null, needs[2] ? sumRows(dy, g.K) : null];
  },
});

/**
 * Convolves images with filters, stride 1.
 *
 * @param x images [N, H, W, C]
 * @param w filters [kernel height, kernel width, C, K], odd in height and width
 * @param bias [K], added to every pixel
 * @returns [N, H, W, K] with padding 'same', [N, H - height + 1, W - width + 1, K] with 'valid'
 */
export function conv2d(
  x: Tensor,
  w: Tensor,
  bias?: Tensor,
  { padding = 'valid', variant }: Conv2dOptions = {},
): Tensor {
  return op(bias ? [x, w, bias] : [x, w], { padding, variant });
}
