import { describe, expect, test } from 'vitest';
import { createRandom, make, zeros } from './array64.ts';
import { batchNorm, batchNormInference, batchStatistics, updateMovingStatistics } from './batchNorm.ts';
import { checkReference } from './finiteDifferences.ts';

const shapes = [
  [2, 1],
  [5, 3],
  [2, 3, 3, 2],
  [1, 2, 1, 4],
  [3, 2, 2],
];

describe('training', () => {
  test('statistics and output worked by hand', () => {
    // Channel 0: 1, 3, 5 (mean 3, variance 8/3); channel 1: 2, 2, 2 (variance 0).
    const x = make([3, 2], [1, 2, 3, 2, 5, 2]);
    const { mean, variance } = batchStatistics(x);
    expect([...mean.data]).toEqual([3, expect.closeTo(2, 12)]);
    expect(variance.data[0]).toBeCloseTo(8 / 3, 12);
    expect(variance.data[1]).toBeCloseTo(0, 12);

    const epsilon = 4 / 3; // makes the divisors 2 and sqrt(4/3)
    const output = batchNorm.forward([x, make([2], [10, 7]), make([2], [1, -1])], { epsilon });
    [-9, -1, 1, -1, 11, -1].forEach((value, i) => {
      expect(output.data[i]).toBeCloseTo(value, 12);
    });
  });

  test('normalises every channel to mean 0, variance 1', () => {
    const x = createRandom(3).uniform([2, 5, 4, 3], -10, 30);
    const one = make([3], [1, 1, 1]);
    const { mean, variance } = batchStatistics(batchNorm.forward([x, one, zeros([3])], { epsilon: 0 }));
    for (let c = 0; c < 3; c++) {
      expect(mean.data[c]).toBeCloseTo(0, 12);
      expect(variance.data[c]).toBeCloseTo(1, 12);
    }
  });

  for (const shape of [[1, 1], [1, 1, 1, 3], ...shapes]) {
    for (const epsilon of [1e-3, 0.1]) {
      test(`gradients, [${shape}], epsilon ${epsilon}`, () => {
        const channels = [shape[shape.length - 1]];
        checkReference(batchNorm, (random) => ({
          // Neighbours are well apart, so no channel has a variance near 0, where the curvature is extreme.
          inputs: [random.distinct(shape), random.uniform(channels), random.uniform(channels)],
          attrs: { epsilon },
        }));
      });
    }
  }
});

describe('moving statistics', () => {
  const moving = { mean: make([1], [10]), variance: make([1], [20]) };

  test('2-D inputs store the biased variance', () => {
    const { mean, variance } = updateMovingStatistics(moving, make([4, 1], [1, 3, 5, 7]), 0.9);
    // The batch has mean 4 and variance 20/4 = 5.
    expect(mean.data[0]).toBeCloseTo(0.9 * 10 + 0.1 * 4, 12);
    expect(variance.data[0]).toBeCloseTo(0.9 * 20 + 0.1 * 5, 12);
  });

  test('4-D inputs store the unbiased variance', () => {
    const { mean, variance } = updateMovingStatistics(moving, make([1, 2, 2, 1], [1, 3, 5, 7]), 0.99);
    expect(mean.data[0]).toBeCloseTo(0.99 * 10 + 0.01 * 4, 12);
    expect(variance.data[0]).toBeCloseTo(0.99 * 20 + (0.01 * 20) / 3, 12);
  });

  test('every channel has its own', () => {
    // Two pixels: channel 0 has mean 2 and variance 1, channel 1 mean 5 and variance 9; unbiased, 2 and 18.
    const start = { mean: make([2], [0, 100]), variance: make([2], [0, 100]) };
    const { mean, variance } = updateMovingStatistics(start, make([1, 1, 2, 2], [1, 2, 3, 8]), 0.5);
    expect([...mean.data]).toEqual([1, 52.5]);
    expect([...variance.data]).toEqual([1, 59]);
  });

  test('a single value has variance 0', () => {
    const { variance } = updateMovingStatistics(moving, make([1, 1, 1, 1], [7]), 0.5);
    expect(variance.data[0]).toBe(10);
  });
});

describe('inference', () => {
  test('uses the given statistics', () => {
    const inputs = [make([2, 1], [5, 9]), make([1], [3]), make([1], [1]), make([1], [1]), make([1], [15])];
    expect([...batchNormInference.forward(inputs, { epsilon: 1 }).data]).toEqual([4, 7]);
  });

  test("with the batch's own statistics it is the training output", () => {
    const random = createRandom(4);
    const x = random.uniform([3, 2, 2, 5]);
    const gamma = random.uniform([5]);
    const beta = random.uniform([5]);
    const { mean, variance } = batchStatistics(x);
    const attrs = { epsilon: 1e-3 };
    expect(batchNormInference.forward([x, gamma, beta, mean, variance], attrs)).toEqual(
      batchNorm.forward([x, gamma, beta], attrs),
    );
  });

  for (const shape of [[1, 1], [1, 1, 1, 3], ...shapes]) {
    test(`gradients, [${shape}]`, () => {
      const channels = [shape[shape.length - 1]];
      checkReference(batchNormInference, (random) => ({
        inputs: [
          random.uniform(shape),
          ...[random.uniform(channels), random.uniform(channels), random.uniform(channels)],
          random.uniform(channels, 0.1, 2),
        ],
        attrs: { epsilon: 1e-3 },
        frozen: [3, 4],
      }));
    });
  }
});

test('the longest sum', () => {
  expect(batchNorm.sumLength([zeros([2, 3, 4, 5]), zeros([5]), zeros([5])], { epsilon: 1 })).toBe(24);
  expect(batchNormInference.sumLength([zeros([7, 5]), zeros([5])], { epsilon: 1 })).toBe(7);
});
