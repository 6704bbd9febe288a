import { expect, test } from 'vitest';
import { make } from './array64.ts';
import { checkReference } from './finiteDifferences.ts';
import { reshape } from './reshape.ts';

test('keeps the row-major order', () => {
  const x = make([2, 3], [1, 2, 3, 4, 5, 6]);
  expect(reshape.forward([x], { shape: [3, 1, 2] })).toEqual(make([3, 1, 2], [1, 2, 3, 4, 5, 6]));
  expect(() => reshape.forward([x], { shape: [5] })).toThrow('holds 5 values, got 6');
});

for (const [from, to] of [
  [[1], []],
  [
    [2, 6],
    [3, 4],
  ],
  [[2, 3, 5], [30]],
]) {
  test(`gradients, [${from}] to [${to}]`, () => {
    checkReference(reshape, (random) => ({ inputs: [random.uniform(from)], attrs: { shape: to } }));
  });
}

test('sums nothing', () => {
  expect(reshape.sumLength([], { shape: [] })).toBe(1);
});
