import { ShapeError } from '../../errors.ts';
import type { Gpu } from '../../gpu/gpu.ts';
import { defineOp } from '../../tensor/autograd.ts';
import { batchBucket, choose, type Trial, trialImages } from '../../tensor/choices.ts';
import { RandomStream } from '../../tensor/random.ts';
import { keep } from '../../tensor/scope.ts';
import { type Shape, sizeOf } from '../../tensor/shape.ts';
import { empty, type Tensor, tensor } from '../../tensor/tensor.ts';
import { work } from '../../tensor/work.ts';
import { pool } from '../maxPool2d.ts';
import { broadcast } from './broadcast.ts';
import { biasGradient, unfold } from './cotangent.ts';
import {
  type ConvVariant,
  type Cotangent,
  directFlops,
  type Geometry,
  geometryOf,
  type Padding,
  type Pass,
  POOL,
  termsOf,
} from './geometry.ts';
import { plain } from './plain.ts';
import { product } from './product.ts';
import { tiled } from './tiled.ts';
import { winograd2, winograd4 } from './winograd/index.ts';

/*
 * Two-dimensional convolution with stride 1 (cross-correlation, as in every deep-learning library), with the ReLU and the 2x2 max-pool
 * that may follow it.
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
 *
 * With 'relu' the output is max(y, 0), with max-pool the largest of each 2x2 window of that, [N, floor(Y/2), floor(X/2), K]. Then the
 * sum itself is never kept, and dy is unfolded from the output's gradient: see `cotangent.ts`.
 */

export const variants: readonly ConvVariant[] = [winograd4, winograd2, broadcast, tiled, product, plain];

type Activation = 'linear' | 'relu';

interface Attributes {
  readonly padding: Padding;
  readonly activation: Activation;
  readonly maxPool: boolean;
  readonly moments: boolean;
  readonly variant: string | undefined;
}

/** The variant of that name if it suits, else the one that was chosen for this pass. */
function variantFor(g: Geometry, pass: Pass, attrs: Attributes, gpu: Gpu): ConvVariant {
  const offered = variants.filter((variant) => variant.supports(g, pass, gpu));
  const name = attrs.variant ?? choose(gpu, requestFor(g, pass, attrs, offered, gpu));
  return offered.find((variant) => variant.name === name) ?? plain;
}

function requestFor(g: Geometry, pass: Pass, attrs: Attributes, offered: readonly ConvVariant[], gpu: Gpu) {
  const { N, H, W, C, K, I, J } = g;
  const { padding, activation, maxPool } = attrs;
  const fused = `${activation === 'relu' ? ' relu' : ''}${maxPool ? ' max-pool' : ''}`;
  const trial = { ...g, N: trialImages(N) };
  return {
    key: `conv2d ${pass} ${H}x${W} ${C}-${K} ${I}x${J} ${padding}${fused}, ${batchBucket(N)}`,
    candidates: offered.map(({ name, cost, roundOffs }) => ({
      name,
      cost: cost(g, pass, gpu),
      tolerance: roundOffs * 2 ** -24 * Math.sqrt(termsOf(trial, pass) + 1),
    })),
    flops: directFlops(trial),
    prepare: () => prepareTrial(trial, pass, attrs),
  };
}

/** Random operands for one pass. */
function prepareTrial(g: Geometry, pass: Pass, attrs: Attributes): Trial {
  const random = new RandomStream(1, 'trial');
  const made: Tensor[] = [];
  const make = (shape: Shape): Tensor => {
    const values = random.uniform(sizeOf(shape)).map((value) => value - 0.5);
    made.push(keep(tensor(values, shape)));
    return made[made.length - 1];
  };
  const x = make([g.N, g.H, g.W, g.C]);
  const w = make([g.I, g.J, g.C, g.K]);
  const outputShape = outputShapeOf(g, attrs);
  const dy = make(outputShape);
  const mask = maskShapeOf(g);
  let cotangent: Cotangent = { dy };
  if (attrs.maxPool) {
    // A byte a window: one of its four places or, where it holds a ReLU, now and then none.
    const places = random
      .words(sizeOf(mask))
      .map((word) => (word & 0x03030303) | (attrs.activation === 'relu' && word >>> 31 ? 0xff : 0));
    made.push(keep(tensor(places, mask)));
    cotangent = { dy, winners: made[made.length - 1] };
  } else if (attrs.activation === 'relu') cotangent = { dy, y: make(outputShape) };
  return {
    run(name) {
      const variant = variants.find((variant) => variant.name === name) ?? plain;
      if (pass === 'filterGradient') return filterGradient(variant, g, x, cotangent);
      if (pass === 'inputGradient') return inputGradient(variant, g, cotangent, w);
      const y = empty(outputShape);
      forward(variant, g, attrs, x, w, undefined, y, true);
      return y;
    },
    dispose() {
      for (const tensor of made) tensor.dispose();
    },
  };
}

