import { expect, test } from 'vitest';
import { make } from './array64.ts';
import { clipped, perturbed } from './gradientScales.ts';

const gradients = [make([2], [3, 4]), make([1], [12])];
const values = (arrays: ReturnType<typeof clipped>) => arrays.map(({ data }) => [...data]);

test('norms 5 and 12, together 13', () => {
  expect(values(clipped(gradients, 6, false))).toEqual([[3, 4], [6]]);
  expect(values(clipped(gradients, 6.5, true))).toEqual([[1.5, 2], [6]]);
  expect(values(clipped(gradients, 13, true))).toEqual([[3, 4], [12]]);
});

test('a perturbation has the norm rho, and is none where the gradient is', () => {
  const [a, b] = perturbed([make([2], [1, 1]), make([1], [0])], gradients, 2.6);
  for (const [i, value] of [1.6, 1.8].entries()) expect(a.data[i]).toBeCloseTo(value, 10);
  expect(b.data[0]).toBeCloseTo(2.4, 10);
  expect(values(perturbed([make([1], [7])], [make([1], [0])], 1))).toEqual([[7]]);
});
