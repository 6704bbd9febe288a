import { expect, test } from 'vitest';
import { add, div } from '../../src/kernels/binary.ts';
import { max } from '../../src/kernels/reduce.ts';
import { full } from '../../src/tensor/create.ts';
import { type Tensor, tensor } from '../../src/tensor/tensor.ts';
import { createRandom } from '../reference/array64.ts';
import * as reference from '../reference/elementwise.ts';
import { checkOp } from '../support/checkOp.ts';
import { testGpu } from '../support/gpu.ts';
import { again, seed } from '../support/seed.ts';
import { expectSplitLikeWhole } from '../support/smallBindings.ts';

const gpu = await testGpu();

// Shapes that are walked in blocks of four, and shapes next to them that aren't.
test.each([
  { a: [1], b: [1] },
  { a: [1026], b: [1026] },
  { a: [1023], b: [] },
  { a: [7, 12], b: [12] },
  { a: [7, 12], b: [7, 1] },
  { a: [5, 1, 8], b: [3, 8] },
  { a: [5, 3, 1], b: [1, 3, 8] },
  { a: [7, 10], b: [10] },
  { a: [6, 1, 3], b: [4, 3] },
])('a $a and b $b match the reference', async ({ a, b }) => {
  const random = createRandom(seed);
  await checkOp({
    reference: reference.div,
    op: ([x, y]) => div(x, y),
    inputs: [random.uniform(a, 0.5, 2), random.uniform(b, 0.5, 2)],
    attrs: {},
    cotangent: random.uniform,
    label: again,
  });
});

test('an expression that asks for the place of an element gets it in blocks, too', async () => {
  const random = createRandom(seed);
  const x = tensor(Float32Array.from(random.uniform([9, 5, 16]).data), [9, 5, 16]);
  x.requiresGrad = true;
  const values = await x.data();
  const y = max(x, { axes: 1 });
  const [dx] = y.node!.run(full(y.shape, 1)) as Tensor[];
  const expected = Array.from(values, (value, i) => {
    const [n, c] = [Math.floor(i / 80), i % 16];
    return value === Math.max(...[0, 1, 2, 3, 4].map((r) => values[n * 80 + r * 16 + c])) ? 1 : 0;
  });
  expect([...(await dx.data())]).toEqual(expected);
});

test('a tensor is filled to its last element', async () => {
  for (const size of [1, 3, 64, 1021]) {
    expect([...(await full([size], 7, 'i32').data())]).toEqual(new Array(size).fill(7));
  }
});

test('split launches give the bits of whole ones', async () => {
  const random = createRandom(seed);
  for (const [a, b] of [
    [[40_001], [40_001]],
    [[300, 64], [64]],
    [
      [300, 63],
      [300, 1],
    ],
  ]) {
    const values = [a, b].map((shape) => random.uniform(shape));
    const run = () => {
      const [x, y] = values.map(({ data, shape }) => tensor(Float32Array.from(data), shape));
      return [add(x, y)];
    };
    await expectSplitLikeWhole(gpu, 16384, run, `[${a}] + [${b}], ${again}`);
  }
});