const outputShapeOf = ({ N, Y, X, K }: Geometry, { maxPool }: Attributes): Shape =>
  maxPool ? [N, Math.floor(Y / 2), Math.floor(X / 2), K] : [N, Y, X, K];

const maskShapeOf = ({ N, Y, X, K }: Geometry): Shape => [
  N,
  Math.floor(Y / 2),
  Math.floor(X / 2),
  Math.ceil(K / 4),
];

/** Writes the output; returns the winners where a pool's gradient will be asked for. */
function forward(
  variant: ConvVariant,
  g: Geometry,
  { activation, maxPool, moments }: Attributes,
  x: Tensor,
  w: Tensor,
  bias: Tensor | undefined,
  y: Tensor,
  keepsWinners: boolean,
): Tensor | undefined {
  const relu = activation === 'relu';
  if (!maxPool) {
    variant.forward(g, x, w, { bias, relu, pool: false, y, moments });
    return undefined;
  }
  if (variant.pools) {
    const winners = keepsWinners ? empty(maskShapeOf(g), 'u32') : undefined;
    variant.forward(g, x, w, { bias, relu, pool: true, y, winners, moments });
    return winners;
  }
  const whole = empty([g.N, g.Y, g.X, g.K]);
  variant.forward(g, x, w, { bias, relu, pool: false, y: whole });
  return pool(whole, POOL, y, relu);
}

function inputGradient(variant: ConvVariant, g: Geometry, cotangent: Cotangent, w: Tensor): Tensor {
  const dx = empty([g.N, g.H, g.W, g.C]);
  variant.inputGradient(g, variant.unfolds ? cotangent : { dy: unfold(g, cotangent) }, w, dx);
  return dx;
}

function filterGradient(variant: ConvVariant, g: Geometry, x: Tensor, cotangent: Cotangent): Tensor {
  return variant.filterGradient(g, x, variant.unfolds ? cotangent : { dy: unfold(g, cotangent) });
}

/** Issues the kernels of one pass, named for profiles. */
const named = <T>(g: Geometry, pass: string, issue: () => T): T =>
  work({ op: `conv2d ${g.I}x${g.J} ${g.H}x${g.W} ${g.C}-${g.K}`, pass, flops: directFlops(g) }, issue);

const op = defineOp<Attributes>({
  name: 'conv2d',
  shape(inputs, attrs) {
    const g = geometryOf(inputs, attrs.padding);
    if (attrs.maxPool && (g.Y < 2 || g.X < 2))
      throw new ShapeError('conv2d', 'an output of at least 2x2, the size of the pool', `${g.Y}x${g.X}`);
    return outputShapeOf(g, attrs);
  },
  forward({ inputs: [x, w, bias], attrs, output, save, needs }) {
    const g = geometryOf([x.shape, w.shape], attrs.padding);
    const variant = variantFor(g, 'forward', attrs, x.storage.gpu);
    const keepsWinners = needs.includes(true);
    const winners = named(g, 'forward', () => forward(variant, g, attrs, x, w, bias, output, keepsWinners));
    save(x, w);
    if (winners) save(winners);
    else if (attrs.activation === 'relu') save(output);
  },
  backward({ gradient: dy, saved: [x, w, mask], attrs, needs }) {
    const g = geometryOf([x.shape, w.shape], attrs.padding);
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

export interface Conv2dOptions {
  /** `'valid'` (default): no padding; `'same'`: zeros around the image keep its size. */
  padding?: Padding;
  /** What is applied to the sum, in the pass that writes it. Default `'linear'`. */
  activation?: Activation;
  /** Whether the output is the maxima of 2x2 windows, stride 2, as of `maxPool2d`: the unpooled values are then never kept. */
  maxPool?: boolean;
  /** Gathers the moments of the channels on the way, where the variant can: a `batchNormTraining` of the result then needs no pass for them. */
  moments?: boolean;
  /** Which implementation, by name, where it suits; default: the one that was chosen for this adapter. For tests and benchmarks. */
  variant?: string;
}

/**
 * Convolves images with filters, stride 1.
 *
 * @param x images [N, H, W, C]
 * @param w filters [kernel height, kernel width, C, K], odd in height and width
 * @param bias [K], added to every pixel
 * @returns [N, H, W, K] with padding 'same', [N, H - height + 1, W - width + 1, K] with 'valid'; with `maxPool` half of that
 *   height and width, rounded down
 * @throws ShapeError
 */
export function conv2d(
  x: Tensor,
  w: Tensor,
  bias?: Tensor,
  { padding = 'valid', activation = 'linear', maxPool = false, moments = false, variant }: Conv2dOptions = {},
): Tensor {
  if (activation !== 'linear' && activation !== 'relu')
    throw new ShapeError('conv2d', "activation 'linear' or 'relu'", `'${activation}'`);
  return op(bias ? [x, w, bias] : [x, w], { padding, activation, maxPool, moments, variant });
}
