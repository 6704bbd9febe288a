import { createReadStream } from 'node:fs';
import { WeftError } from '../errors.ts';
import { type DecodedPicture, decodePicture } from '../node/pictures.ts';

/** Width and height of the networks' images. */
export const SIDE = 28;

/** Most bytes of a picture's file. */
const MAX_FILE_BYTES = 2 ** 29;

export interface PreparedImage {
  /** Grey values 0 to 255 of 28×28 pixels, the background dark. */
  readonly pixels: Uint8Array;
  /** What was done to the picture. */
  readonly steps: readonly string[];
}

/** Reads a PNG, JPEG or WebP file. @throws WeftError where it can't be read, as `decodePicture` says, and over 512 MiB */
export async function readPicture(path: string): Promise<DecodedPicture> {
  const pieces: Buffer[] = [];
  let bytes = 0;
  try {
    // The end is included: a byte too many is asked for, and no more. Pipes and devices don't say how long they are.
    for await (const piece of createReadStream(path, { end: MAX_FILE_BYTES })) {
      pieces.push(piece);
      bytes += piece.length;
    }
  } catch (error) {
    throw new WeftError(`could not read ${path}: ${(error as Error).message}`, { cause: error });
  }
  if (bytes > MAX_FILE_BYTES)
    throw new WeftError(`${path} has more than ${MAX_FILE_BYTES} bytes: no picture`);
  return decodePicture(Buffer.concat(pieces), path);
}

/**
 * Makes of a picture what Fashion-MNIST's images are: grey on a dark background, the longer side 28 pixels, the shorter one
 * centred. A picture with a bright border is inverted.
 */
export function prepare(picture: DecodedPicture): PreparedImage {
  const { width, height } = picture;
  const steps: string[] = [];
  if (isColoured(picture)) steps.push('made grey');
  let grey = greyOf(picture);
  if (borderMean(grey, width, height) > 127) {
    const straight = grey;
    grey = (pixel) => 255 - straight(pixel);
    steps.push('inverted, since its border is bright');
  }
  if (width !== SIDE || height !== SIDE) steps.push(`resized from ${width}x${height} to ${SIDE}x${SIDE}`);
  return { pixels: fitIn(grey, width, height), steps };
}

/** Value of a pixel by its place in the rows one after the other: a large picture's are never all in memory. */
type Grey = (pixel: number) => number;

function isColoured({ channels, data }: DecodedPicture): boolean {
  if (channels === 1) return false;
  for (let i = 0; i < data.length; i += channels)
    if (data[i] !== data[i + 1] || data[i] !== data[i + 2]) return true;
  return false;
}

/** Luma (ITU-R BT.601) over white, where a picture is transparent. */
function greyOf({ channels, data }: DecodedPicture): Grey {
  const [green, blue] = channels === 1 ? [0, 0] : [1, 2];
  return (pixel) => {
    const at = pixel * channels;
    const luma = 0.299 * data[at] + 0.587 * data[at + green] + 0.114 * data[at + blue];
    return 255 + ((luma - 255) * (channels === 4 ? data[at + 3] : 255)) / 255;
  };
}

function borderMean(grey: Grey, width: number, height: number): number {
  let sum = 0;
  let count = 0;
  for (let y = 0; y < height; y++) {
    const isInside = y > 0 && y < height - 1;
    for (let x = 0; x < width; x += isInside ? Math.max(1, width - 1) : 1) {
      sum += grey(y * width + x);
      count++;
    }
  }
  return sum / count;
}

/** Scales the longer side to 28 pixels, each the mean of what it covers, and centres the rest on black. */
function fitIn(grey: Grey, width: number, height: number): Uint8Array {
  const scale = Math.max(width, height) / SIDE;
  const [wide, high] = [width, height].map((length) => Math.max(1, Math.round(length / scale)));
  const [left, top] = [wide, high].map((length) => Math.floor((SIDE - length) / 2));
  const columns = shares(width, wide);
  const rows = shares(height, high);
  const pixels = new Uint8Array(SIDE * SIDE);
  rows.forEach((row, y) => {
    columns.forEach((column, x) => {
      let sum = 0;
      for (let j = 0; j < row.shares.length; j++)
        for (let i = 0; i < column.shares.length; i++)
          sum += grey((row.first + j) * width + column.first + i) * row.shares[j] * column.shares[i];
      pixels[(top + y) * SIDE + left + x] = Math.round(sum);
    });
  });
  return pixels;
}

/** Neighbouring pixels of a line, and the share of each in a mean. */
interface Stretch {
  readonly first: number;
  readonly shares: Float64Array;
}

/** Divides a line of `from` pixels into `to` equal stretches, which may begin and end inside a pixel. */
function shares(from: number, to: number): Stretch[] {
  const length = from / to;
  return Array.from({ length: to }, (_, stretch) => {
    const [begin, end] = [stretch * length, (stretch + 1) * length];
    const first = Math.floor(begin);
    const last = Math.min(Math.ceil(end), from);
    const share = (_: number, i: number) =>
      (Math.min(end, first + i + 1) - Math.max(begin, first + i)) / length;
    return { first, shares: new Float64Array(last - first).map(share) };
  });
}
