import { beforeAll, expect, test } from 'vitest';
import { argmax } from '../../src/kernels/argmax.ts';
import { gradients, variable } from '../../src/tensor/autograd.ts';
import { tensor } from '../../src/tensor/tensor.ts';
import { argmax as reference } from '../reference/argmax.ts';
import { make } from '../reference/array64.ts';
import { checkOp } from '../support/checkOp.ts';
import { testGpu } from '../support/gpu.ts';
import { draws } from '../support/property.ts';

beforeAll(testGpu);

test('matches the reference, ties included', async () => {
  for (const { random, label, shape, int, chance, pick } of draws('argmax', 8)) {
    const drawn = chance(0.3) ? [int(1, 4), int(257, 700), int(1, 3)] : shape(int(1, 4));
    const size = drawn.reduce((a, b) => a * b);
    const x = chance(0.5) ? random.distinct(drawn) : make(drawn, random.integers(size, pick([2, 5])));
    const axis = int(0, drawn.length - 1);
    const op =
      (given: number) =>
      ([t]: Parameters<typeof argmax>[0][]) =>
        argmax(t, given);
    await checkOp({
      reference,
      op: op(chance(0.5) ? axis : axis - drawn.length),
      inputs: [x],
      attrs: { axis },
      cotangent: random.uniform,
      label,
    });
  }
});

test('takes the last axis unless told, and returns i32', async () => {
  const y = argmax(
    tensor([
      [1, 3, 2],
      [0, 0, -1],
    ]),
  );
  expect([y.dtype, y.shape, [...(await y.data())]]).toEqual(['i32', [2], [1, 0]]);
});

test('stops gradients', () => {
  const x = variable(tensor([1, 2]));
  expect(() => gradients(argmax(x), [x])).toThrow("the loss doesn't depend on target 0");
});

test('refuses other axes and dtypes', () => {
  expect(() => argmax(tensor([1, 2]), 1)).toThrow('argmax: expected an axis from -1 to 0');
  expect(() => argmax(tensor(new Int32Array(2)))).toThrow('argmax: expected x f32, got i32 [2]');
});
