import { beforeAll, describe, expect, test } from 'vitest';
import { max, mean, sum } from '../../src/kernels/reduce.ts';
import { gradients, variable } from '../../src/tensor/autograd.ts';
import { scope } from '../../src/tensor/scope.ts';
import { tensor } from '../../src/tensor/tensor.ts';
import { createRandom, make } from '../reference/array64.ts';
import { type ReductionAttrs, reduceMax, reduceMean, reduceSum } from '../reference/reductions.ts';
import { checkOp, compare } from '../support/checkOp.ts';
import { testGpu } from '../support/gpu.ts';
import { type Draw, draws } from '../support/property.ts';

beforeAll(testGpu);

const ops = {
  sum: { op: sum, reference: reduceSum },
  mean: { op: mean, reference: reduceMean },
  max: { op: max, reference: reduceMax },
};

/** Shapes on either side of the limits at which a reduction is cut: few rows, many rows, many outputs. */
function reduction({ int, pick, chance, shape, extent }: Draw): { shape: number[]; attrs: ReductionAttrs } {
  const drawn = pick([
    () => shape(int(0, 4), 20000),
    () => [int(300, 20000)],
    () => [int(257, 900), extent()],
    () => [extent(), int(257, 900), extent(9)],
  ])();
  return {
    shape: drawn,
    attrs: { axes: [...drawn.keys()].filter(() => chance(0.6)), keepDims: chance(0.5) },
  };
}

describe.each(Object.entries(ops))('%s', (name, { op, reference }) => {
  test('matches the reference over any axes', async () => {
    for (const draw of draws(name, 10)) {
      const { random, label } = draw;
      const { shape, attrs } = reduction(draw);
      const inputs = [name === 'max' ? random.distinct(shape) : random.uniform(shape)];
      await checkOp({
        reference,
        op: ([x]) => op(x, attrs),
        inputs,
        attrs,
        cotangent: random.uniform,
        label,
      });
    }
  });

  test('cuts long rows into segments', async () => {
    // 5 million numbers are two segments; there are few distinct ones, so that max meets ties in both.
    const x = Float32Array.from({ length: 5_000_001 }, (_, i) => (i * 7919) % 1009);
    const total = x.reduce((before, value) => before + value, 0);
    const expected = { sum: total, mean: total / x.length, max: 1008 }[name]!;
    const given = variable(tensor(x));
    const [y, dx] = scope(() => {
      const y = op(given);
      return [y, gradients(y, [given])[0]];
    });
    // No partial result is a sum of more than a thousand others.
    compare(await y.data(), make([1], [expected]), 1000, `${name} of 5 million`);
    const slope = { sum: 1, mean: Math.fround(1 / x.length), max: 0 }[name]!;
    const gradient = await dx.data();
    expect(gradient.findIndex((value, i) => value !== slope && x[i] !== 1008)).toBe(-1);
    expect(gradient[x.indexOf(1008)]).toBe(name === 'max' ? 1 : slope);
    for (const t of [given, y, dx]) t.dispose();
  });

  test('counts negative axes from the last and refuses others', async () => {
    const x = tensor([
      [1, 2],
      [3, 5],
    ]);
    expect(op(x, { axes: -1 }).shape).toEqual([2]);
    expect(op(x, { axes: [0, -1], keepDims: true }).shape).toEqual([1, 1]);
    expect(() => op(x, { axes: 2 })).toThrow(`${name}: expected distinct axes from -2 to 1, got 2`);
    expect(() => op(x, { axes: [0, -2] })).toThrow('distinct axes');
    expect(() => op(tensor(new Int32Array(2)))).toThrow(`${name}: expected x f32, got i32 [2]`);
  });
});

test('the first of equal elements takes the gradient of max', async () => {
  // Ties within a row, between axes that are reduced apart, and between the lanes of one long row.
  const ties: [number[], number[]][] = [
    [
      [2, 3, 2],
      [0, 2],
    ],
    [[700], [0]],
    [[4, 600, 2], [1]],
    [
      [4, 600, 2],
      [0, 2],
    ],
  ];
  for (const [shape, axes] of ties) {
    const x = make(
      shape,
      createRandom(2).integers(
        shape.reduce((a, b) => a * b),
        3,
      ),
    );
    await checkOp({
      reference: reduceMax,
      op: ([t]) => max(t, { axes }),
      inputs: [x],
      attrs: { axes, keepDims: false },
      cotangent: createRandom(3).uniform,
      label: `max of [${shape}] over [${axes}]`,
    });
  }
});

test('max of nothing but infinities is an infinity', async () => {
  const x = variable(tensor(new Float32Array(300).fill(Number.NEGATIVE_INFINITY)));
  const [y, dx] = scope(() => {
    const y = max(x);
    return [y, gradients(y, [x])[0]];
  });
  expect(await y.item()).toBe(Number.NEGATIVE_INFINITY);
  expect([...(await dx.data())].indexOf(1)).toBe(0);
});
