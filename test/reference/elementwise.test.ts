import { describe, expect, test } from 'vitest';
import { type Array64, make, type Random, zeros } from './array64.ts';
import {
  abs,
  add,
  div,
  exp,
  leakyRelu,
  log,
  maximum,
  mul,
  neg,
  pow,
  rescale,
  sigmoid,
  sqrt,
  square,
  sub,
  tanh,
} from './elementwise.ts';
import { checkReference } from './finiteDifferences.ts';

type Draw = (random: Random, shape: readonly number[]) => Array64;
const anywhere: Draw = (random, shape) => random.uniform(shape, -2, 2);
const positive: Draw = (random, shape) => random.uniform(shape, 0.3, 3);
const awayFromZero: Draw = (random, shape) => random.awayFromZero(shape, 0.3);

const unaries = [
  { name: 'neg', reference: neg, at: [1.5, -2], values: [-1.5, 2], draw: anywhere },
  { name: 'exp', reference: exp, at: [0, Math.log(3)], values: [1, 3], draw: anywhere },
  { name: 'log', reference: log, at: [1, Math.E ** 2], values: [0, 2], draw: positive },
  { name: 'sqrt', reference: sqrt, at: [9, 0.25], values: [3, 0.5], draw: positive },
  { name: 'square', reference: square, at: [-3, 0.5], values: [9, 0.25], draw: anywhere },
  { name: 'abs', reference: abs, at: [-3, 0.5], values: [3, 0.5], draw: awayFromZero },
  { name: 'sigmoid', reference: sigmoid, at: [0, Math.log(3)], values: [0.5, 0.75], draw: anywhere },
  { name: 'tanh', reference: tanh, at: [0, -Math.log(3)], values: [0, -0.8], draw: anywhere },
];

describe.each(unaries)('$name', ({ reference, at, values, draw }) => {
  test('values', () => {
    const output = reference.forward([make([2, 1], at)], {});
    expect(output.shape).toEqual([2, 1]);
    values.forEach((value, i) => {
      expect(output.data[i]).toBeCloseTo(value, 12);
    });
  });

  test.each([[[]], [[1]], [[5]], [[2, 1, 3]]])('gradients, [%s]', (shape) => {
    checkReference(reference, (random) => ({ inputs: [draw(random, shape)], attrs: {} }));
  });
});

test('the gradient of abs at 0 is 0', () => {
  expect(abs.backward([make([1], [0])], {}, make([1], [1]))[0]!.data[0]).toBe(0);
});

describe('leakyRelu', () => {
  test('values, and the gradient at 0', () => {
    const x = make([4], [-2, 0, 3, -0.5]);
    expect([...leakyRelu.forward([x], { slope: 0.25 }).data]).toEqual([-0.5, 0, 3, -0.125]);
    expect([...leakyRelu.backward([x], { slope: 0.25 }, make([4], [1, 2, 3, 4]))[0]!.data]).toEqual([
      0.25, 0.5, 3, 1,
    ]);
  });

  for (const slope of [0, 0.01, 0.3, 2]) {
    test(`gradients, slope ${slope}`, () => {
      checkReference(leakyRelu, (random) => ({ inputs: [awayFromZero(random, [2, 5])], attrs: { slope } }));
    });
  }
});

describe('pow', () => {
  test('values', () => {
    const x = make([3], [-2, 0.25, 4]);
    expect([...pow.forward([x], { exponent: 3 }).data]).toEqual([-8, 0.015625, 64]);
    expect([...pow.forward([make([2], [0.25, 4])], { exponent: -0.5 }).data]).toEqual([2, 0.5]);
  });

  for (const exponent of [-1, -0.5, 0, 0.5, 1, 1.7]) {
    test(`gradients, exponent ${exponent}`, () => {
      checkReference(pow, (random) => ({ inputs: [positive(random, [2, 5])], attrs: { exponent } }));
    });
  }
  for (const exponent of [2, 3]) {
    test(`gradients, exponent ${exponent}, negative numbers too`, () => {
      checkReference(pow, (random) => ({ inputs: [anywhere(random, [2, 5])], attrs: { exponent } }));
    });
  }
  test('the gradient for the exponent 0 is 0 at 0', () => {
    expect(pow.backward([make([1], [0])], { exponent: 0 }, make([1], [1]))[0]!.data[0]).toBe(0);
  });
});

/** Odd multiples of 0.05 for a, even ones for b: never closer than 0.05, so never at the kink of maximum. */
const onGrid = (random: Random, shape: readonly number[], offset: number): Array64 => {
  const { data } = random.uniform(shape);
  return make(
    shape,
    data.map((value) => Math.round(value * 10) / 10 + offset),
  );
};

const binaries = [
  { name: 'add', reference: add, values: [11, 21, 31, 12, 22, 32] },
  { name: 'sub', reference: sub, values: [-9, -19, -29, -8, -18, -28] },
  { name: 'mul', reference: mul, values: [10, 20, 30, 20, 40, 60] },
  { name: 'div', reference: div, values: [1 / 10, 1 / 20, 1 / 30, 2 / 10, 2 / 20, 2 / 30] },
  { name: 'maximum', reference: maximum, values: [10, 20, 30, 10, 20, 30] },
];

describe.each(binaries)('$name', ({ name, reference, values }) => {
  test('values, broadcast', () => {
    const output = reference.forward([make([2, 1], [1, 2]), make([3], [10, 20, 30])], {});
    expect(output).toEqual(make([2, 3], values));
  });

  for (const [a, b] of [
    [[], []],
    [[1], [1]],
    [[4], [4]],
    [[2, 3], [3]],
    [[3], [2, 3]],
    [
      [2, 1, 3],
      [4, 1],
    ],
    [[], [2, 2]],
    [
      [2, 3, 1, 2],
      [1, 3, 2, 1],
    ],
  ]) {
    test(`gradients, [${a}] and [${b}]`, () => {
      checkReference(reference, (random) => ({
        inputs:
          name === 'div'
            ? [anywhere(random, a), awayFromZero(random, b)]
            : [onGrid(random, a, 0.05), onGrid(random, b, 0)],
        attrs: {},
      }));
    });
  }
});

test('where both are equal, the first operand of maximum takes the gradient', () => {
  const x = make([1], [2]);
  const [da, db] = maximum.backward([x, x], {}, make([1], [3]));
  expect([da!.data[0], db!.data[0]]).toEqual([3, 0]);
});

test('shapes that do not broadcast are refused', () => {
  expect(() => add.forward([zeros([2, 3]), zeros([2])], {})).toThrow('[2,3] and [2] differ');
});

test('the longest sum', () => {
  expect(exp.sumLength([zeros([5])], {})).toBe(1);
  expect(mul.sumLength([zeros([2, 3]), zeros([2, 3])], {})).toBe(1);
  expect(mul.sumLength([zeros([2, 3]), zeros([3])], {})).toBe(2);
  expect(mul.sumLength([zeros([2, 1]), zeros([7])], {})).toBe(7);
});

test('rescale', () => {
  const attrs = { scale: -2, offset: 0.5 };
  expect([...rescale.forward([make([3], [0, 1, -3])], attrs).data]).toEqual([0.5, -1.5, 6.5]);
  checkReference(rescale, (random) => ({ inputs: [anywhere(random, [2, 5])], attrs }));
});
