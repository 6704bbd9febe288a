import type { RandomStream } from '../tensor/random.ts';
import { type Shape, sizeOf } from '../tensor/shape.ts';

/** Names as in Keras. */
export type InitializerName = 'zeros' | 'ones' | 'glorotUniform' | 'heNormal';

/** Numbers of inputs and outputs that one unit sees: for a convolution, times the kernel's area. */
function fans(shape: Shape): { fanIn: number; fanOut: number } {
  const [inputs, outputs] = shape.length === 1 ? [shape[0], shape[0]] : shape.slice(-2);
  const area = sizeOf(shape.slice(0, -2));
  return { fanIn: inputs * area, fanOut: outputs * area };
}

/** Standard normal deviates cut off at two standard deviations, by the method of Box and Muller and redrawing. */
function truncatedNormal(count: number, stream: RandomStream): Float32Array {
  const out = new Float32Array(count);
  let filled = 0;
  while (filled < count) {
    const words = stream.words(2 * (count - filled) + 16);
    for (let i = 0; i + 1 < words.length && filled < count; i += 2) {
      const radius = Math.sqrt(-2 * Math.log((words[i] + 1) / 2 ** 32));
      const value = radius * Math.cos((2 * Math.PI * words[i + 1]) / 2 ** 32);
      if (Math.abs(value) < 2) out[filled++] = value;
    }
  }
  return out;
}

/** Standard deviation of a standard normal distribution cut off at ±2. */
const TRUNCATED_DEVIATION = 0.87962566103423978;

/**
 * First values of a weight, as Keras draws them.
 * glorotUniform: X. Glorot and Y. Bengio 2010, uniform within sqrt(6 / (fanIn + fanOut)); heNormal: K. He et al. 2015, normal with
 * deviation sqrt(2 / fanIn) cut off at two deviations.
 */
export const initializers: Record<InitializerName, (shape: Shape, stream: RandomStream) => Float32Array> = {
  zeros: (shape) => new Float32Array(sizeOf(shape)),
  ones: (shape) => new Float32Array(sizeOf(shape)).fill(1),
  glorotUniform: (shape, stream) => {
    const { fanIn, fanOut } = fans(shape);
    const limit = Math.sqrt(6 / (fanIn + fanOut));
    return stream.uniform(sizeOf(shape)).map((u) => limit * (2 * u - 1));
  },
  heNormal: (shape, stream) => {
    const deviation = Math.sqrt(2 / fans(shape).fanIn) / TRUNCATED_DEVIATION;
    return truncatedNormal(sizeOf(shape), stream).map((value) => deviation * value);
  },
};
