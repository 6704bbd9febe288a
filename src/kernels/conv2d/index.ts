import { ShapeError } from '../../errors.ts';
import { defineOp } from '../../tensor/autograd.ts';
import { expectIsTensor, type Tensor } from '../../tensor/tensor.ts';
import { work } from '../../tensor/work.ts';
import type { Padding, Strides } from '../shared/padding.ts';
import { biasGradient, unfold } from './cotangent.ts';
import { type Cotangent, directFlops, type Geometry, geometryOf, sizesOf } from './geometry.ts';
import { type Fused, filterGradient, forward, inputGradient, outputShapeOf, variantFor } from './passes.ts';

/*
 * Two-dimensional convolution (cross-correlation, as in every deep-learning library), with the ReLU and the 2x2 max-pool that may follow
 * it.
 *
 * N images, H x W input, C input channels, I x J kernel, K filters, Y x X output, strides S (rows) and T (columns), P rows and Q columns of
 * zeros before the image and P' and Q' after it
 *   x [N,H,W,C], w [I,J,C,K], bias [K], y [N,Y,X,K]
 *   Y = floor((H + P + P' - I) / S) + 1, X = floor((W + Q + Q' - J) / T) + 1
 *   'valid': P = P' = Q = Q' = 0
 *   'same':  Y = ceil(H / S), P + P' = max((Y-1) S + I - H, 0), P = floor((P + P') / 2); columns likewise. TensorFlow's rule
 *
 *   y[n,oy,ox,k]  = bias[k] + sum_{i,j,c} x[n, oy*S+i-P, ox*T+j-Q, c] * w[i,j,c,k]
 *   dx[n,h,v,c]   = sum_{i,j,k} dy[n, (h+P-i)/S, (v+Q-j)/T, k] * w[i,j,c,k]     over the taps where both quotients are whole
 *   dw[i,j,c,k]   = sum_{n,oy,ox} x[n, oy*S+i-P, ox*T+j-Q, c] * dy[n,oy,ox,k]
 *   dbias[k]      = sum_{n,oy,ox} dy[n,oy,ox,k]
 *
 * With 'relu' the output is max(y, 0), with max-pool the largest of each 2x2 window of that, [N, floor(Y/2), floor(X/2), K]. Then the
 * sum itself is never kept, and dy is unfolded from the output's gradient: see `cotangent.ts`. Passes and variants: `passes.ts`.
 */

interface Attributes extends Fused {
  readonly strides: Strides;
  readonly padding: Padding;
}

/** Issues the kernels of one pass, named for profiles. */
const named = <T>(g: Geometry, pass: string, issue: () => T): T =>
  work({ op: `conv2d ${sizesOf(g)}`, pass, flops: directFlops(g) }, issue);

const op = defineOp<Attributes>({
  name: 'conv2d',
  shape(inputs, attrs) {
    const g = geometryOf(inputs, attrs.padding, attrs.strides);
    if (attrs.maxPool && (g.Y < 2 || g.X < 2))
      throw new ShapeError('conv2d', 'an output of at least 2x2, the size of the pool', `${g.Y}x${g.X}`);
    return outputShapeOf(g, attrs);
  },
  forward({ inputs: [x, w, bias], attrs, output, save, needs }) {
    const g = geometryOf([x.shape, w.shape], attrs.padding, attrs.strides);
    const variant = variantFor(g, 'forward', attrs, x.storage.gpu);
    const keepsWinners = needs.includes(true);
    const winners = named(g, 'forward', () => forward(variant, g, attrs, x, w, bias, output, keepsWinners));
    save(x, w);
    if (winners) save(winners);
    else if (attrs.activation === 'relu') save(output);
  },
  backward({ gradient: dy, saved: [x, w, mask], attrs, needs }) {
    const g = geometryOf([x.shape, w.shape], attrs.padding, attrs.strides);
    const { gpu } = x.storage;
    const [toInput, toFilter] = [
      needs[0] ? variantFor(g, 'inputGradient', attrs, gpu) : undefined,
      needs[1] ? variantFor(g, 'filterGradient', attrs, gpu) : undefined,
    ];
    let cotangent: Cotangent = { dy, ...(mask && (attrs.maxPool ? { winners: mask } : { y: mask })) };
    const asked = [toInput, toFilter].filter((variant) => variant !== undefined);
    // Unfolded once for all that can't read it folded: then nobody needs it folded.
    if (mask && asked.some((variant) => !variant.unfolds)) cotangent = { dy: unfold(g, cotangent) };
    return [
      toInput ? named(g, 'input gradient', () => inputGradient(toInput, g, cotangent, w)) : null,
      toFilter ? named(g, 'filter gradient', () => filterGradient(toFilter, g, x, cotangent)) : null,
      needs[2] ? biasGradient(g, cotangent) : null,
    ];
  },
});

/** Options of `conv2d`. */
export interface Conv2dOptions {
  /** How far the kernel moves from output to output. Default 1. */
  strides?: Strides;
  /**
   * Zeros around the image: `'valid'` (default), none; `'same'`, as many as make the output ceil(size / stride), the odd one below and to the
   * right, as TensorFlow has it; or their number: on all sides, [rows, columns] or [[top, bottom], [left, right]].
   */
  padding?: Padding;
  /** What is applied to the sum, in the pass that writes it. Default `'linear'`. */
  activation?: 'linear' | 'relu';
  /** Whether the output is the maxima of 2x2 windows, stride 2, as of `maxPool2d`: the unpooled values are then never kept. */
  maxPool?: boolean;
  /** Gathers the moments of the channels on the way, where the variant can: a `batchNormTraining` of the result then needs no pass for them. */
  moments?: boolean;
  /** Which implementation, by name, where it suits; default: the one that was chosen for this adapter. For tests and benchmarks. */
  variant?: string;
}

/**
 * Convolves images with filters.
 *
 * @param x images [N, H, W, C]
 * @param w filters [kernel height, kernel width, C, K]
 * @param bias [K], added to every pixel
 * @returns [N, Y, X, K] with Y = floor((H + zeros above and below - kernel height) / stride) + 1, X likewise; with `maxPool` half of
 *   that height and width, rounded down
 * @throws ShapeError
 * @example
 * ```ts
 * import { conv2d, ones } from 'weft-gpu';
 *
 * const y = conv2d(ones([1, 4, 4, 1]), ones([3, 3, 1, 2]), undefined, { padding: 'same', activation: 'relu' });
 * console.log(y.shape, (await y.data())[0]); // [ 1, 4, 4, 2 ] 4
 * ```
 */
export function conv2d(
  x: Tensor,
  w: Tensor,
  bias?: Tensor,
  {
    strides = 1,
    padding = 'valid',
    activation = 'linear',
    maxPool = false,
    moments = false,
    variant,
  }: Conv2dOptions = {},
): Tensor {
  if (activation !== 'linear' && activation !== 'relu')
    throw new ShapeError('conv2d', "activation 'linear' or 'relu'", `'${activation}'`);
  for (const [name, operand] of Object.entries({ x, w, ...(bias && { bias }) }))
    expectIsTensor('conv2d', name, operand);
  return op(bias ? [x, w, bias] : [x, w], { strides, padding, activation, maxPool, moments, variant });
}
