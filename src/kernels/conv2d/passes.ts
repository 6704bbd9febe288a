import type { Gpu } from '../../gpu/gpu.ts';
import { batchBucket, type ChoiceRequest, choose, type Trial, trialImages } from '../../tensor/choices.ts';
import { RandomStream } from '../../tensor/random.ts';
import { keep } from '../../tensor/scope.ts';
import { type Shape, sizeOf } from '../../tensor/shape.ts';
import { empty, type Tensor, tensor } from '../../tensor/tensor.ts';
import { pool } from '../maxPool2d.ts';
import { relu } from '../relu.ts';
import { broadcast } from './broadcast.ts';
import { unfold } from './cotangent.ts';
import {
  type ConvVariant,
  type Cotangent,
  directFlops,
  type Geometry,
  type Pass,
  POOL,
  paddingName,
  strideName,
  termsOf,
} from './geometry.ts';
import { patches } from './patches.ts';
import { plain } from './plain.ts';
import { product } from './product.ts';
import { tiled } from './tiled.ts';
import { winograd2, winograd4 } from './winograd/index.ts';

/*
 * The three passes of a convolution, each by the variant that was chosen for it. What a variant can't fuse is completed here by separate
 * kernels.
 */

export const variants: readonly ConvVariant[] = [
  winograd4,
  winograd2,
  broadcast,
  tiled,
  product,
  patches,
  plain,
];

export type Activation = 'linear' | 'relu';

/** What follows the sum, and how it is computed. */
export interface Fused {
  readonly activation: Activation;
  readonly maxPool: boolean;
  readonly moments: boolean;
  readonly variant: string | undefined;
}

/** The sum alone. */
export const linear = (variant?: string): Fused => ({
  activation: 'linear',
  maxPool: false,
  moments: false,
  variant,
});

/** The variant of that name if it suits, else the one that was chosen for this pass. */
export function variantFor(g: Geometry, pass: Pass, fused: Fused, gpu: Gpu): ConvVariant {
  const offered = variants.filter((variant) => variant.supports(g, pass, gpu));
  const name = fused.variant ?? choose(gpu, requestFor(g, pass, fused, offered, gpu));
  return offered.find((variant) => variant.name === name) ?? plain;
}

function requestFor(
  g: Geometry,
  pass: Pass,
  fused: Fused,
  offered: readonly ConvVariant[],
  gpu: Gpu,
): ChoiceRequest {
  const { N, H, W, C, K, I, J } = g;
  const { activation, maxPool } = fused;
  const shape = `${H}x${W} ${C}-${K} ${I}x${J}${strideName(g)} ${paddingName(g)}`;
  const after = `${activation === 'relu' ? ' relu' : ''}${maxPool ? ' max-pool' : ''}`;
  const trial = { ...g, N: trialImages(N) };
  return {
    key: `conv2d ${pass} ${shape}${after}, ${batchBucket(N)}`,
    candidates: offered.map(({ name, cost, roundOffs }) => ({
      name,
      cost: cost(g, pass, gpu),
      tolerance: roundOffs * 2 ** -24 * Math.sqrt(termsOf(trial, pass) + 1),
    })),
    flops: directFlops(trial),
    prepare: () => prepareTrial(trial, pass, fused),
  };
}

/** Random operands for one pass. */
function prepareTrial(g: Geometry, pass: Pass, fused: Fused): Trial {
  const random = new RandomStream(1, 'trial');
  const made: Tensor[] = [];
  const make = (shape: Shape): Tensor => {
    const values = random.uniform(sizeOf(shape)).map((value) => value - 0.5);
    made.push(keep(tensor(values, shape)));
    return made[made.length - 1];
  };
  const x = make([g.N, g.H, g.W, g.C]);
  const w = make([g.I, g.J, g.C, g.K]);
  const outputShape = outputShapeOf(g, fused);
  const dy = make(outputShape);
  const mask = maskShapeOf(g);
  let cotangent: Cotangent = { dy };
  if (fused.maxPool) {
    // A byte a window: one of its four places or, where it holds a ReLU, now and then none.
    const places = random
      .words(sizeOf(mask))
      .map((word) => (word & 0x03030303) | (fused.activation === 'relu' && word >>> 31 ? 0xff : 0));
    made.push(keep(tensor(places, mask)));
    cotangent = { dy, winners: made[made.length - 1] };
  } else if (fused.activation === 'relu') cotangent = { dy, y: relu(make(outputShape)) };
  return {
    run(name) {
      const variant = variants.find((variant) => variant.name === name) ?? plain;
      if (pass === 'filterGradient') return filterGradient(variant, g, x, cotangent);
      if (pass === 'inputGradient') return inputGradient(variant, g, cotangent, w);
      const y = empty(outputShape);
      forward(variant, g, fused, x, w, undefined, y, true);
      return y;
    },
    dispose() {
      for (const tensor of made) tensor.dispose();
    },
  };
}

export const outputShapeOf = ({ N, Y, X, K }: Geometry, { maxPool }: Fused): Shape =>
  maxPool ? [N, Math.floor(Y / 2), Math.floor(X / 2), K] : [N, Y, X, K];

const maskShapeOf = ({ N, Y, X, K }: Geometry): Shape => [
  N,
  Math.floor(Y / 2),
  Math.floor(X / 2),
  Math.ceil(K / 4),
];

/** Writes the output; returns the winners where a pool's gradient will be asked for. */
export function forward(
  variant: ConvVariant,
  g: Geometry,
  { activation, maxPool, moments }: Fused,
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

/** Writes the input gradient, [N, H, W, C], to `dx`. */
export function inputGradient(
  variant: ConvVariant,
  g: Geometry,
  cotangent: Cotangent,
  w: Tensor,
  dx: Tensor = empty([g.N, g.H, g.W, g.C]),
): Tensor {
  variant.inputGradient(g, variant.unfolds ? cotangent : { dy: unfold(g, cotangent) }, w, dx);
  return dx;
}

/** The filter gradient [I, J, C, K]. */
export function filterGradient(variant: ConvVariant, g: Geometry, x: Tensor, cotangent: Cotangent): Tensor {
  return variant.filterGradient(g, x, variant.unfolds ? cotangent : { dy: unfold(g, cotangent) });
}
