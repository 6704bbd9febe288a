import type { ImageSet } from '../data/batchSource.ts';
import { WeftError } from '../errors.ts';

/*
 * What a set of labelled 8-bit images is like. All of it is plain arithmetic on the CPU.
 */

/** @throws WeftError unless every label is the number of a class */
function checkLabels(op: string, labels: ArrayLike<number>, classes: number): void {
  for (let i = 0; i < labels.length; i++)
    if (!(Number.isInteger(labels[i]) && labels[i] >= 0 && labels[i] < classes))
      throw new WeftError(
        `${op}: label ${i} is ${labels[i]}, and classes are numbered from 0 to ${classes - 1}`,
      );
}

/** @throws WeftError unless there are as many pixels and labels as the set says */
function checkSet(op: string, { images, labels, count, height, width, channels }: ImageSet): void {
  const bytes = count * height * width * channels;
  if (images.length !== bytes)
    throw new WeftError(
      `${op}: ${count} images of ${height}x${width}x${channels} are ${bytes} bytes, got ${images.length}`,
    );
  if (labels.length !== count) throw new WeftError(`${op}: expected ${count} labels, got ${labels.length}`);
}

/**
 * How many samples each class has.
 *
 * ```ts
 * import { classDistribution } from 'weft-gpu';
 *
 * console.log(classDistribution([0, 1, 1, 2, 1], 4)); // [ 1, 3, 1, 0 ]
 * ```
 *
 * @param labels class numbers
 * @param classes how many classes there are
 * @throws WeftError where a label is no class's number
 */
export function classDistribution(labels: ArrayLike<number>, classes: number): number[] {
  checkLabels('classDistribution', labels, classes);
  const counts = new Array<number>(classes).fill(0);
  for (let i = 0; i < labels.length; i++) counts[labels[i]]++;
  return counts;
}

/**
 * The first samples of each class: a row each of a grid.
 *
 * ```ts
 * import { samplesByClass } from 'weft-gpu';
 *
 * console.log(samplesByClass([0, 1, 1, 2, 1], 3, 2)); // [ [ 0 ], [ 1, 2 ], [ 3 ] ]
 * ```
 *
 * @param labels class numbers
 * @param classes how many classes there are
 * @param most how many of a class, at most. Default: all
 * @returns the indices of samples by class, in rising order
 * @throws WeftError where a label is no class's number
 */
export function samplesByClass(
  labels: ArrayLike<number>,
  classes: number,
  most = Number.POSITIVE_INFINITY,
): number[][] {
  checkLabels('samplesByClass', labels, classes);
  const found: number[][] = Array.from({ length: classes }, () => []);
  for (let i = 0; i < labels.length; i++) if (found[labels[i]].length < most) found[labels[i]].push(i);
  return found;
}

/**
 * The mean image of each class.
 *
 * ```ts
 * import { meanImages } from 'weft-gpu';
 *
 * const set = {
 *   ...{ images: Uint8Array.of(0, 100, 50, 200), labels: Uint8Array.of(0, 0) },
 *   ...{ count: 2, height: 1, width: 2, channels: 1, classNames: ['cat', 'dog'] },
 * };
 * console.log(meanImages(set)); // [ Float64Array(2) [ 25, 150 ], undefined ]
 * ```
 *
 * @returns by class [height × width × channels], row-major, 0 to 255; undefined for a class without images
 * @throws WeftError where the set isn't as large as it says, or a label is no class's number
 */
export function meanImages(set: ImageSet): (Float64Array | undefined)[] {
  checkSet('meanImages', set);
  const { images, labels, count, height, width, channels, classNames } = set;
  const counts = classDistribution(labels, classNames.length);
  const size = height * width * channels;
  const sums = counts.map(() => new Float64Array(size));
  for (let n = 0; n < count; n++) {
    const sum = sums[labels[n]];
    for (let i = 0; i < size; i++) sum[i] += images[n * size + i];
  }
  return sums.map((sum, k) => (counts[k] > 0 ? sum.map((value) => value / counts[k]) : undefined));
}

