import { expect, test } from 'vitest';
import { make } from './array64.ts';
import { checkReference } from './finiteDifferences.ts';
import { relu } from './relu.ts';

test('values, and the gradient at 0', () => {
  const x = make([4], [-2, 0, 3, -0.5]);
  expect([...relu.forward([x], {}).data]).toEqual([0, 0, 3, 0]);
  expect([...relu.backward([x], {}, make([4], [1, 1, 1, 1]))[0]!.data]).toEqual([0, 0, 1, 0]);
});

for (const shape of [[], [1], [7], [2, 3, 5], [1, 4, 3, 2]]) {
  test(`gradients, [${shape}]`, () => {
    checkReference(relu, (random) => ({ inputs: [random.awayFromZero(shape)], attrs: {} }), [1, 2, 3]);
  });
}

test('sums nothing', () => {
  expect(relu.sumLength([], {})).toBe(1);
});
