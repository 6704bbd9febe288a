import { expect, test } from 'vitest';
import { make, zeros } from './array64.ts';
import { checkReference } from './finiteDifferences.ts';
import { softmaxCrossEntropy } from './softmaxCrossEntropy.ts';

test('the mean over samples of -log(probability), not clipped', () => {
  // Probabilities 1/4 and 3/4, then 1/8 and 7/8.
  const logits = make([2, 2], [0, Math.log(3), 5, 5 + Math.log(7)]);
  const loss = softmaxCrossEntropy.forward([logits], { labels: [0, 1] });
  expect(loss.shape).toEqual([]);
  expect(loss.data[0]).toBeCloseTo((Math.log(4) + Math.log(8 / 7)) / 2, 12);
  expect(softmaxCrossEntropy.forward([make([1, 2], [0, 500])], { labels: [0] }).data[0]).toBe(500);
  expect(() => softmaxCrossEntropy.forward([logits], { labels: [0] })).toThrow('2 rows, but 1 labels');
});

for (const [N, K] of [
  [1, 1],
  [1, 4],
  [5, 2],
  [3, 10],
]) {
  test(`gradients, ${N} samples, ${K} classes`, () => {
    checkReference(softmaxCrossEntropy, (random) => ({
      inputs: [random.uniform([N, K], -3, 3)],
      attrs: { labels: random.integers(N, K) },
    }));
  });
}

test('label smoothing spreads a share of the target over all classes', () => {
  // Probabilities 1/4 and 3/4; with half of the target spread it is 3/4 and 1/4.
  const logits = make([1, 2], [0, Math.log(3)]);
  const loss = softmaxCrossEntropy.forward([logits], { labels: [0], labelSmoothing: 0.5 });
  expect(loss.data[0]).toBeCloseTo((3 * Math.log(4) + Math.log(4 / 3)) / 4, 12);
  checkReference(softmaxCrossEntropy, (random) => ({
    inputs: [random.uniform([4, 5], -3, 3)],
    attrs: { labels: random.integers(4, 5), labelSmoothing: 0.1 },
  }));
});

test('the longest sum', () => {
  expect(softmaxCrossEntropy.sumLength([zeros([20, 7])], { labels: [] })).toBe(20);
  expect(softmaxCrossEntropy.sumLength([zeros([2, 7])], { labels: [] })).toBe(7);
});
