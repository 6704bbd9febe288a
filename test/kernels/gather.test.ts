import { beforeAll, expect, test } from 'vitest';
import { gather } from '../../src/kernels/gather.ts';
import { sum } from '../../src/kernels/reduce.ts';
import { gradients, variable } from '../../src/tensor/autograd.ts';
import { scope } from '../../src/tensor/scope.ts';
import { tensor } from '../../src/tensor/tensor.ts';
import { gather as reference } from '../reference/gather.ts';
import { checkOp } from '../support/checkOp.ts';
import { testGpu } from '../support/gpu.ts';
import { draws } from '../support/property.ts';

beforeAll(testGpu);

test('matches the reference, with rows that come several times', async () => {
  for (const { random, label, shape, int, extent, pick } of draws('gather', 8)) {
    const x = random.uniform([extent(), ...shape(int(0, 3), 300)]);
    const indices = random.integers(pick([1, 7, 65, 130]), x.shape[0]);
    const given = pick([Int32Array, Uint32Array]).from(indices);
    await checkOp({
      reference,
      op: ([t]) => gather(t, tensor(given)),
      inputs: [x],
      attrs: { indices },
      cotangent: random.uniform,
      label,
    });
  }
});

test('gathers any dtype', async () => {
  const y = gather(tensor(Int32Array.of(1, 2, 3, -4), [2, 2]), tensor(Uint32Array.of(1, 0, 1)));
  expect([y.shape, y.dtype, [...(await y.data())]]).toEqual([[3, 2], 'i32', [3, -4, 1, 2, 3, -4]]);
});

test('an index out of range reads what no table holds, and gives no gradient', async () => {
  const indices = tensor(Int32Array.of(-1, 1, 2));
  const x = variable(
    tensor([
      [1, 2],
      [3, 4],
    ]),
  );
  const [y, dx] = scope(() => {
    const y = gather(x, indices);
    return [y, gradients(sum(y), [x])[0]];
  });
  expect([...(await y.data())]).toEqual([Number.NaN, Number.NaN, 3, 4, Number.NaN, Number.NaN]);
  expect([...(await dx.data())]).toEqual([0, 0, 1, 1]);
  expect([...(await gather(tensor(Int32Array.of(7)), indices).data())]).toEqual([
    -(2 ** 31),
    -(2 ** 31),
    -(2 ** 31),
  ]);
  expect([...(await gather(tensor(Uint32Array.of(7, 8)), indices).data())]).toEqual([
    2 ** 32 - 1,
    8,
    2 ** 32 - 1,
  ]);
});

test('refuses other indices', () => {
  expect(() => gather(tensor([1]), tensor([0]))).toThrow('gather: expected indices i32 or u32, got f32 [1]');
  expect(() => gather(tensor([1]), tensor(new Int32Array(2), [1, 2]))).toThrow(
    'gather: expected indices of one axis, got [1, 2]',
  );
  expect(() => gather(tensor(1), tensor(new Int32Array(1)))).toThrow(
    'gather: expected x of at least one axis, got []',
  );
});
