import { expect, test } from 'vitest';
import { make, zeros } from './array64.ts';
import { checkReference } from './finiteDifferences.ts';
import { slice } from './slice.ts';

test('cuts a box out', () => {
  const x = make([3, 4], [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]);
  expect(slice.forward([x], { begin: [1, 1], size: [2, 3] })).toEqual(make([2, 3], [5, 6, 7, 9, 10, 11]));
  expect(() => slice.forward([zeros([3])], { begin: [1], size: [3] })).toThrow('leaves the shape [3]');
});

for (const { shape, begin, size } of [
  { shape: [1], begin: [0], size: [1] },
  { shape: [7], begin: [3], size: [2] },
  { shape: [4, 5], begin: [0, 2], size: [4, 1] },
  { shape: [3, 2, 4, 2], begin: [1, 0, 1, 1], size: [2, 2, 3, 1] },
]) {
  test(`gradients, [${shape}] from [${begin}], size [${size}]`, () => {
    checkReference(slice, (random) => ({ inputs: [random.uniform(shape)], attrs: { begin, size } }));
  });
}

test('sums nothing', () => {
  expect(slice.sumLength([], { begin: [], size: [] })).toBe(1);
});
