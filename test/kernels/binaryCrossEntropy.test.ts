import { expect, test } from 'vitest';
import { binaryCrossEntropy } from '../../src/kernels/binaryCrossEntropy.ts';
import { gradients } from '../../src/tensor/autograd.ts';
import { type Tensor, tensor } from '../../src/tensor/tensor.ts';
import { type Array64, createRandom } from '../reference/array64.ts';
import { binaryCrossEntropy as reference } from '../reference/binaryCrossEntropy.ts';
import { allBits, expectSameBits } from '../support/bits.ts';
import { checkOp } from '../support/checkOp.ts';
import { testGpu } from '../support/gpu.ts';
import { draws } from '../support/property.ts';
import { again, seed } from '../support/seed.ts';
import { expectSplitLikeWhole } from '../support/smallBindings.ts';

const gpu = await testGpu();

// WGSL lets exp(x) be off by 3 + 2 |x| units in the last place, two round-offs each; |x| is at most 3 here.
const EXP_ROUND_OFFS = 2 * (3 + 2 * 3);

const upload = ({ data, shape }: Array64): Tensor => tensor(Float32Array.from(data), shape);
const lossOf = (logits: number[], target: number[]): { loss: Tensor; logits: Tensor } => {
  const x = tensor(logits);
  x.requiresGrad = true;
  return { loss: binaryCrossEntropy(x, tensor(target)), logits: x };
};

test('matches the reference, forward and gradient', async () => {
  for (const { random, label, shape, int } of draws('binaryCrossEntropy', 8)) {
    const extents = shape(int(0, 4), 9000);
    const target = random.uniform(extents, 0, 1);
    target.data = target.data.map(Math.fround);
    await checkOp({
      reference,
      op: ([logits]) => binaryCrossEntropy(logits, upload(target)),
      inputs: [random.uniform(extents, -3, 3)],
      attrs: { target },
      cotangent: (shape) => random.uniform(shape, 0.5, 2),
      label,
      // (sigmoid(x) - target) / N, times a cotangent that isn't less.
      gradientTerms: 0.5 / target.data.length,
      factor: EXP_ROUND_OFFS,
    });
  }
});

test('a sure prediction is not clipped, be it right or wrong', async () => {
  expect(await lossOf([-200], [1]).loss.item()).toBe(200);
  expect(await lossOf([3e38], [1]).loss.item()).toBe(0);
  const right = lossOf([14], [1]);
  expect((await right.loss.item()) / Math.log1p(Math.exp(-14))).toBeCloseTo(1, 5);
  const wrong = lossOf([1e4, -1e4], [0, 1]);
  const [dx] = gradients(wrong.loss, [wrong.logits]);
  expect([...(await dx.data())]).toEqual([0.5, -0.5]);
});

test('non-finite logits make the loss non-finite', async () => {
  for (const value of [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY])
    for (const t of [0, 0.5, 1])
      expect(Number.isFinite(await lossOf([0.5, value], [1, t]).loss.item()), `${value}, target ${t}`).toBe(
        false,
      );
});

test('split launches give the bits of whole ones, and so do two runs', async () => {
  const random = createRandom(seed);
  const [logits, target] = [random.uniform([3, 47_001], -3, 3), random.uniform([3, 47_001], 0, 1)];
  const run = () => {
    const x = upload(logits);
    x.requiresGrad = true;
    const loss = binaryCrossEntropy(x, upload(target));
    return [loss, ...gradients(loss, [x])];
  };
  await expectSplitLikeWhole(gpu, 2 ** 19, run, again);
  expectSameBits(await allBits(run()), await allBits(run()), again);
});

test('what does not fit is named', () => {
  expect(() => binaryCrossEntropy(tensor([1, 2]), tensor([1]))).toThrow(
    "binaryCrossEntropy: expected a target [2], of the logits' shape, got [1]",
  );
  expect(() => binaryCrossEntropy(tensor([1, 2]), tensor(new Int32Array(2)))).toThrow(
    'binaryCrossEntropy: expected target f32, got i32 [2]',
  );
});
