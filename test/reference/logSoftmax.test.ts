import { expect, test } from 'vitest';
import { createRandom, make, zeros } from './array64.ts';
import { checkReference } from './finiteDifferences.ts';
import { logSoftmax } from './logSoftmax.ts';
import { softmax } from './softmax.ts';

test('the logarithm of softmax, exact where that underflows', () => {
  const x = createRandom(1).uniform([4, 5], -5, 5);
  const output = logSoftmax.forward([x], {});
  softmax.forward([x], {}).data.forEach((value, i) => {
    expect(output.data[i]).toBeCloseTo(Math.log(value), 12);
  });
  expect([...logSoftmax.forward([make([1, 2], [0, 2000])], {}).data]).toEqual([-2000, 0]);
});

for (const shape of [[1], [5], [1, 1], [3, 10], [2, 3, 4]]) {
  test(`gradients, [${shape}]`, () => {
    checkReference(logSoftmax, (random) => ({ inputs: [random.uniform(shape, -3, 3)], attrs: {} }));
  });
}

test('the longest sum', () => {
  expect(logSoftmax.sumLength([zeros([20, 7])], {})).toBe(7);
});
