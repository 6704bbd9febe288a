import { expect, test } from 'vitest';
import { make, zeros } from './array64.ts';
import { biasAdd } from './biasAdd.ts';
import { checkReference } from './finiteDifferences.ts';

test('adds one bias a channel', () => {
  const x = make([2, 1, 2], [1, 2, 3, 4]);
  expect(biasAdd.forward([x, make([2], [10, 20])], {})).toEqual(make([2, 1, 2], [11, 22, 13, 24]));
  expect(() => biasAdd.forward([x, zeros([4])], {})).toThrow('2 channels, but 4 biases');
});

for (const shape of [[1], [3], [4, 1], [2, 3], [2, 3, 1, 5]]) {
  test(`gradients, [${shape}]`, () => {
    checkReference(biasAdd, (random) => ({
      inputs: [random.uniform(shape), random.uniform([shape[shape.length - 1]])],
      attrs: {},
    }));
  });
}

test('the longest sum', () => {
  expect(biasAdd.sumLength([zeros([2, 3, 4, 5]), zeros([5])], {})).toBe(24);
});
