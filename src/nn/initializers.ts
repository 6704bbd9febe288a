import type { RandomStream } from '../tensor/random.ts';
import { type Shape, sizeOf } from '../tensor/shape.ts';

/** Numbers of inputs and outputs that one unit sees: for a convolution, times the kernel's area. */
export interface Fans {
  readonly fanIn: number;
  readonly fanOut: number;
}

/** Of a kernel `[..., inputs, outputs]`. */
export function fansOf(shape: Shape): Fans {
  const [inputs, outputs] = shape.length === 1 ? [shape[0], shape[0]] : shape.slice(-2);
  const area = sizeOf(shape.slice(0, -2));
  return { fanIn: inputs * area, fanOut: outputs * area };
}

/** Standard normal deviates, by the method of Box and Muller; those of `limit` or more are drawn again. */
export function normal(count: number, stream: RandomStream, limit = Number.POSITIVE_INFINITY): Float32Array {
  const out = new Float32Array(count);
  let filled = 0;
  while (filled < count) {
    const words = stream.words(2 * (count - filled) + 16);
    for (let i = 0; i + 1 < words.length && filled < count; i += 2) {
      const radius = Math.sqrt(-2 * Math.log((words[i] + 1) / 2 ** 32));
      const value = radius * Math.cos((2 * Math.PI * words[i + 1]) / 2 ** 32);
      if (Math.abs(value) < limit) out[filled++] = value;
    }
  }
  return out;
}

/** Standard deviation of a standard normal distribution cut off at ±2. */
const TRUNCATED_DEVIATION = 0.87962566103423978;

type Initializer = (shape: Shape, stream: RandomStream, fans?: Fans) => Float32Array;

const constant =
  (value: number): Initializer =>
  (shape) =>
    new Float32Array(sizeOf(shape)).fill(value);

/** Uniform within ± the limit. */
const uniform =
  (limit: (fans: Fans) => number): Initializer =>
  (shape, stream, fans = fansOf(shape)) =>
    stream.uniform(sizeOf(shape)).map((u) => limit(fans) * (2 * u - 1));

/** Normal with this deviation, cut off at two deviations of the curve before the cut. */
const truncatedNormal =
  (deviation: (fans: Fans) => number): Initializer =>
  (shape, stream, fans = fansOf(shape)) =>
    normal(sizeOf(shape), stream, 2).map((value) => (deviation(fans) / TRUNCATED_DEVIATION) * value);

/**
 * First values of a weight. Keras' names and distributions: `glorotUniform`, `glorotNormal` (X. Glorot and Y. Bengio 2010), `heUniform`,
 * `heNormal` (K. He et al. 2015), `lecunNormal`, normal ones cut off at two deviations. PyTorch's: `kaimingNormal`, He's without the cut;
 * `fanInUniform`, uniform within 1 / sqrt(fanIn), which its convolutions and linear layers take for kernels
 * (`kaiming_uniform_` with a = sqrt(5)) and biases alike.
 */
export type InitializerName =
  | 'zeros'
  | 'ones'
  | 'glorotUniform'
  | 'glorotNormal'
  | 'heUniform'
  | 'heNormal'
  | 'lecunNormal'
  | 'kaimingNormal'
  | 'fanInUniform';

/** By their names. */
export const initializers: Readonly<Record<InitializerName, Initializer>> = {
  zeros: constant(0),
  ones: constant(1),
  glorotUniform: uniform(({ fanIn, fanOut }) => Math.sqrt(6 / (fanIn + fanOut))),
  glorotNormal: truncatedNormal(({ fanIn, fanOut }) => Math.sqrt(2 / (fanIn + fanOut))),
  heUniform: uniform(({ fanIn }) => Math.sqrt(6 / fanIn)),
  heNormal: truncatedNormal(({ fanIn }) => Math.sqrt(2 / fanIn)),
  lecunNormal: truncatedNormal(({ fanIn }) => Math.sqrt(1 / fanIn)),
  kaimingNormal: (shape, stream, { fanIn } = fansOf(shape)) =>
    normal(sizeOf(shape), stream).map((value) => Math.sqrt(2 / fanIn) * value),
  fanInUniform: uniform(({ fanIn }) => 1 / Math.sqrt(fanIn)),
};

export const initializerNames = Object.keys(initializers) as InitializerName[];
