import { expect, test } from 'vitest';
import { make, zeros } from './array64.ts';
import { checkReference } from './finiteDifferences.ts';
import { softmax } from './softmax.ts';

test('rows worked by hand, with logits that would overflow', () => {
  const x = make([2, 3], [Math.log(1), Math.log(2), Math.log(5), 1000, 1000, -1000]);
  const output = softmax.forward([x], {});
  expect(output.shape).toEqual([2, 3]);
  [1 / 8, 2 / 8, 5 / 8, 1 / 2, 1 / 2, 0].forEach((value, i) => {
    expect(output.data[i]).toBeCloseTo(value, 12);
  });
});

for (const shape of [[1], [5], [1, 1], [3, 10], [2, 3, 4]]) {
  test(`gradients, [${shape}]`, () => {
    checkReference(softmax, (random) => ({ inputs: [random.uniform(shape, -3, 3)], attrs: {} }));
  });
}

test('the longest sum', () => {
  expect(softmax.sumLength([zeros([20, 7])], {})).toBe(7);
});
