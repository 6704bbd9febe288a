import { encode } from 'fast-png';
import { WeftError } from '../errors.ts';

/** Pixels, row-major: grey, or red, green and blue. */
export interface Picture {
  readonly width: number;
  readonly height: number;
  readonly channels: 1 | 3;
  readonly pixels: Uint8Array;
}

/**
 * A picture as a PNG file.
 * @throws WeftError where width or height is no whole number above 0, or there are more or fewer pixels than they say
 */
export function encodePng({ width, height, channels, pixels }: Picture): Uint8Array {
  if (![width, height].every((length) => Number.isInteger(length) && length > 0))
    throw new WeftError(`encodePng: expected a width and height of whole pixels, got ${width}x${height}`);
  if (pixels.length !== width * height * channels)
    throw new WeftError(
      `encodePng: ${width}x${height} pixels of ${channels} channels are ${width * height * channels} bytes, got ${pixels.length}`,
    );
  return encode({ width, height, channels, data: pixels }, { zlib: { level: 9 } });
}

/** A grey picture of 8-bit pixels [height, width], each `scale` pixels wide and high. */
export function grayPicture(
  pixels: ArrayLike<number>,
  width: number,
  height: number,
  { scale = 1 }: { readonly scale?: number } = {},
): Picture {
  return enlarge({ width, height, channels: 1, pixels: Uint8Array.from(pixels) }, scale);
}

function enlarge({ width, height, channels, pixels }: Picture, scale: number): Picture {
  const large = new Uint8Array(width * height * channels * scale * scale);
  for (let y = 0; y < height * scale; y++)
    for (let x = 0; x < width * scale; x++)
      for (let c = 0; c < channels; c++)
        large[(y * width * scale + x) * channels + c] =
          pixels[(Math.floor(y / scale) * width + Math.floor(x / scale)) * channels + c];
  return { width: width * scale, height: height * scale, channels, pixels: large };
}

/** Every 16th of matplotlib's colour map viridis (Smith, van der Walt and Firing; CC0), between which colours are interpolated. */
const VIRIDIS = (
  '440154 48186a 472d7b 424086 3b528b 33638d 2c728e 26828e 21918c ' +
  '1fa088 28ae80 3fbc73 5ec962 84d44b addc30 d8e219 fde725'
)
  .split(' ')
  .map((hex) => [0, 2, 4].map((at) => Number.parseInt(hex.slice(at, at + 2), 16)));

/** The colour of viridis for a value from 0 to 1, as red, green and blue bytes. */
export function viridis(value: number): [number, number, number] {
  const place = Math.min(Math.max(value, 0), 1) * (VIRIDIS.length - 1);
  const low = Math.min(Math.floor(place), VIRIDIS.length - 2);
  const mix = (c: number) =>
    Math.round(VIRIDIS[low][c] + (place - low) * (VIRIDIS[low + 1][c] - VIRIDIS[low][c]));
  return [mix(0), mix(1), mix(2)];
}

/**
 * Values in the colours of viridis.
 * @param options range: the values of the first and the last colour. Default: the smallest and the largest value
 * @returns red, green and blue bytes of each value; of NaN black
 */
export function colorMap(
  values: ArrayLike<number>,
  { range }: { readonly range?: readonly [number, number] } = {},
): Uint8Array {
  const [low, high] = range ?? rangeOf(values);
  const bytes = new Uint8Array(3 * values.length);
  for (let i = 0; i < values.length; i++)
    if (!Number.isNaN(values[i]))
      bytes.set(viridis(high > low ? (values[i] - low) / (high - low) : 0.5), 3 * i);
  return bytes;
}

function rangeOf(values: ArrayLike<number>): [number, number] {
  let [low, high] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
  for (let i = 0; i < values.length; i++) {
    if (values[i] < low) low = values[i];
    if (values[i] > high) high = values[i];
  }
  return [low, high];
}

/** How `pictureGrid` lays pictures out. */
export interface PictureGridOptions {
  readonly columns: number;
  /** Pixels between pictures. Default 1. */
  readonly gap?: number;
  /** Of the gaps, 0 to 255. Default 128. */
  readonly gapGray?: number;
}

/** Pictures of one size and kind in rows, as one picture. @throws WeftError where they differ, or there are none */
export function pictureGrid(pictures: readonly Picture[], options: PictureGridOptions): Picture {
  const { columns, gap = 1, gapGray = 128 } = options;
  const [first] = pictures;
  if (!first) throw new WeftError('pictureGrid: there is no picture');
  const { width, height, channels } = first;
  const across = Math.min(columns, pictures.length);
  const down = Math.ceil(pictures.length / columns);
  const [totalWidth, totalHeight] = [across * (width + gap) - gap, down * (height + gap) - gap];
  const pixels = new Uint8Array(totalWidth * totalHeight * channels).fill(gapGray);
  for (const [i, picture] of pictures.entries()) {
    if (picture.width !== width || picture.height !== height || picture.channels !== channels)
      throw new WeftError(
        `pictureGrid: picture ${i} is ${picture.width}x${picture.height}x${picture.channels}, the first ${width}x${height}x${channels}`,
      );
    const [left, top] = [(i % columns) * (width + gap), Math.floor(i / columns) * (height + gap)];
    for (let y = 0; y < height; y++) {
      const row = picture.pixels.subarray(y * width * channels, (y + 1) * width * channels);
      pixels.set(row, ((top + y) * totalWidth + left) * channels);
    }
  }
  return { width: totalWidth, height: totalHeight, channels, pixels };
}
