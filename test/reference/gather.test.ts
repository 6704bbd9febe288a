import { expect, test } from 'vitest';
import { make, zeros } from './array64.ts';
import { checkReference } from './finiteDifferences.ts';
import { gather } from './gather.ts';

test('takes rows in the order of the indices', () => {
  const x = make([3, 2], [1, 2, 3, 4, 5, 6]);
  expect(gather.forward([x], { indices: [2, 0, 2, 1] })).toEqual(make([4, 2], [5, 6, 1, 2, 5, 6, 3, 4]));
  expect(() => gather.forward([x], { indices: [3] })).toThrow('row 3 of 3');
  expect(() => gather.forward([x], { indices: [-1] })).toThrow('row -1 of 3');
});

for (const { shape, indices } of [
  { shape: [1], indices: [0] },
  { shape: [4], indices: [3, 3, 1, 3, 0] },
  { shape: [5, 3], indices: [4, 0] },
  { shape: [3, 2, 2], indices: [1, 1, 2, 1] },
]) {
  test(`gradients, [${shape}], rows [${indices}]`, () => {
    checkReference(gather, (random) => ({ inputs: [random.uniform(shape)], attrs: { indices } }));
  });
}

test('the longest sum', () => {
  expect(gather.sumLength([zeros([4])], { indices: [3, 3, 1, 3, 0] })).toBe(3);
  expect(gather.sumLength([zeros([4])], { indices: [] })).toBe(1);
});
