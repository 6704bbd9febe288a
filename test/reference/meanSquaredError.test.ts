import { expect, test } from 'vitest';
import { make, zeros } from './array64.ts';
import { checkReference } from './finiteDifferences.ts';
import { meanSquaredError } from './meanSquaredError.ts';

test('the mean over all elements', () => {
  const loss = meanSquaredError.forward([make([2, 2], [1, 2, 3, 4]), make([2, 2], [1, 0, 3, 7])], {});
  expect(loss).toEqual(make([], [(4 + 9) / 4]));
});

for (const shape of [[1], [7], [2, 3, 2]]) {
  test(`gradients, [${shape}]`, () => {
    checkReference(meanSquaredError, (random) => ({
      inputs: [random.uniform(shape, -2, 2), random.uniform(shape, -2, 2)],
      attrs: {},
    }));
  });
}

test('the longest sum', () => {
  expect(meanSquaredError.sumLength([zeros([3, 4]), zeros([3, 4])], {})).toBe(12);
});
