/**
 * What augmentations do to the pixels of images [N,H,W,C] where they are.
 *
 * Brightness of keras-preprocessing 1.1.0: the image plus max(-smallest, 0), times 255 over its largest value (unless that is 0), cut
 * to 8 bits; times the factor; cut to 8 bits again and to at most 255. Here a stretched value less than 2^-10 below a whole number
 * counts as that number.
 */

import { type Array64, zeros } from './array64.ts';

export function adjustBrightness(x: Array64, factors: ArrayLike<number>): Array64 {
  const y = zeros(x.shape);
  const size = x.data.length / x.shape[0];
  for (let n = 0; n < x.shape[0]; n++) {
    const image = x.data.subarray(n * size, (n + 1) * size);
    const up = Math.max(-Math.min(...image), 0);
    const largest = Math.max(...image) + up;
    image.forEach((value, e) => {
      const stretched = largest === 0 ? 0 : (255 * (value + up)) / largest;
      const byte = Math.floor(stretched + 2 ** -10);
      y.data[n * size + e] = Math.min(Math.floor(Math.fround(factors[n] * byte)), 255);
    });
  }
  return y;
}

/** A box to erase, in pixels. */
export interface Box {
  top: number;
  left: number;
  height: number;
  width: number;
  value: number;
}

/** Fills a box of each image with its value, or with what `noise` gives for an element of an image. */
export function eraseImages(
  x: Array64,
  boxes: readonly Box[],
  noise?: (image: number, element: number) => number,
): Array64 {
  const [N, H, W, C] = x.shape;
  const y = { shape: x.shape, data: x.data.slice() };
  for (let n = 0; n < N; n++) {
    const { top, left, height, width, value } = boxes[n];
    for (let h = top; h < top + height; h++) {
      for (let w = left; w < left + width; w++) {
        for (let c = 0; c < C; c++) {
          const element = (h * W + w) * C + c;
          y.data[n * H * W * C + element] = noise ? noise(n, element) : value;
        }
      }
    }
  }
  return y;
}
