import { checkNumber } from '../checks.ts';
import { tensor } from '../tensor/tensor.ts';
import type { Augmentation } from './augmentation.ts';
import { type ImageSet, ImageSource } from './batchSource.ts';
import { checkedIndices } from './labels.ts';

/** How `replicate` makes its copies. */
export interface ReplicateOptions {
  /** Augmented copies of each image. Default 1. */
  readonly copies?: number;
  /** Default 0. */
  readonly seed?: number;
  /** Images augmented at a time, which bounds the memory; it also decides, beside the seed, which numbers an image draws. Default 500. */
  readonly batchSize?: number;
}

/**
 * Makes a larger set once: the images themselves, then augmented copies of all of them, one round of copies after the other, each with
 * its label. Copies are rounded to bytes: shifts by whole pixels, flips, nearest-neighbour rotations and boxes of whole grey
 * levels lose nothing by that; a perspective or a linear interpolation is off by up to half a grey level.
 *
 * @param indices which images of the set; left out: all
 * @throws WeftError
 */
export async function replicate(
  set: ImageSet,
  indices: ArrayLike<number> | undefined,
  augmentation: Augmentation,
  { copies = 1, seed = 0, batchSize = 500 }: ReplicateOptions = {},
): Promise<ImageSet> {
  for (const [name, value] of Object.entries({ copies, batchSize }))
    checkNumber('replicate', name, value, { from: 1, whole: true });
  const chosen = checkedIndices(
    'replicate',
    indices ?? Uint32Array.from({ length: set.count }, (_, i) => i),
    set.count,
  );
  const count = chosen.length * (1 + copies);
  const size = set.height * set.width * set.channels;
  const images = new Uint8Array(count * size);
  const labels = new Uint8Array(count);
  for (const [at, index] of chosen.entries())
    images.set(set.images.subarray(index * size, (index + 1) * size), at * size);
  for (let at = 0; at < count; at++) labels[at] = set.labels[chosen[at % chosen.length]];

  const source = new ImageSource(set, { augment: augmentation, seed, scale: 255 });
  try {
    for (let copy = 1; copy <= copies; copy++) {
      for (let at = 0; at < chosen.length; at += batchSize) {
        const part = tensor(chosen.slice(at, at + batchSize));
        const batch = source.batch(part, true);
        // A Uint8ClampedArray rounds.
        images.set(Uint8ClampedArray.from(await batch.x.data()), (copy * chosen.length + at) * size);
        for (const used of [part, batch.x, batch.labels]) used.dispose();
      }
    }
  } finally {
    source.dispose();
  }
  return { ...set, images, labels, count };
}
