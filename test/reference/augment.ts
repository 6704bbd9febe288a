/**
 * A training batch from bytes: choose images, shift each by whole pixels, flip it, scale to 0 … 1.
 *
 * Letters: M images of H × W bytes, B samples; out [B,H,W,1].
 *   shifted[b,y,x] = images[index_b, y - dy_b, x - dx_b], 0 outside
 *   out[b,y,x]     = shifted[b, y, flip_b ? W-1-x : x] / 255
 * so dy > 0 moves the picture down and dx > 0 moves it to the right.
 *
 * Keras' ImageDataGenerator with an integer shift range n draws the magnitude uniformly from {0 … n-1} and
 * a fair sign (so for 3: P(0) = 1/3, P(±1) = P(±2) = 1/6 each), rows and columns apart, and flips with
 * probability 1/2.
 */

import { type Array64, zeros } from './array64.ts';
import type { Words4 } from './philox.ts';

/** What happens to the picture. */
export interface Augmentation {
  dy: number;
  dx: number;
  flip: boolean;
}

/** One image of a batch: its row in the set, and what happens to it. */
export interface Sample extends Augmentation {
  index: number;
}

/** `images` holds M images of `height` × `width` bytes in row-major order. Returns [samples.length,H,W,1]. */
export function augment(
  images: Uint8Array,
  height: number,
  width: number,
  samples: readonly Sample[],
): Array64 {
  const output = zeros([samples.length, height, width, 1]);
  samples.forEach(({ index, dy, dx, flip }, b) => {
    for (let y = 0; y < height; y++) {
      for (let x = 0; x < width; x++) {
        const fromY = y - dy;
        const fromX = (flip ? width - 1 - x : x) - dx;
        const inside = fromY >= 0 && fromY < height && fromX >= 0 && fromX < width;
        const byte = inside ? images[(index * height + fromY) * width + fromX] : 0;
        output.data[(b * height + y) * width + x] = byte / 255;
      }
    }
  });
  return output;
}

/** A shift from one uniform u32 word: the magnitude is word % range, the top bit makes it negative. */
export function shiftOf(word: number, range: number): number {
  const magnitude = word % range;
  return word >>> 31 && magnitude ? -magnitude : magnitude;
}

/** An image's augmentation from a Philox block: words 0 and 1 give dy and dx, the top bit of word 2 flips. */
export function augmentationOf([word0, word1, word2]: Words4, shiftRange: number): Augmentation {
  return { dy: shiftOf(word0, shiftRange), dx: shiftOf(word1, shiftRange), flip: word2 >>> 31 === 1 };
}
