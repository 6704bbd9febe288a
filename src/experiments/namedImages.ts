import { WeftError } from '../errors.ts';
import { type Tensor, tensor } from '../tensor/tensor.ts';
import type { Console } from './console.ts';
import { type PreparedImage, prepare, readPicture, SIDE } from './image.ts';
import type { Data } from './session.ts';

/** An image as the command line named it; where it is one of the data set, its class is known. */
export interface NamedImage extends PreparedImage {
  readonly name: string;
  readonly truth?: number;
}

/** What the words of the command line may be. */
export const IMAGE_WORDS = 'test:123 or train:123 for an image of the data set, or a PNG, JPEG or WebP file';

/**
 * The images that words name: `test:123` and `train:123` by their place in the data set's files, anything else is a picture's file.
 * What is done to a picture is said.
 * @param open gives the data set, if a word is about it
 * @throws WeftError where there is no such image
 */
export async function readImages(
  words: readonly string[],
  open: () => Promise<Data>,
  out: Console,
): Promise<NamedImage[]> {
  let data: Data | undefined;
  const images: NamedImage[] = [];
  for (const name of words) {
    const [, set, number] = name.match(/^(test|train):(.*)$/) ?? [];
    if (set === undefined) {
      images.push({ name, ...prepare(await readPicture(name)) });
      continue;
    }
    data ??= await open();
    images.push(imageOf(name, data[set as 'test' | 'train'], set, number));
  }
  for (const { name, steps } of images) if (steps.length > 0) out.line(`${name}: ${steps.join('; ')}`);
  return images;
}

function imageOf(
  name: string,
  { images, labels, count }: Data['test'],
  set: string,
  number: string,
): NamedImage {
  const index = /^\d+$/.test(number) ? Number(number) : Number.NaN;
  if (!(index < count))
    throw new WeftError(`${name}: ${set} images are numbered from ${set}:0 to ${set}:${count - 1}`);
  const size = SIDE * SIDE;
  return { name, pixels: images.subarray(index * size, (index + 1) * size), steps: [], truth: labels[index] };
}

/** Images as a network takes them: [N, 28, 28, 1]. @param pixelScale what a byte of 255 becomes */
export function imageTensor(images: readonly PreparedImage[], pixelScale: number): Tensor {
  const bytes = images.flatMap(({ pixels }) => Array.from(pixels));
  const pixels = Float32Array.from(bytes, (byte) => (byte / 255) * pixelScale);
  return tensor(pixels, [images.length, SIDE, SIDE, 1]);
}
