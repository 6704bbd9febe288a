import { expect, test } from 'vitest';
import { adamRates, adamUpdate } from '../../src/kernels/adam.ts';
import { softmaxCrossEntropy } from '../../src/kernels/softmaxCrossEntropy.ts';
import { stepMetrics } from '../../src/kernels/stepMetrics.ts';
import { record } from '../../src/tensor/record.ts';
import { hostTensor, type Tensor, tensor } from '../../src/tensor/tensor.ts';
import { createRandom } from '../reference/array64.ts';
import { allBits, expectSameBits } from '../support/bits.ts';
import { testGpu } from '../support/gpu.ts';
import { again, seed } from '../support/seed.ts';

await testGpu();

const u32 = (...values: number[]): Tensor => tensor(Uint32Array.from(values));

/** How many rows have their first largest logit at the label; of one column, are above the threshold where that is 1. */
function correctOf(logits: ArrayLike<number>, labels: readonly number[], K: number, threshold = 0): number {
  if (K === 1) return labels.filter((label, n) => label === (logits[n] > threshold ? 1 : 0)).length;
  return labels.filter((label, n) => {
    const row = Array.from({ length: K }, (_, k) => logits[n * K + k]);
    return row.indexOf(Math.max(...row)) === label;
  }).length;
}

test('loss and right predictions go into their place of the log', async () => {
  const random = createRandom(seed);
  const log = tensor(new Float32Array(20).fill(-1));
  const halt = u32(0);
  const expected = new Array(20).fill(-1);
  for (const [i, [N, K]] of [
    [1, 1],
    [5, 3],
    [64, 10],
    [512, 10],
    [700, 2],
    [3, 1000],
  ].entries()) {
    // Few values, so that there are ties, the first of which counts.
    const logits = random.integers(N * K, 5);
    const labels = random.integers(N, K);
    const loss = random.uniform([1]).data[0];
    const labelTensor = i % 2 ? tensor(Int32Array.from(labels)) : tensor(Uint32Array.from(labels));
    stepMetrics({
      loss: tensor(loss),
      logits: tensor(Float32Array.from(logits), [N, K]),
      labels: labelTensor,
      log,
      halt,
      index: u32(9 - i),
    });
    expected[2 * (9 - i)] = Math.fround(loss);
    expected[2 * (9 - i) + 1] = correctOf(logits, labels, K);
  }
  expect([...(await log.data())], again).toEqual(expected);
  expect([...(await halt.data())]).toEqual([0]);
});

test('of one column, what is above the threshold is of class 1', async () => {
  const random = createRandom(seed);
  const N = 300;
  const logits = [Number.NaN, 0.5, 0, -0, ...random.uniform([N - 4]).data];
  const labels = random.integers(N, 2);
  for (const threshold of [undefined, 0.5]) {
    const log = tensor([0, 0]);
    const operands = {
      loss: tensor(0),
      logits: tensor(logits, [N, 1]),
      labels: tensor(Int32Array.from(labels)),
    };
    stepMetrics({ ...operands, threshold, log, halt: u32(0), index: u32(0) });
    expect((await log.data())[1], again).toBe(correctOf(Float32Array.from(logits), labels, 1, threshold));
  }
});

test('only a loss that is not finite raises the halt, and nothing takes it down', async () => {
  const haltAfter = async (...losses: number[]) => {
    const halt = u32(0);
    for (const loss of losses) {
      const log = tensor([0, 0]);
      stepMetrics({ loss: tensor(loss), logits: tensor([[1, 2]]), labels: u32(1), log, halt, index: u32(0) });
      expect((await log.data())[0]).toEqual(Math.fround(loss));
    }
    return (await halt.data())[0];
  };
  expect(await haltAfter(0, -1.5, 3.4e38, -3.4e38, 1e-38)).toBe(0);
  for (const broken of [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY]) {
    expect(await haltAfter(1, broken), `loss ${broken}`).toBe(1);
    expect(await haltAfter(1, broken, 1), `after ${broken}`).toBe(1);
  }
});

test('a recorded training step logs step by step and freezes the weights at the first loss that is not finite', async () => {
  const capacity = 6;
  const log = tensor(new Float32Array(2 * capacity));
  const halt = u32(0);
  let next = 0;
  const parameter = tensor([0.5, -0.5]);
  const [m, v] = [tensor([0, 0]), tensor([0, 0])];
  const step = record((logits: Tensor, gradient: Tensor) => {
    const labels = tensor(Int32Array.of(0, 1, 1));
    const index = hostTensor([1], 'u32', () => Uint32Array.of(next++));
    stepMetrics({ loss: softmaxCrossEntropy(logits, labels), logits, labels, log, halt, index });
    adamUpdate(
      { parameter, gradient, m, v },
      tensor(adamRates(1, { learningRate: 0.1, beta1: 0.9, beta2: 0.999 })),
      { beta2: 0.999, epsilon: 1e-7 },
      halt,
    );
  });
  const good = tensor([
    [1, 0],
    [0, 1],
    [1, 0],
  ]);
  const bad = tensor([
    [1, 0],
    [0, Number.NaN],
    [1, 0],
  ]);
  const gradient = tensor([1, -1]);
  const states: Uint32Array[][] = [];
  for (const logits of [good, good, bad, good]) {
    await step(logits, gradient);
    states.push(await allBits([parameter, m, v]));
  }
  expect(states[1][0], 'the second step changes the weights').not.toEqual(states[0][0]);
  expectSameBits(states[2], states[1], 'the failing step');
  expectSameBits(states[3], states[1], 'the step after it');
  const values = [...(await log.data())];
  expect(values.slice(0, 4)).toEqual([values[0], 2, values[0], 2]);
  // Two rows right, one wrong, each by 1.
  expect(values[0]).toBeCloseTo((2 * Math.log1p(Math.exp(-1)) + Math.log1p(Math.E)) / 3, 6);
  expect(values[4]).toBeNaN();
  expect(values.slice(6, 8)).toEqual([values[0], 2]);
  expect(values.slice(8)).toEqual([0, 0, 0, 0]);
  step.dispose();
});

test('wrong tensors are named', () => {
  const right = {
    loss: tensor(1),
    logits: tensor([[1, 2]]),
    labels: u32(1),
    log: tensor([0, 0]),
    halt: u32(0),
    index: u32(0),
  };
  const notedWith = (wrong: Partial<typeof right>) => () => stepMetrics({ ...right, ...wrong });
  expect(notedWith({ loss: tensor([1, 2]) })).toThrow(
    /stepMetrics: expected a loss of one element, got \[2\]/,
  );
  expect(notedWith({ logits: tensor([1, 2]) })).toThrow(/expected logits \[N, K\], got \[2\]/);
  expect(notedWith({ labels: u32(1, 2) })).toThrow(
    /expected labels i32 or u32 of shape \[1\], got u32 \[2\]/,
  );
  expect(notedWith({ log: tensor([1, 2, 3]) })).toThrow(/expected a log \[2 \* capacity\], got \[3\]/);
  expect(notedWith({ halt: tensor([0]) })).toThrow(/expected halt u32 of shape \[1\], got f32 \[1\]/);
  expect(notedWith({ index: tensor(Int32Array.of(0)) })).toThrow(
    /expected index u32 of shape \[1\], got i32 \[1\]/,
  );
});
