import { describe, expect, it } from 'vitest';
import {
  classDistribution,
  duplicateImages,
  meanImages,
  pixelStatistics,
  samplesByClass,
} from '../../src/analysis/dataset.ts';

const set = (images: number[], labels: number[], [height, width, channels]: number[], classes = 3) => ({
  ...{ images: Uint8Array.from(images), labels: Uint8Array.from(labels), count: labels.length },
  ...{ height, width, channels, classNames: Array.from({ length: classes }, (_, k) => `class ${k}`) },
});

describe('classes', () => {
  it('are counted, those without samples too', () => {
    expect(classDistribution(Uint8Array.of(2, 0, 2, 2), 4)).toEqual([1, 0, 3, 0]);
    expect(classDistribution([], 2)).toEqual([0, 0]);
  });

  it('have their first samples', () => {
    expect(samplesByClass([1, 0, 1, 1, 0], 3, 2)).toEqual([[1, 4], [0, 2], []]);
    expect(samplesByClass([1, 0, 1, 1, 0], 2)).toEqual([
      [1, 4],
      [0, 2, 3],
    ]);
  });

  it('refuse a label that is none of theirs', () => {
    expect(() => classDistribution([0, 3], 3)).toThrow(
      'classDistribution: label 1 is 3, and classes are numbered from 0 to 2',
    );
    expect(() => samplesByClass([0.5], 3)).toThrow('samplesByClass: label 0 is 0.5');
  });
});

describe('meanImages', () => {
  it('takes the mean of each class, pixel by pixel', () => {
    const means = meanImages(set([0, 255, 10, 20, 0, 1], [2, 0, 2], [1, 2, 1]));
    expect(means.map((mean) => mean && [...mean])).toEqual([[10, 20], undefined, [0, 128]]);
  });

  it('refuses a set that is not as large as it says', () => {
    expect(() => meanImages(set([1, 2, 3], [0], [1, 2, 1]))).toThrow(
      'meanImages: 1 images of 1x2x1 are 2 bytes, got 3',
    );
    expect(() => meanImages({ ...set([1, 2], [0], [1, 1, 1]), count: 2 })).toThrow(
      'expected 2 labels, got 1',
    );
  });
});

describe('pixelStatistics', () => {
  it('tells each channel apart', () => {
    const [red, green] = pixelStatistics(set([0, 9, 0, 11, 30, 9, 30, 11], [0, 0], [1, 2, 2]));
    expect(red).toEqual({ mean: 15, deviation: 15, smallest: 0, largest: 30, zeros: 0.5 });
    expect(green).toEqual({ mean: 10, deviation: 1, smallest: 9, largest: 11, zeros: 0 });
    expect(() => pixelStatistics(set([], [], [1, 1, 1]))).toThrow('no pixel');
  });
});

describe('duplicateImages', () => {
  it('groups images that are the same', () => {
    const images = [1, 2, 3, 4, 1, 2, 5, 6, 3, 4, 1, 2];
    expect(duplicateImages(set(images, [0, 1, 2, 0, 1, 2], [1, 2, 1]))).toEqual([
      [0, 2, 5],
      [1, 4],
    ]);
  });

  it('tells images of one hash apart', () => {
    // Two pairs of bytes with the same 32-bit FNV-1a.
    const [one, other] = collision();
    expect(duplicateImages(set([...one, ...other, ...one], [0, 0, 0], [1, one.length, 1]))).toEqual([[0, 2]]);
  });
});

/** Two different byte strings of one FNV-1a hash: found by trying, in about 2^16 tries. */
function collision(): [number[], number[]] {
  const seen = new Map<number, number[]>();
  for (let n = 0; ; n++) {
    const bytes = [
      n,
      n >>> 8,
      n >>> 16,
      Math.imul(n, 0x9e3779b1) >>> 24,
      Math.imul(n, 0x85ebca6b) >>> 16,
    ].map((value) => value & 255);
    const hash = bytes.reduce((hash, byte) => Math.imul(hash ^ byte, 0x01000193), 0x811c9dc5) >>> 0;
    const found = seen.get(hash);
    if (found) return [found, bytes];
    seen.set(hash, bytes);
  }
}
