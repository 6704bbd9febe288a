import { describe, expect, test } from 'vitest';
import { createRandom } from './array64.ts';
import { augment, augmentationOf, type Sample, shiftOf } from './augment.ts';

describe('batch', () => {
  // Two images of 2 × 3 bytes.
  const images = Uint8Array.of(0, 51, 102, 153, 204, 255, 10, 20, 30, 40, 50, 60);
  const still = { dy: 0, dx: 0, flip: false };
  const batch = (...samples: Sample[]) =>
    [...augment(images, 2, 3, samples).data].map((v) => Math.round(v * 255));

  test('gathers and scales to 0 … 1', () => {
    const output = augment(images, 2, 3, [{ index: 0, ...still }]);
    expect(output.shape).toEqual([1, 2, 3, 1]);
    expect([...output.data]).toEqual([0, 0.2, 0.4, 0.6, 0.8, 1]);
    expect(batch({ index: 1, ...still }, { index: 1, ...still })).toEqual([
      ...[10, 20, 30, 40, 50, 60],
      ...[10, 20, 30, 40, 50, 60],
    ]);
  });

  test('shifts down and right for positive numbers, with zeros behind', () => {
    expect(batch({ index: 1, dy: 1, dx: 0, flip: false })).toEqual([0, 0, 0, 10, 20, 30]);
    expect(batch({ index: 1, dy: -1, dx: 0, flip: false })).toEqual([40, 50, 60, 0, 0, 0]);
    expect(batch({ index: 1, dy: 0, dx: 1, flip: false })).toEqual([0, 10, 20, 0, 40, 50]);
    expect(batch({ index: 1, dy: 0, dx: -2, flip: false })).toEqual([30, 0, 0, 60, 0, 0]);
    expect(batch({ index: 1, dy: 1, dx: -1, flip: false })).toEqual([0, 0, 0, 20, 30, 0]);
    expect(batch({ index: 1, dy: 2, dx: 0, flip: false })).toEqual([0, 0, 0, 0, 0, 0]);
  });

  test('flips after the shift', () => {
    expect(batch({ index: 1, dy: 0, dx: 0, flip: true })).toEqual([30, 20, 10, 60, 50, 40]);
    expect(batch({ index: 1, dy: 0, dx: 1, flip: true })).toEqual([20, 10, 0, 50, 40, 0]);
  });
});

describe('random words', () => {
  test('a shift is word % range with the top bit as its sign', () => {
    expect([0, 1, 2, 3].map((word) => shiftOf(word, 3))).toEqual([0, 1, 2, 0]);
    // 2^31 = 2 modulo 3.
    expect([0, 1, 2, 3].map((word) => shiftOf(0x80000000 + word, 3))).toEqual([-2, 0, -1, -2]);
    expect(augmentationOf([0x80000000, 4, 0x80000000, 0], 3)).toEqual({ dy: -2, dx: 1, flip: true });
    expect(augmentationOf([3, 2, 0x7fffffff, 0xffffffff], 3)).toEqual({ dy: 0, dx: 2, flip: false });
  });

  test('shift 3: P(0) = 1/3, P(±1) = P(±2) = 1/6, rows and columns apart; flip 1/2', () => {
    const draws = 36000;
    const words = createRandom(1).words(4 * draws);
    const counts = new Map<string, number>();
    let flips = 0;
    for (let i = 0; i < draws; i++) {
      const [word0, word1, word2, word3] = words.subarray(4 * i, 4 * i + 4);
      const { dy, dx, flip } = augmentationOf([word0, word1, word2, word3], 3);
      counts.set(`${dy} ${dx}`, (counts.get(`${dy} ${dx}`) ?? 0) + 1);
      flips += flip ? 1 : 0;
    }
    const probability = (shift: number) => (shift === 0 ? 1 / 3 : 1 / 6);
    // Pearson's statistic over the 25 pairs has 24 degrees of freedom: 99.99 % of samples lie below 59.
    let statistic = 0;
    for (const dy of [-2, -1, 0, 1, 2]) {
      for (const dx of [-2, -1, 0, 1, 2]) {
        const expected = draws * probability(dy) * probability(dx);
        statistic += ((counts.get(`${dy} ${dx}`) ?? 0) - expected) ** 2 / expected;
      }
    }
    expect(counts.size).toBe(25);
    expect(statistic).toBeLessThan(59);
    // Five standard deviations of a fair coin.
    expect(Math.abs(flips - draws / 2)).toBeLessThan(5 * Math.sqrt(draws / 4));
  });
});
