import { expect, test } from 'vitest';
import { l2 } from '../../src/kernels/l2.ts';
import { type Tensor, tensor } from '../../src/tensor/tensor.ts';
import { createRandom, make } from '../reference/array64.ts';
import { l2 as reference } from '../reference/l2.ts';
import { allBits, expectSameBits } from '../support/bits.ts';
import { checkOp, compare } from '../support/checkOp.ts';
import { testGpu } from '../support/gpu.ts';
import { again, seed } from '../support/seed.ts';
import { expectSplitLikeWhole } from '../support/smallBindings.ts';

const gpu = await testGpu();

test('random shapes match the reference, forward and gradient', async () => {
  const random = createRandom(seed);
  for (const shape of [[], [1], [63], [3, 3, 5, 7], [2048], [2049], [512, 512], [130_003]]) {
    await checkOp({
      reference,
      op: ([w], { lambda }) => l2(w, lambda),
      inputs: [random.uniform(shape)],
      attrs: { lambda: 1e-5 + random.uniform([1], 0, 0.01).data[0] },
      cotangent: (like) => random.uniform(like, 0.5, 2),
      label: again,
    });
  }
});

test('there is no half in it: 0.01 times the squares of 3 and 4 is 0.25', async () => {
  const w = tensor([3, -4]);
  w.requiresGrad = true;
  const loss = l2(w, 0.01);
  expect(await loss.item()).toBeCloseTo(0.25, 7);
  const [dw] = loss.node!.run(tensor([1], [])) as Tensor[];
  compare(await dw.data(), make([2], [0.06, -0.08]), 1, 'gradient');
});

test('split launches give the bits of whole ones, and so do two runs', async () => {
  const w = createRandom(seed).uniform([300_001]);
  const run = () => {
    const given = tensor(Float32Array.from(w.data));
    given.requiresGrad = true;
    const loss = l2(given, 0.1);
    return [loss, loss.node!.run(tensor([1], []))[0] as Tensor];
  };
  // 64 blocks of 2,048 weights: partial sums begin at multiples of 256 bytes.
  await expectSplitLikeWhole(gpu, 2 ** 19, run, again);
  expectSameBits(await allBits(run()), await allBits(run()), again);
});

test('integers are refused', () => {
  expect(() => l2(tensor(new Int32Array(3)), 0.1)).toThrow(/l2: expected w f32, got i32 \[3\]/);
});
