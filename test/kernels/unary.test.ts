import { beforeAll, describe, expect, test } from 'vitest';
import {
  abs,
  exp,
  leakyRelu,
  log,
  neg,
  pow,
  rescale,
  sigmoid,
  sqrt,
  square,
  tanh,
} from '../../src/kernels/unary.ts';
import { tensor } from '../../src/tensor/tensor.ts';
import type { Array64 } from '../reference/array64.ts';
import * as reference from '../reference/elementwise.ts';
import { checkOp } from '../support/checkOp.ts';
import { testGpu } from '../support/gpu.ts';
import { draws } from '../support/property.ts';

beforeAll(testGpu);

// A slope is computed from the output, whose round-offs 1 - y magnifies by up to 8 in these ranges; WGSL grants exp(x) the error of
// 3 + 2 |x| units in the last place.
const FROM_OUTPUT = 32;

type Sample = (shape: readonly number[]) => Array64;

describe.each([
  { name: 'neg', op: neg, from: [-3, 3] },
  { name: 'exp', op: exp, from: [-3, 3] },
  { name: 'log', op: log, from: [0.05, 8] },
  { name: 'sqrt', op: sqrt, from: [0.05, 8] },
  { name: 'square', op: square, from: [-3, 3] },
  { name: 'abs', op: abs, from: [-3, 3] },
  { name: 'sigmoid', op: sigmoid, from: [-2, 2], factor: FROM_OUTPUT },
  { name: 'tanh', op: tanh, from: [-1.2, 1.2], factor: FROM_OUTPUT },
] as const)('$name', ({ name, op, from: [low, high], ...bound }) => {
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
        ...bound,
      });
    }
  });

  test('refuses whole numbers', () => {
    expect(() => op(tensor(new Int32Array(2)))).toThrow(`${name}: expected x f32, got i32 [2]`);
  });
});

test('log is exact to a few round-offs around 1, where it is small', async () => {
  const x = Float32Array.from({ length: 2001 }, (_, i) => 0.7 + (0.6 * i) / 2000).map(
    (v) => 1 + (v - 1) ** 3,
  );
  const found = await log(tensor(x)).data();
  const wrong = Array.from(
    x,
    (value, i) => Math.abs(found[i] - Math.log(value)) / (Math.abs(Math.log(value)) || 1),
  );
  expect(Math.max(...wrong)).toBeLessThan(4e-7);
  expect(await log(tensor(Float32Array.of(0, -1, Infinity))).data()).toEqual(
    Float32Array.of(-Infinity, Number.NaN, Infinity),
  );
});

describe('leakyRelu', () => {
  test('matches the reference, at 0 too', async () => {
    for (const { random, label, shape, int, pick } of draws('leakyRelu', 6)) {
      const slope = pick([0, 0.01, 0.3, 1.5]);
      const x = random.uniform(shape(int(0, 4)));
      x.data[0] = 0;
      await checkOp({
        reference: reference.leakyRelu,
        op: ([x]) => leakyRelu(x, slope),
        inputs: [x],
        attrs: { slope: Math.fround(slope) },
        cotangent: random.uniform,
        label,
      });
    }
  });

  test('refuses slopes that are negative or no numbers', () => {
    for (const slope of [-0.1, Number.NaN, Number.POSITIVE_INFINITY])
      expect(() => leakyRelu(tensor([1]), slope)).toThrow(
        `leakyRelu: expected a finite slope of at least 0, got ${slope}`,
      );
  });
});

test('sigmoid and tanh of large numbers are what they tend to', async () => {
  const x = () => tensor([-3e38, -1000, -100, 100, 1000, 3e38]);
  const near = (values: Iterable<number>) => [...values].map((value) => Math.round(value * 1e6) / 1e6);
  expect(near(await sigmoid(x()).data()).map(Math.abs)).toEqual([0, 0, 0, 1, 1, 1]);
  expect(near(await tanh(x()).data())).toEqual([-1, -1, -1, 1, 1, 1]);
});

test('sigmoid and tanh of small outputs keep their digits', async () => {
  const [low] = await sigmoid(tensor([-20])).data();
  expect(low / (1 / (1 + Math.exp(20)))).toBeCloseTo(1, 5);
  const points = [-0.3, -0.2499, -1e-3, -1e-20, 1e-6, 0.01, 0.24, 0.2501, 0.5];
  const found = await tanh(tensor(points)).data();
  points.forEach((x, i) => {
    expect(found[i] / Math.tanh(Math.fround(x)), `tanh of ${x}`).toBeCloseTo(1, 5);
  });
  expect([...(await tanh(tensor([0])).data())]).toEqual([0]);
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

test('rescale', async () => {
  for (const { random, label, shape, int, pick } of draws('rescale', 6)) {
    const [scale, offset] = pick([
      [1 / 255, 0],
      [2, 0.5],
      [-3, -1],
    ]);
    await checkOp({
      reference: reference.rescale,
      op: ([x]) => rescale(x, scale, offset),
      inputs: [random.uniform(shape(int(0, 4)))],
      attrs: { scale: Math.fround(scale), offset },
      cotangent: random.uniform,
      label,
    });
  }
  expect(() => rescale(tensor([1]), Number.NaN)).toThrow(
    'rescale: expected a finite scale and offset, got NaN and 0',
  );
});
