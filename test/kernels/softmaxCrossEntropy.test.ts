import { expect, test } from 'vitest';
import { softmaxCrossEntropy } from '../../src/kernels/softmaxCrossEntropy.ts';
import { type Tensor, tensor } from '../../src/tensor/tensor.ts';
import { type Array64, createRandom } from '../reference/array64.ts';
import { softmaxCrossEntropy as reference } from '../reference/softmaxCrossEntropy.ts';
import { allBits, expectSameBits } from '../support/bits.ts';
import { checkOp } from '../support/checkOp.ts';
import { testGpu } from '../support/gpu.ts';
import { draws } from '../support/property.ts';
import { again, seed } from '../support/seed.ts';
import { expectSplitLikeWhole } from '../support/smallBindings.ts';

const gpu = await testGpu();

// WGSL lets exp(x) be off by 3 + 2 |x| units in the last place, two round-offs each; |x| is at most 6 here.
// Where one sample is predicted with little doubt, the loss is such an exponential.
const EXP_ROUND_OFFS = 2 * (3 + 2 * 6);

const upload = ({ data, shape }: Array64): Tensor => tensor(Float32Array.from(data), shape);
const gradientOf = (loss: Tensor): Tensor => loss.node!.run(tensor([1], []))[0] as Tensor;

function lossOf(logits: Tensor, labels: ArrayLike<number>): Tensor {
  logits.requiresGrad = true;
  return softmaxCrossEntropy(logits, tensor(Int32Array.from(labels)));
}

test.each(['i32', 'u32'] as const)(
  'random shapes match the reference with %s labels, forward and gradient',
  async (dtype) => {
    const random = createRandom(seed);
    const upTo = (most: number) => 1 + random.integers(1, most)[0];
    for (const [N, K] of [
      [1, 2],
      [upTo(20), 1 + upTo(20)],
      [64, 10],
      [upTo(200), 1 + upTo(100)],
      [512, 10],
      [513, 7],
      [30, 1000],
      [1500, 3],
    ]) {
      const labels = random.integers(N, K);
      await checkOp({
        reference,
        op: ([logits]) =>
          softmaxCrossEntropy(
            logits,
            tensor(dtype === 'i32' ? Int32Array.from(labels) : Uint32Array.from(labels)),
          ),
        inputs: [random.uniform([N, K], -3, 3)],
        attrs: { labels },
        cotangent: (shape) => random.uniform(shape, 0.5, 2),
        label: again,
        factor: EXP_ROUND_OFFS,
      });
    }
  },
);

test('label smoothing matches the reference, forward and gradient', async () => {
  for (const { random, label, int, pick } of draws('labelSmoothing', 6)) {
    const [N, K] = [int(1, 200), int(2, 40)];
    const labelSmoothing = pick([0, 0.1, 0.25, 1]);
    const labels = random.integers(N, K);
    await checkOp({
      reference,
      op: ([logits]) => softmaxCrossEntropy(logits, tensor(Int32Array.from(labels)), { labelSmoothing }),
      inputs: [random.uniform([N, K], -3, 3)],
      attrs: { labels, labelSmoothing },
      cotangent: (shape) => random.uniform(shape, 0.5, 2),
      label,
      factor: EXP_ROUND_OFFS,
    });
  }
});

test('one class costs nothing', async () => {
  const loss = lossOf(tensor([[3], [-90]]), [0, 0]);
  expect(Math.abs(await loss.item())).toBe(0);
  expect([...(await gradientOf(loss).data())].map(Math.abs)).toEqual([0, 0]);
});

test('a sure prediction is not clipped, be it right or wrong', async () => {
  // Clipping probabilities at 1e-7, as Keras does for probabilities, would give 16.1 at most and 1e-7 at
  // least.
  expect(await lossOf(tensor([[200, 0, -200]]), [2]).item()).toBe(400);
  expect(await lossOf(tensor([[200, 0, -200]]), [0]).item()).toBe(0);
  const large = lossOf(tensor([[5e4, 5e4 - 1]]), [0]);
  expect(await large.item()).toBeCloseTo(Math.log1p(Math.exp(-1)), 6);
  const [p0, p1] = await gradientOf(large).data();
  expect(p1).toBeCloseTo(1 / (1 + Math.E), 6);
  expect(p0).toBeCloseTo(-1 / (1 + Math.E), 6);
});

test('a small loss keeps its digits', async () => {
  // The sum of exponentials is 1 + exp(-14): f32 would keep 4 of its bits beside the 1.
  const loss = lossOf(
    tensor([
      [14, 0],
      [14, 0],
    ]),
    [0, 0],
  );
  expect((await loss.item()) / Math.log1p(Math.exp(-14))).toBeCloseTo(1, 5);
});

test('a label that is no class makes the loss NaN', async () => {
  for (const label of [3, -1, 2 ** 30])
    expect(
      await lossOf(
        tensor([
          [1, 2, 3],
          [3, 2, 1],
        ]),
        [0, label],
      ).item(),
      `label ${label}`,
    ).toBeNaN();
  expect(
    await lossOf(
      tensor([
        [1, 2, 3],
        [3, 2, 1],
      ]),
      [0, 2],
    ).item(),
  ).toBeCloseTo(2.407606, 5);
});

test('non-finite logits make the loss non-finite', async () => {
  for (const value of [Number.NaN, Number.POSITIVE_INFINITY]) {
    for (const [at, label] of [
      [0, 0],
      [0, 1],
      [1, 0],
      [2, 2],
    ]) {
      const row = [0.5, 1, -1];
      row[at] = value;
      expect(Number.isFinite(await lossOf(tensor([row]), [label]).item()), `${row}, label ${label}`).toBe(
        false,
      );
    }
  }
});

test('split launches give the bits of whole ones, and so do two runs', async () => {
  const random = createRandom(seed);
  const logits = random.uniform([900, 11]);
  const labels = random.integers(900, 11);
  const run = () => {
    const loss = lossOf(upload(logits), labels);
    return [loss, gradientOf(loss)];
  };
  await expectSplitLikeWhole(gpu, 8192, run, again);
  expectSameBits(await allBits(run()), await allBits(run()), again);
});

test('wrong labels and logits are named', () => {
  const logits = tensor([
    [1, 2],
    [3, 4],
  ]);
  expect(() => softmaxCrossEntropy(logits, tensor([0, 1]))).toThrow(
    /softmaxCrossEntropy: expected labels i32 or u32, got f32 \[2\]/,
  );
  expect(() => softmaxCrossEntropy(logits, tensor(Int32Array.of(1)))).toThrow(
    /expected labels \[2\], one a row of logits \[2, 2\], got \[1\]/,
  );
  expect(() => softmaxCrossEntropy(logits, tensor(Int32Array.of(1, 0), [2, 1]))).toThrow(/got \[2, 1\]/);
  expect(() => softmaxCrossEntropy(tensor([1, 2]), tensor(Int32Array.of(1, 0)))).toThrow(
    /expected logits \[N, K\], got \[2\]/,
  );
  expect(() => softmaxCrossEntropy(tensor(new Int32Array(4), [2, 2]), tensor(Int32Array.of(1, 0)))).toThrow(
    /expected logits f32, got i32/,
  );
  expect(() => softmaxCrossEntropy(logits, tensor(Int32Array.of(1, 0)), { labelSmoothing: 1.5 })).toThrow(
    'softmaxCrossEntropy: expected labelSmoothing from 0 to 1, got 1.5',
  );
});
