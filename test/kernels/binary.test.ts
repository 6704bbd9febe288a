import { beforeAll, describe, expect, test } from 'vitest';
import { ShapeError } from '../../src/errors.ts';
import { add, div, maximum, mul, sub } from '../../src/kernels/binary.ts';
import { gradients, variable } from '../../src/tensor/autograd.ts';
import { scope } from '../../src/tensor/scope.ts';
import { type Tensor, tensor } from '../../src/tensor/tensor.ts';
import { make } from '../reference/array64.ts';
import * as reference from '../reference/elementwise.ts';
import { checkOp } from '../support/checkOp.ts';
import { testGpu } from '../support/gpu.ts';
import { type Draw, draws } from '../support/property.ts';

beforeAll(testGpu);

const ops = { add, sub, mul, div, maximum };

/** Two shapes of rank 0 to 4 that broadcast together, each extent missing or 1 in either now and then. */
function broadcastPair({ int, chance, shape }: Draw): [number[], number[]] {
  const whole = shape(int(0, 4), 6000);
  const part = () =>
    whole.map((extent) => (chance(0.3) ? 1 : extent)).slice(chance(0.3) ? int(0, whole.length) : 0);
  return chance(0.5) ? [whole, part()] : [part(), part()];
}

describe.each(Object.entries(ops))('%s', (name, op) => {
  test('matches the reference on shapes that broadcast', async () => {
    for (const draw of draws(name, 8)) {
      const { random, label } = draw;
      const [shapeA, shapeB] = broadcastPair(draw);
      const inputs = [
        random.uniform(shapeA),
        name === 'div' ? random.uniform(shapeB, 0.5, 2) : random.uniform(shapeB),
      ];
      await checkOp({
        reference: reference[name as keyof typeof ops],
        op: ([a, b]) => op(a, b),
        inputs,
        attrs: {},
        cotangent: random.uniform,
        label,
      });
    }
  });

  test('takes a number on either side', async () => {
    for (const { random, label, shape, int } of draws(`${name} with a number`, 4)) {
      const x = random.uniform(shape(int(0, 3)), 0.5, 2);
      const number = Math.fround(random.uniform([], 0.5, 2).data[0]);
      const { forward, backward } = reference[name as keyof typeof ops];
      const one = (side: 0 | 1) => {
        const pair = (given: typeof x) =>
          side === 0 ? [given, make([], [number])] : [make([], [number]), given];
        return {
          forward: ([given]: (typeof x)[]) => forward(pair(given), {}),
          backward: ([given]: (typeof x)[], _: object, dy: typeof x) => [backward(pair(given), {}, dy)[side]],
          sumLength: () => 1,
        };
      };
      await checkOp({
        reference: one(0),
        op: ([t]) => op(t, number),
        inputs: [x],
        attrs: {},
        cotangent: random.uniform,
        label,
      });
      await checkOp({
        reference: one(1),
        op: ([t]) => op(number, t),
        inputs: [x],
        attrs: {},
        cotangent: random.uniform,
        label,
      });
    }
  });

  test('refuses what it can not work with', () => {
    expect(() => op(1, 2)).toThrow(new ShapeError(name, 'at least one tensor', 'two numbers'));
    expect(() => op(tensor([1, 2, 3]), tensor([1, 2]))).toThrow(
      `${name}: expected shapes that broadcast together, got [3] and [2]`,
    );
    expect(() => op(tensor([1]), tensor(new Int32Array([1])))).toThrow(
      `${name}: expected b f32, got i32 [1]`,
    );
  });
});

test('of equal operands the first takes the gradient of maximum', async () => {
  const [a, b] = [variable(tensor([2])), variable(tensor([2]))];
  const [da, db] = scope(() => gradients(maximum(a, b), [a, b]));
  expect([await da.item(), await db.item()]).toEqual([1, 0]);
});

test('one tensor on both sides gets both gradients', async () => {
  const x = variable(tensor([3]));
  const [dx] = scope(() => gradients(mul(x, x) as Tensor, [x]));
  expect(await dx.item()).toBe(6);
});
