import { expect, test } from 'vitest';
import { broadcastPositions, broadcastShape, createRandom, make, positions, stridesOf } from './array64.ts';
import { philox4x32 } from './philox.ts';

test('make refuses values that do not fill the shape', () => {
  expect(make([], [3]).data).toEqual(Float64Array.of(3));
  expect(() => make([2, 2], [1, 2, 3])).toThrow('shape [2,2] holds 4 values, got 3');
});

test('positions walk a shape with any strides', () => {
  expect(stridesOf([2, 3, 4])).toEqual([12, 4, 1]);
  expect([...positions([2, 3], [3, 1])]).toEqual([0, 1, 2, 3, 4, 5]);
  expect([...positions([3, 2], [1, 3], 10)]).toEqual([10, 13, 11, 14, 12, 15]);
  expect([...positions([], [])]).toEqual([0]);
});

test('broadcasting aligns axes at the right', () => {
  expect(broadcastShape([2, 1, 4], [3, 1])).toEqual([2, 3, 4]);
  expect(broadcastShape([], [3])).toEqual([3]);
  expect(broadcastShape([3], [])).toEqual([3]);
  expect(() => broadcastShape([2, 3], [2])).toThrow('[2,3] and [2] differ');
  expect([...broadcastPositions([3, 1], [2, 3, 2])]).toEqual([0, 0, 1, 1, 2, 2, 0, 0, 1, 1, 2, 2]);
});

test('random words are the Philox blocks of the key (seed, 0), in order', () => {
  const blocks = [0, 1, 2].flatMap((block) => philox4x32([block, 0, 0, 0], [9, 0]));
  const random = createRandom(9);
  expect([...random.words(5), ...random.words(7)]).toEqual(blocks);
});

test('random data is decided by the seed and keeps its promises', () => {
  expect(createRandom(5).uniform([100])).toEqual(createRandom(5).uniform([100]));
  expect(createRandom(5).uniform([100])).not.toEqual(createRandom(6).uniform([100]));
  const random = createRandom(1);
  const { data } = random.uniform([20000], 2, 4);
  const mean = data.reduce((sum, value) => sum + value, 0) / data.length;
  // The standard error of the mean is 2 / sqrt(12 * 20000) = 0.004.
  expect(Math.abs(mean - 3)).toBeLessThan(0.02);
  expect(data.every((value) => value > 2 && value < 4)).toBe(true);

  const away = random.awayFromZero([500], 0.2).data;
  expect(away.every((value) => Math.abs(value) >= 0.2 && Math.abs(value) < 1)).toBe(true);
  expect(away.some((value) => value > 0) && away.some((value) => value < 0)).toBe(true);

  expect(random.awayFromZero([500]).data.every((value) => Math.abs(value) >= 0.1)).toBe(true);

  const sorted = random.distinct([10, 10]).data.toSorted();
  sorted.forEach((value, i) => {
    expect(value).toBeCloseTo((2 * i + 1) / 100 - 1, 12);
  });
  expect(random.distinct([50]).data).not.toEqual(random.distinct([50]).data);

  const counts = [0, 0, 0];
  for (const integer of random.integers(3000, 3)) counts[integer]++;
  expect(counts.every((count) => Math.abs(count - 1000) < 130)).toBe(true);
});
