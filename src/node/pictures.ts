import { pathToFileURL } from 'node:url';
import type sharp from 'sharp';
import { WeftError } from '../errors.ts';
import { missingPeer } from '../formats/peer.ts';
import { findPackage, PLATFORM } from './packages.ts';

/*
 * Pictures are decoded by the package sharp (libvips). Whatever a file's name says, its first bytes decide which decoder it
 * reaches, and there are three: libvips has more of them than anybody wants to open to strangers' files.
 */

/** A decoded picture: rows from top to bottom, a byte for each channel of a pixel. */
export interface DecodedPicture {
  readonly width: number;
  readonly height: number;
  /** 1: grey, 3: red, green and blue, 4: these and opacity. */
  readonly channels: 1 | 3 | 4;
  readonly data: Uint8Array;
}

/**
 * Most pixels of a picture: 134 megapixels, more than any phone's 108. At this size decoding takes two or three seconds of a CPU, and
 * memory at most 512 MiB for the pixels and 1 GiB for kinds that can't be decoded row by row.
 */
export const MAX_PIXELS = 2 ** 27;

/** Most scans of a progressive JPEG, each of which goes over the whole picture: encoders write some ten. */
const MAX_SCANS = 100;

type Kind = 'PNG' | 'JPEG' | 'WebP';

/** How files begin. `?` stands for any byte; what is no picture of ours has a name to be refused by. */
const BEGINNINGS: readonly [begins: string, kind: Kind | { readonly refused: string }][] = [
  ['\x89PNG\r\n\x1a\n', 'PNG'],
  ['\xff\xd8\xff', 'JPEG'],
  ['RIFF????WEBP', 'WebP'],
  ['GIF8', { refused: 'a GIF picture' }],
  ['BM', { refused: 'a BMP picture' }],
  ['II*\0', { refused: 'a TIFF picture' }],
  ['MM\0*', { refused: 'a TIFF picture' }],
  ['????ftypavif', { refused: 'an AVIF picture' }],
  ['????ftyphei', { refused: 'a HEIF picture' }],
  ['????ftypmif1', { refused: 'a HEIF picture' }],
  ['<svg', { refused: 'an SVG picture' }],
  ['<?xml', { refused: 'an XML file, such as SVG' }],
  ['%PDF', { refused: 'a PDF file' }],
];

/** What sharp calls the kinds. A JPEG with a gain map, as newer phones write, is one of its own. */
const FORMATS: Record<Kind, readonly string[]> = { PNG: ['png'], JPEG: ['jpeg', 'uhdr'], WebP: ['webp'] };

/**
 * Decodes a PNG, JPEG or WebP file to 8 bits a channel: deeper ones, palettes and CMYK, too. A picture is turned upright as its EXIF data
 * says; colour profiles aren't applied; of an animation comes the first picture.
 * @param name what messages call the file
 * @throws WeftError where it is of another kind, damaged or cut off, or of more than 134,217,728 pixels; and where the package
 * sharp isn't installed
 */
export async function decodePicture(bytes: Uint8Array, name: string): Promise<DecodedPicture> {
  const kind = kindOf(bytes, name);
  const decode = await loadSharp();
  if (kind === 'JPEG' && countScans(bytes) > MAX_SCANS)
    throw new WeftError(`${name} is a JPEG of more than ${MAX_SCANS} scans`);
  try {
    const { width, height, format, channels } = await decode(bytes, {
      limitInputPixels: false,
      failOn: 'error',
    }).metadata();
    if (!FORMATS[kind].includes(format)) throw new WeftError(`${name} is no ${kind}, but ${format}`);
    if (width * height > MAX_PIXELS)
      throw new WeftError(
        `${name} has ${width}x${height} pixels, more than the ${MAX_PIXELS.toLocaleString('en-US')} that are read`,
      );
    return await pixelsOf(decode, bytes, kind, channels === 1);
  } catch (error) {
    if (error instanceof WeftError) throw error;
    throw new WeftError(`${name} is damaged: ${reasonOf(error)}`, { cause: error });
  }
}

async function pixelsOf(
  decode: typeof sharp,
  bytes: Uint8Array,
  kind: Kind,
  isGrey: boolean,
): Promise<DecodedPicture> {
  const read = (failOn: 'warning' | 'error') =>
    decode(bytes, { limitInputPixels: MAX_PIXELS, failOn, autoOrient: true, ignoreIcc: true })
      .toColourspace(isGrey ? 'b-w' : 'srgb')
      .raw({ depth: 'uchar' })
      .toBuffer({ resolveWithObject: true });
  // Damaged pixels are but a warning in a JPEG; in a PNG, a warning is about what isn't pixels.
  const { data, info } = await read(kind === 'JPEG' ? 'warning' : 'error').catch((error) => {
    if (!isQuirk(error)) throw error;
    return read('error');
  });
  const { width, height, channels } = info;
  return {
    width,
    height,
    channels: channels as 1 | 3 | 4,
    data: new Uint8Array(data.buffer, data.byteOffset, data.length),
  };
}

/** Older Samsung phones leave three unused bytes of their photos' headers zero. */
const isQuirk = ({ message }: Error): boolean =>
  /SOS/.test(message) &&
  message.split('\n').every((line) => /^$|Invalid SOS parameters for sequential JPEG/.test(line));

function kindOf(bytes: Uint8Array, name: string): Kind {
  const head = String.fromCharCode(...bytes.subarray(0, 16));
  const kind = BEGINNINGS.find(([begins]) =>
    [...begins].every((character, i) => character === '?' || character === head[i]),
  )?.[1];
  if (typeof kind === 'string') return kind;
  throw new WeftError(
    `${name} is ${bytes.length === 0 ? 'empty' : (kind?.refused ?? 'no picture')}: PNG, JPEG and WebP are read`,
  );
}

/** Scans of a JPEG: each begins with a marker that is nowhere else, the preview in its EXIF data aside. */
function countScans(bytes: Uint8Array): number {
  const file = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  const marker = Buffer.of(0xff, 0xda);
  let count = 0;
  for (let at = file.indexOf(marker); at >= 0; at = file.indexOf(marker, at + 2)) count++;
  return count;
}

async function loadSharp(): Promise<typeof sharp> {
  const found = findPackage('sharp');
  if (!found) throw missingPeer('sharp', 'reading pictures');
  try {
    return (await import(/* @vite-ignore */ pathToFileURL(found.path).href)).default;
  } catch (error) {
    throw new WeftError(`sharp (${found.path}) doesn't load on ${PLATFORM}: ${firstLine(error)}`, {
      cause: error,
    });
  }
}

/** What libvips says, without sharp's words before it. */
function reasonOf(error: unknown): string {
  const text = String((error as Error).message ?? error);
  return (
    firstLine({ message: text.replace(/^(Input buffer has corrupt header:|Unknown error)\s*/, '') }) ||
    NO_REASON
  );
}

const NO_REASON = "it can't be decoded";

const firstLine = (error: unknown): string =>
  String((error as Error).message ?? error)
    .split('\n')[0]
    .trim();