/** Of one channel, over all images and pixels, as bytes: 0 to 255. */
export interface PixelStatistics {
  readonly mean: number;
  /** Of the population: over N, not N - 1. */
  readonly deviation: number;
  readonly smallest: number;
  readonly largest: number;
  /** The share of pixels that are 0. */
  readonly zeros: number;
}

/**
 * Mean, standard deviation and range of the pixels, channel by channel: what a normalisation takes, divided by 255.
 *
 * ```ts
 * import { pixelStatistics } from 'weft-gpu';
 *
 * const set = {
 *   ...{ images: Uint8Array.of(0, 100, 0, 100), labels: Uint8Array.of(0, 0) },
 *   ...{ count: 2, height: 1, width: 2, channels: 1, classNames: ['cat'] },
 * };
 * const [{ mean, deviation }] = pixelStatistics(set);
 * console.log(mean, deviation); // 50 50
 * ```
 *
 * @throws WeftError where the set isn't as large as it says, or holds no pixel
 */
export function pixelStatistics(set: ImageSet): PixelStatistics[] {
  checkSet('pixelStatistics', set);
  const { images, channels } = set;
  if (images.length === 0) throw new WeftError('pixelStatistics: the set holds no pixel');
  const counts = Array.from({ length: channels }, () => new Float64Array(256));
  for (let i = 0; i < images.length; i++) counts[i % channels][images[i]]++;
  const pixels = images.length / channels;
  return counts.map((histogram) => {
    const average = (of: (value: number) => number) =>
      histogram.reduce((sum, count, value) => sum + count * of(value), 0) / pixels;
    const mean = average((value) => value);
    return {
      mean,
      deviation: Math.sqrt(average((value) => (value - mean) ** 2)),
      smallest: histogram.findIndex((count) => count > 0),
      largest: histogram.findLastIndex((count) => count > 0),
      zeros: histogram[0] / pixels,
    };
  });
}

/**
 * Images that are the same, byte for byte.
 *
 * ```ts
 * import { duplicateImages } from 'weft-gpu';
 *
 * const set = {
 *   ...{ images: Uint8Array.of(1, 2, 3, 4, 1, 2), labels: Uint8Array.of(0, 0, 1) },
 *   ...{ count: 3, height: 1, width: 2, channels: 1, classNames: ['cat', 'dog'] },
 * };
 * console.log(duplicateImages(set)); // [ [ 0, 2 ] ]
 * ```
 *
 * @returns groups of two and more equal images, each of indices in rising order, by their first ones
 * @throws WeftError where the set isn't as large as it says
 */
export function duplicateImages(set: ImageSet): number[][] {
  checkSet('duplicateImages', set);
  const { images, count } = set;
  const size = images.length / count;
  const imageAt = (n: number) => images.subarray(n * size, (n + 1) * size);
  const isSame = (a: number, b: number) => {
    const [one, other] = [imageAt(a), imageAt(b)];
    return one.every((value, i) => value === other[i]);
  };
  /** Groups of equal images by a hash of their bytes, under which others may lie, too. */
  const byHash = new Map<number, number[][]>();
  for (let n = 0; n < count; n++) {
    const hash = fnv1a(imageAt(n));
    const groups = byHash.get(hash) ?? [];
    byHash.set(hash, groups);
    const group = groups.find(([first]) => isSame(first, n));
    if (group) group.push(n);
    else groups.push([n]);
  }
  return [...byHash.values()]
    .flat()
    .filter((group) => group.length > 1)
    .sort(([a], [b]) => a - b);
}

/** FNV-1a, 32 bits (Fowler, Noll and Vo). */
function fnv1a(bytes: Uint8Array): number {
  let hash = 0x811c9dc5;
  for (const byte of bytes) hash = Math.imul(hash ^ byte, 0x01000193);
  return hash >>> 0;
}
