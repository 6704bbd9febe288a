import { expect, test } from 'vitest';
import { meanSquaredError } from '../../src/kernels/meanSquaredError.ts';
import { gradients } from '../../src/tensor/autograd.ts';
import { tensor } from '../../src/tensor/tensor.ts';
import { createRandom } from '../reference/array64.ts';
import { meanSquaredError as reference } from '../reference/meanSquaredError.ts';
import { allBits, expectSameBits } from '../support/bits.ts';
import { checkOp } from '../support/checkOp.ts';
import { testGpu } from '../support/gpu.ts';
import { draws } from '../support/property.ts';
import { again, seed } from '../support/seed.ts';
import { expectSplitLikeWhole } from '../support/smallBindings.ts';

const gpu = await testGpu();

test('matches the reference, forward and both gradients', async () => {
  for (const { random, label, shape, int } of draws('meanSquaredError', 8)) {
    const extents = shape(int(0, 4), 9000);
    await checkOp({
      reference,
      op: ([y, target]) => meanSquaredError(y, target),
      inputs: [random.uniform(extents, -2, 2), random.uniform(extents, -2, 2)],
      attrs: {},
      cotangent: (shape) => random.uniform(shape, 0.5, 2),
      label,
    });
  }
});

test('split launches give the bits of whole ones, and so do two runs', async () => {
  const random = createRandom(seed);
  const [y, target] = [0, 1].map(() => random.uniform([3, 47_001]));
  const run = () => {
    const given = [y, target].map(({ data, shape }) => tensor(Float32Array.from(data), shape));
    for (const t of given) t.requiresGrad = true;
    const loss = meanSquaredError(given[0], given[1]);
    return [loss, ...gradients(loss, given)];
  };
  await expectSplitLikeWhole(gpu, 2 ** 19, run, again);
  expectSameBits(await allBits(run()), await allBits(run()), again);
});

test('an operand that needs no gradient gets none', async () => {
  const y = tensor([1, 2]);
  y.requiresGrad = true;
  const loss = meanSquaredError(y, tensor([0, 4]));
  const [dy, dt] = loss.node!.run(tensor([1], []));
  expect(dt).toBeNull();
  expect([...(await dy!.data())]).toEqual([1, -2]);
});

test('what does not fit is named', () => {
  expect(() => meanSquaredError(tensor([1, 2]), tensor([1]))).toThrow(
    "meanSquaredError: expected a target [2], of y's shape, got [1]",
  );
  expect(() => meanSquaredError(tensor([1, 2]), tensor(new Int32Array(2)))).toThrow(
    'meanSquaredError: expected target f32, got i32 [2]',
  );
});
