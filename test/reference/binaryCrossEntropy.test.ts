import { expect, test } from 'vitest';
import { make, zeros } from './array64.ts';
import { binaryCrossEntropy } from './binaryCrossEntropy.ts';
import { checkReference } from './finiteDifferences.ts';

test('the mean over all elements of -log(probability), not clipped', () => {
  // Probabilities 3/4, 3/4, 1/2.
  const x = make([3], [Math.log(3), Math.log(3), 0]);
  const loss = binaryCrossEntropy.forward([x], { target: make([3], [1, 0, 0.3]) });
  expect(loss.shape).toEqual([]);
  expect(loss.data[0]).toBeCloseTo((Math.log(4 / 3) + Math.log(4) + Math.log(2)) / 3, 12);
  const sure = make([2], [800, -800]);
  expect(binaryCrossEntropy.forward([sure], { target: make([2], [0, 0]) }).data[0]).toBe(400);
});

for (const shape of [[1], [7], [2, 3, 2]]) {
  test(`gradients, [${shape}]`, () => {
    checkReference(binaryCrossEntropy, (random) => ({
      inputs: [random.uniform(shape, -3, 3)],
      attrs: { target: random.uniform(shape, 0, 1) },
    }));
  });
}

test('the longest sum', () => {
  expect(binaryCrossEntropy.sumLength([zeros([3, 4])], { target: zeros([3, 4]) })).toBe(12);
});
