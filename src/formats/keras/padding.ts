import { type Padding, type Strides, sideOf, stridesOf, zerosOf } from '../../kernels/shared/padding.ts';
import type { Shape } from '../../tensor/shape.ts';
import { isObject, type KerasLayerConfig, type Zeros } from './options.ts';

/*
 * Zeros around the images of a convolution by their number, as PyTorch has them: Keras has a layer ZeroPadding2D before a convolution
 * without padding.
 */

interface Convolution {
  readonly kernelSize?: number | readonly [number, number];
  readonly strides?: Strides;
  readonly padding?: Padding;
}

/** The one of Keras' paddings that stands for a convolution's at inputs of all these shapes. Undefined: there is none. */
export function paddingOf(
  { kernelSize = 3, strides = 1, padding = 'valid' }: Convolution,
  inputShapes: readonly Shape[],
): 'valid' | 'same' | undefined {
  if (padding === 'valid' || padding === 'same') return padding;
  const zeros = numbersOf(padding);
  if (zeros.flat().every((n) => n === 0)) return 'valid';
  const sizes = typeof kernelSize === 'number' ? [kernelSize, kernelSize] : kernelSize;
  const isSame = inputShapes.every((shape) =>
    zeros.every(([before, after], axis) => {
      const [size, kernel, stride] = [shape[axis], sizes[axis], stridesOf('conv2d', strides)[axis]];
      const outputs = Math.floor((size + before + after - kernel) / stride) + 1;
      return before === sideOf('same', size, kernel, stride)[0] && outputs === Math.ceil(size / stride);
    }),
  );
  return isSame ? 'same' : undefined;
}

const numbersOf = (padding: Padding): Zeros => zerosOf('conv2d', padding) as Zeros;

/** The layer that puts these zeros around images. */
export const zeroPadding = (padding: Padding): KerasLayerConfig => ({
  class_name: 'ZeroPadding2D',
  config: { padding: numbersOf(padding), data_format: 'channels_last' },
});

/** The zeros of such a layer. @param fail says why they aren't taken */
export function zerosAround({ config }: KerasLayerConfig, fail: (why: string) => never): Zeros {
  const { padding, data_format: format = 'channels_last' } = config;
  const both = Array.isArray(padding) ? padding : [padding, padding];
  const sides = both.map((side) => (Array.isArray(side) ? side : [side, side]));
  const isSides =
    sides.length === 2 &&
    sides.every(
      (side) => side.length === 2 && side.every((n) => Number.isSafeInteger(n) && n >= 0 && n <= 2 ** 16),
    );
  if (!isSides || (format !== 'channels_last' && format !== null))
    fail(
      `has a ZeroPadding2D '${config.name}' that is not known here: ${JSON.stringify(config).slice(0, 200)}`,
    );
  return sides as unknown as Zeros;
}

/**
 * The convolution that takes what a ZeroPadding2D gives, with its zeros: there is no such layer here.
 * @param fail says what can't be taken together
 */
export function withZeros(
  before: KerasLayerConfig,
  entry: KerasLayerConfig,
  fail: (why: string) => never,
): KerasLayerConfig {
  const { class_name, config } = entry;
  if (class_name !== 'Conv2D' || (isObject(config) && (config.padding ?? 'valid') !== 'valid'))
    fail(
      `has a ZeroPadding2D '${before.config.name}' before ${class_name} '${config.name}'; known: before a Conv2D of padding valid`,
    );
  return { ...entry, zeros: zerosAround(before, fail) };
}
