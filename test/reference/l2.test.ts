import { expect, test } from 'vitest';
import { make, zeros } from './array64.ts';
import { checkReference } from './finiteDifferences.ts';
import { l2 } from './l2.ts';

test('lambda times the sum of squares, without a half', () => {
  expect(l2.forward([make([2, 2], [1, -2, 3, 0])], { lambda: 0.5 })).toEqual(make([], [7]));
});

for (const shape of [[], [1], [5, 3], [3, 3, 2, 1]]) {
  test(`gradients, [${shape}]`, () => {
    checkReference(l2, (random) => ({ inputs: [random.uniform(shape)], attrs: { lambda: 0.3 } }));
  });
}

test('the longest sum', () => {
  expect(l2.sumLength([zeros([4, 5])], { lambda: 1 })).toBe(20);
});
