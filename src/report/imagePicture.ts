import type { ImageSet } from '../data/batchSource.ts';
import { WeftError } from '../errors.ts';
import type { Picture } from './pictures.ts';

/** What a set's images are like, whatever images they are. */
type Kind = Pick<ImageSet, 'height' | 'width' | 'channels'>;

/**
 * One image of a set.
 * @param op who asks, for messages
 * @throws WeftError where there is no such image, or it has neither one channel (grey) nor three
 */
export function imagePicture(op: string, set: ImageSet, index: number): Picture {
  if (!(index >= 0 && index < set.count))
    throw new WeftError(`${op}: there is no image ${index}, the set has ${set.count}`);
  const size = set.height * set.width * set.channels;
  return pixelsPicture(op, set.images.subarray(index * size, (index + 1) * size), set);
}

/** As `imagePicture`, of pixels that lie elsewhere. */
export function pixelsPicture(op: string, pixels: Uint8Array, { height, width, channels }: Kind): Picture {
  if (channels !== 1 && channels !== 3)
    throw new WeftError(`${op}: images of 1 or 3 channels can be shown, got ${channels}`);
  return { width, height, channels, pixels };
}
