import fs from 'node:fs/promises';
import jpeg from 'jpeg-js';
import { PNG } from 'pngjs';
import { WeftError } from '../errors.ts';

/** Width and height of the networks' images. */
export const SIDE = 28;

/** A picture in memory: row-major, red, green, blue and opacity of each pixel as bytes. */
export interface Picture {
  readonly width: number;
  readonly height: number;
  readonly data: Uint8Array;
}

export interface PreparedImage {
  /** Grey values 0 to 255 of 28×28 pixels, the background dark. */
  readonly pixels: Uint8Array;
  /** What was done to the picture. */
  readonly steps: readonly string[];
}

/** Reads a PNG or JPEG file. @throws WeftError where it isn't there or is neither. */
export async function readPicture(path: string): Promise<Picture> {
  const file = await fs.readFile(path).catch((error) => {
    throw new WeftError(`could not read ${path}: ${error.message}`, { cause: error });
  });
  const isPng = file.subarray(0, 4).equals(Buffer.from([0x89, 0x50, 0x4e, 0x47]));
  const isJpeg = file[0] === 0xff && file[1] === 0xd8;
  if (!isPng && !isJpeg) throw new WeftError(`${path} is neither a PNG nor a JPEG image`);
  try {
    return isPng ? PNG.sync.read(file) : jpeg.decode(file, { useTArray: true });
  } catch (error) {
    throw new WeftError(`${path} is damaged: ${(error as Error).message ?? error}`, { cause: error });
  }
}

/**
 * Makes of a picture what Fashion-MNIST's images are: grey on a dark background, the longer side 28 pixels, the shorter one
 * centred. A picture with a bright border is inverted.
 */
export function prepare({ width, height, data }: Picture): PreparedImage {
  const steps: string[] = [];
  let grey = toGrey(data);
  let isColoured = false;
  for (let i = 0; i < data.length && !isColoured; i += 4)
    isColoured = data[i] !== data[i + 1] || data[i] !== data[i + 2];
  if (isColoured) steps.push('made grey');
  if (borderMean(grey, width, height) > 127) {
    grey = grey.map((value) => 255 - value);
    steps.push('inverted, since its border is bright');
  }
  if (width === SIDE && height === SIDE) return { pixels: Uint8Array.from(grey, Math.round), steps };
  steps.push(`resized from ${width}x${height} to ${SIDE}x${SIDE}`);
  return { pixels: fitIn(grey, width, height), steps };
}

/** Luma (ITU-R BT.601) over white, where a picture is transparent. */
function toGrey(data: Uint8Array): Float64Array {
  return Float64Array.from({ length: data.length / 4 }, (_, pixel) => {
    const [red, green, blue, opacity] = data.subarray(4 * pixel, 4 * pixel + 4);
    const luma = 0.299 * red + 0.587 * green + 0.114 * blue;
    return 255 + ((luma - 255) * opacity) / 255;
  });
}

function borderMean(grey: Float64Array, width: number, height: number): number {
  let sum = 0;
  let count = 0;
  for (let i = 0; i < grey.length; i++) {
    const [x, y] = [i % width, Math.floor(i / width)];
    if (x > 0 && x < width - 1 && y > 0 && y < height - 1) continue;
    sum += grey[i];
    count++;
  }
  return sum / count;
}

/** Scales the longer side to 28 pixels, each the mean of what it covers, and centres the rest on black. */
function fitIn(grey: Float64Array, width: number, height: number): Uint8Array {
  const scale = Math.max(width, height) / SIDE;
  const [wide, high] = [width, height].map((length) => Math.max(1, Math.round(length / scale)));
  const [left, top] = [wide, high].map((length) => Math.floor((SIDE - length) / 2));
  const columns = shares(width, wide);
  const rows = shares(height, high);
  const pixels = new Uint8Array(SIDE * SIDE);
  rows.forEach((row, y) => {
    columns.forEach((column, x) => {
      let sum = 0;
      for (const [j, rowShare] of row)
        for (const [i, share] of column) sum += grey[j * width + i] * rowShare * share;
      pixels[(top + y) * SIDE + left + x] = Math.round(sum);
    });
  });
  return pixels;
}

/** For each of `to` equal stretches of a line of `from` pixels: which of them it covers, and their shares in it. */
function shares(from: number, to: number): [pixel: number, share: number][][] {
  const length = from / to;
  return Array.from({ length: to }, (_, stretch) => {
    const [begin, end] = [stretch * length, (stretch + 1) * length];
    const covered: [number, number][] = [];
    for (let pixel = Math.floor(begin); pixel < Math.min(end, from); pixel++) {
      const share = (Math.min(end, pixel + 1) - Math.max(begin, pixel)) / length;
      if (share > 0) covered.push([pixel, share]);
    }
    return covered;
  });
}
