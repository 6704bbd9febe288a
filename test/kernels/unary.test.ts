import { beforeAll, describe, expect, test } from 'vitest';
import { abs, exp, log, neg, pow, sqrt, square } from '../../src/kernels/unary.ts';
import { tensor } from '../../src/tensor/tensor.ts';
import type { Array64 } from '../reference/array64.ts';
import * as reference from '../reference/elementwise.ts';
import { checkOp } from '../support/checkOp.ts';
import { testGpu } from '../support/gpu.ts';
import { draws } from '../support/property.ts';

beforeAll(testGpu);

type Sample = (shape: readonly number[]) => Array64;

describe.each([
  { name: 'neg', op: neg, from: [-3, 3] },
  { name: 'exp', op: exp, from: [-3, 3] },
  { name: 'log', op: log, from: [0.05, 8] },
  { name: 'sqrt', op: sqrt, from: [0.05, 8] },
  { name: 'square', op: square, from: [-3, 3] },
  { name: 'abs', op: abs, from: [-3, 3] },
] as const)('$name', ({ name, op, from: [low, high] }) => {
  test('matches the reference', async () => {
    for (const { random, label, shape, int } of draws(name, 6)) {
      const inputs = [random.uniform(shape(int(0, 4)), low, high)];
      await checkOp({
        reference: reference[name],
        op: ([x]) => op(x),
        inputs,
        attrs: {},
        cotangent: random.uniform,
        label,
      });
    }
  });

  test('refuses whole numbers', () => {
    expect(() => op(tensor(new Int32Array(2)))).toThrow(`${name}: expected x f32, got i32 [2]`);
  });
});

describe('pow', () => {
  const check = async (
    name: string,
    exponents: readonly number[],
    sample: (random: { uniform: (shape: readonly number[], low: number, high: number) => Array64 }) => Sample,
  ) => {
    for (const { random, label, shape, int, pick } of draws(name, 6)) {
      const exponent = pick(exponents);
      await checkOp({
        reference: reference.pow,
        op: ([x]) => pow(x, exponent),
        inputs: [sample(random)(shape(int(0, 4)))],
        attrs: { exponent },
        cotangent: random.uniform,
        label,
        // WGSL grants pow() the error of exp2(exponent * log2(x)): 3 + 2 * 7 round-offs and those of log2, times 2.
        factor: 32,
      });
    }
  };

  test('raises positive numbers to any exponent', () =>
    check('pow', [0.5, -0.5, 1.7, -2.3, 0, 3], (random) => (s) => random.uniform(s, 0.3, 3)));

  test('raises any number to whole exponents', () =>
    check('pow, whole', [0, 1, 2, 3, 5, -1, -2], (random) => (s) => {
      const x = random.uniform(s, -2, 2);
      return { shape: x.shape, data: x.data.map((value) => value + 0.4 * Math.sign(value)) };
    }));

  test('0^0 is 1 and has no slope', async () => {
    await checkOp({
      reference: reference.pow,
      op: ([x]) => pow(x, 0),
      inputs: [{ shape: [2], data: new Float64Array(2) }],
      attrs: { exponent: 0 },
      cotangent: () => ({ shape: [2], data: Float64Array.of(1, -1) }),
      label: '0^0',
    });
  });

  test('refuses exponents that are no finite numbers', () => {
    expect(() => pow(tensor([1]), Number.NaN)).toThrow('pow: expected a finite exponent, got NaN');
  });
});
