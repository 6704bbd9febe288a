import { expect, test } from 'vitest';
import { make } from './array64.ts';
import { checkReference } from './finiteDifferences.ts';
import { transpose } from './transpose.ts';

test('output axis a is input axis perm[a]', () => {
  const matrix = make([2, 3], [1, 2, 3, 4, 5, 6]);
  expect(transpose.forward([matrix], { perm: [1, 0] })).toEqual(make([3, 2], [1, 4, 2, 5, 3, 6]));
  // In [2,3,2] numbered 0 … 11, element [i,j,k] is 6i + 2j + k; the output [k,i,j] lists it by k, i, j.
  const cube = make([2, 3, 2], [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]);
  const expected = make([2, 2, 3], [0, 2, 4, 6, 8, 10, 1, 3, 5, 7, 9, 11]);
  expect(transpose.forward([cube], { perm: [2, 0, 1] })).toEqual(expected);
});

for (const { shape, perm } of [
  { shape: [1], perm: [0] },
  { shape: [3, 4], perm: [1, 0] },
  { shape: [2, 3, 4], perm: [2, 0, 1] },
  { shape: [2, 3, 4], perm: [0, 2, 1] },
  { shape: [2, 1, 3, 4], perm: [3, 1, 0, 2] },
]) {
  test(`gradients, [${shape}] by [${perm}]`, () => {
    checkReference(transpose, (random) => ({ inputs: [random.uniform(shape)], attrs: { perm } }));
  });
}

test('sums nothing', () => {
  expect(transpose.sumLength([], { perm: [] })).toBe(1);
});
