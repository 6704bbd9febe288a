import { expect, test } from 'vitest';
import { createRandom } from './array64.ts';
import { agrees, centralDifference } from './finiteDifferences.ts';
import { conditional, distances, divergence, gradient, precision, probabilities } from './tsne.ts';

test.each([2, 3, 9])('the gradient of %i places is that of the divergence', (N) => {
  for (const seed of [1, 2]) {
    const random = createRandom(seed);
    const p = probabilities(random.uniform([N, 4]), N / 2);
    const y = random.uniform([N, 2], -2, 2);
    const g = gradient(p, y);
    for (let e = 0; e < 2 * N; e++) {
      const difference = centralDifference(y, e, () => divergence(p, y));
      if (!agrees(g.data[e], difference))
        expect.fail(`seed ${seed}, element ${e}: gradient ${g.data[e]}, central difference ${difference}`);
    }
  }
});

test('the divergence is 0 where places have the probabilities of the points, and above it elsewhere', () => {
  const y = createRandom(3).uniform([7, 2], -2, 2);
  const d = distances(y);
  const weights = d.data.map((value, at) => (at % 8 === 0 ? 0 : 1 / (1 + value)));
  const Z = weights.reduce((sum, value) => sum + value, 0);
  const p = { shape: [7, 7], data: weights.map((value) => value / Z) };
  expect(divergence(p, y)).toBeCloseTo(0, 12);
  for (const value of gradient(p, y).data) expect(value).toBeCloseTo(0, 12);
  y.data[3] += 0.1;
  expect(divergence(p, y)).toBeGreaterThan(1e-6);
});

test('rows have the perplexity that was asked for, and all of p sums to 1', () => {
  const x = createRandom(4).uniform([11, 3]);
  const d = distances(x);
  for (let i = 0; i < 11; i++)
    expect(Math.exp(conditional(d, i, precision(d, i, 5)).entropy)).toBeCloseTo(5, 9);
  const p = probabilities(x, 5);
  expect(p.data.reduce((sum, value) => sum + value, 0)).toBeCloseTo(1, 12);
  for (let i = 0; i < 11; i++)
    for (let j = 0; j < 11; j++) expect(p.data[i * 11 + j]).toBeCloseTo(p.data[j * 11 + i], 15);
});
