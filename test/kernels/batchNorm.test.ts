import { expect, test } from 'vitest';
import { batchNormInference, batchNormTraining } from '../../src/kernels/batchNorm.ts';
import { mul } from '../../src/kernels/binary.ts';
import { dropout } from '../../src/kernels/dropout.ts';
import { sum } from '../../src/kernels/reduce.ts';
import { gradients } from '../../src/tensor/autograd.ts';
import { RandomStream } from '../../src/tensor/random.ts';
import { scope } from '../../src/tensor/scope.ts';
import { type Tensor, tensor } from '../../src/tensor/tensor.ts';
import { type Array64, createRandom, make, type Random } from '../reference/array64.ts';
import {
  type BatchNormAttrs,
  batchStatistics,
  batchNormInference as inferenceReference,
  type Statistics,
  batchNorm as trainingReference,
  updateMovingStatistics,
} from '../reference/batchNorm.ts';
import { allBits, expectSameBits } from '../support/bits.ts';
import { checkOp, compare } from '../support/checkOp.ts';
import { testGpu } from '../support/gpu.ts';
import { BINDING_ELEMENTS, repeated, rounded, sampled } from '../support/large.ts';
import { again, seed } from '../support/seed.ts';
import { expectSplitLikeWhole } from '../support/smallBindings.ts';

const gpu = await testGpu();

const upload = ({ data, shape }: Array64): Tensor => tensor(Float32Array.from(data), shape);
const freshMoving = (C: number) => ({
  mean: tensor(new Float32Array(C)),
  variance: tensor(new Float32Array(C).fill(1)),
});

const training = ([x, gamma, beta]: Tensor[], { epsilon }: BatchNormAttrs): Tensor =>
  batchNormTraining(x, gamma, beta, freshMoving(gamma.size), { momentum: 0.9, epsilon });
const inference = ([x, gamma, beta, mean, variance]: Tensor[], { epsilon }: BatchNormAttrs): Tensor =>
  batchNormInference(x, gamma, beta, mean, variance, { epsilon });

/** x, gamma and beta, and mean and variance. */
function inputsOf(random: Random, shape: readonly number[]): Array64[] {
  const C = [shape[shape.length - 1]];
  return [
    random.uniform(shape),
    random.uniform(C, 0.5, 1.5),
    random.uniform(C),
    random.uniform(C),
    random.uniform(C, 0.5, 2),
  ];
}

async function checkBoth(
  random: Random,
  shape: readonly number[],
  epsilon: number,
  label: string,
): Promise<void> {
  const inputs = inputsOf(random, shape);
  const common = { attrs: { epsilon }, cotangent: (like: readonly number[]) => random.uniform(like) };
  await checkOp({
    ...common,
    reference: trainingReference,
    op: training,
    inputs: inputs.slice(0, 3),
    label: `training ${label}`,
  });
  await checkOp({
    ...common,
    reference: inferenceReference,
    op: inference,
    inputs,
    label: `inference ${label}`,
  });
}

// With few rows or one channel, a sum may come out near 0 by chance, and the tolerance with it: those shapes
// have fixed data.
test('random shapes match the reference, forward and every gradient', async () => {
  const random = createRandom(seed);
  for (let i = 0; i < 8; i++) {
    const rank = 2 + (i % 4);
    const inner = Array.from({ length: rank - 2 }, () => 1 + random.integers(1, 6)[0]);
    const shape = [8 + random.integers(1, 30)[0], ...inner, 4 + random.integers(1, 90)[0]];
    const epsilon = [1e-3, 1e-5][i % 2];
    await checkBoth(random, shape, epsilon, `x [${shape}], epsilon ${epsilon}, ${again}`);
  }
});

test.each([{ shape: [37, 1] }, { shape: [9, 5, 1, 2] }, { shape: [700, 3] }, { shape: [2, 64] }])(
  'x $shape matches the reference',
  async ({ shape }) => {
    await checkBoth(createRandom(5), shape, 1e-3, `x [${shape}]`);
  },
);

test('more rows than one invocation takes match the reference', async () => {
  // 32 rows a block, one more 32 for every 32,768 rows.
  await checkBoth(createRandom(6), [66_001, 3], 1e-3, 'x [66001, 3]');
});

test('one row has variance 0: the output is beta, its gradient 0', async () => {
  const random = createRandom(7);
  const [x, gamma, beta] = inputsOf(random, [1, 1, 1, 5]).map(upload);
  for (const t of [x, gamma, beta]) t.requiresGrad = true;
  const moving = freshMoving(5);
  const y = batchNormTraining(x, gamma, beta, moving, { momentum: 0.75, epsilon: 1e-3 });
  const dy = upload(random.uniform([1, 1, 1, 5]));
  const [dx, dgamma, dbeta] = gradients(sum(mul(y, dy)), [x, gamma, beta]);
  expect(await y.data()).toEqual(await beta.data());
  expect([...(await dx.data())].map(Math.abs)).toEqual([0, 0, 0, 0, 0]);
  expect([...(await dgamma.data())].map(Math.abs)).toEqual([0, 0, 0, 0, 0]);
  expect(await dbeta.data()).toEqual(await dy.data());
  compare(
    await moving.mean.data(),
    make(
      [5],
      (await x.data()).map((v) => 0.25 * v),
    ),
    1,
    'moving mean',
  );
  expect([...(await moving.variance.data())]).toEqual([0.75, 0.75, 0.75, 0.75, 0.75]);
});

test('moving statistics follow the reference over several steps: unbiased variance for images, biased for other ranks', async () => {
  const random = createRandom(seed);
  for (const shape of [
    [3, 2, 3, 7],
    [6, 7],
    [2, 3, 7],
  ]) {
    const [gamma, beta] = [random.uniform([7]), random.uniform([7])].map(upload);
    const moving = freshMoving(7);
    let expected: Statistics = {
      mean: make([7], new Array(7).fill(0)),
      variance: make([7], new Array(7).fill(1)),
    };
    for (let step = 0; step < 5; step++) {
      const x = rounded(random.uniform(shape));
      batchNormTraining(upload(x), gamma, beta, moving, { momentum: 0.7, epsilon: 1e-3 });
      expected = updateMovingStatistics(expected, x, 0.7);
    }
    compare(await moving.mean.data(), expected.mean, 18, `moving mean, x [${shape}], ${again}`);
    compare(await moving.variance.data(), expected.variance, 18, `moving variance, x [${shape}], ${again}`);
  }
});

test('statistics are exact over 400,000 rows far from 0', async () => {
  const C = 2;
  const M = 512 * 28 * 28;
  const x = createRandom(8).uniform([M, C], -1, 1);
  // Mean 100, deviation 0.6: the difference of the mean square and the square of the mean would be off by
  // several per cent.
  x.data = Float64Array.from(x.data, (value, i) => Math.fround(value + (i % C === 0 ? 100 : -100)));
  const moving = freshMoving(C);
  batchNormTraining(upload(x), tensor([1, 1]), tensor([0, 0]), moving, { momentum: 0, epsilon: 1e-3 });
  const { mean, variance } = batchStatistics(x);
  // A factor of 1 and no growth with the rows: one or two roundings.
  compare(await moving.mean.data(), mean, 8, 'mean', 1);
  compare(await moving.variance.data(), variance, 8, 'variance', 4);
});

test('moments that the writer of x gathered take the place of a pass, and end with x', async () => {
  const random = createRandom(seed);
  for (const shape of [
    [9, 7, 5, 12],
    [1, 4],
    [2000, 8],
  ]) {
    const [given, gamma, beta] = inputsOf(random, shape);
    const dy = random.uniform(shape);
    const run = (moments: boolean) =>
      scope(() => {
        const [x, scale, shift] = [given, gamma, beta].map(upload);
        for (const t of [x, scale, shift]) t.requiresGrad = true;
        const draw = new RandomStream(seed, 'moments').drawTensor();
        const before = gpu.counters.dispatches;
        const dropped = dropout(x, 0.2, draw, { moments });
        const moving = freshMoving(gamma.data.length);
        const y = batchNormTraining(dropped, scale, shift, moving, { momentum: 0.5, epsilon: 1e-3 });
        const dispatches = gpu.counters.dispatches - before;
        const found = gradients(sum(mul(y, upload(dy))), [x, scale, shift]);
        return { dispatches, results: [dropped, y, moving.mean, moving.variance, ...found] };
      });
    const live = gpu.pool.liveBytes;
    const [fused, unfused, again_] = [run(true), run(false), run(true)];
    expect(fused.dispatches, 'dispatches').toBe(unfused.dispatches - 1);
    expectSameBits(await allBits(fused.results), await allBits(again_.results), `two runs, ${again}`);
    const M = given.data.length / gamma.data.length;
    for (const [i, result] of fused.results.entries()) {
      const expected = make(unfused.results[i].shape, await unfused.results[i].data());
      compare(await result.data(), expected, M, `result ${i} of x [${shape}], ${again}`, 8, 1);
    }
    for (const t of [...fused.results, ...unfused.results, ...again_.results]) t.dispose();
    expect(gpu.pool.liveBytes, 'live bytes').toBe(live);
  }
});

test('split launches give the bits of whole ones', async () => {
  const random = createRandom(seed);
  for (const shape of [
    [40, 29, 11, 5],
    [2000, 32],
  ]) {
    const inputs = inputsOf(random, shape);
    const dy = random.uniform(shape);
    const run = () => {
      const [x, gamma, beta, mean, variance] = inputs.map(upload);
      for (const t of [x, gamma, beta]) t.requiresGrad = true;
      const y = batchNormTraining(x, gamma, beta, { mean, variance }, { momentum: 0.9, epsilon: 1e-3 });
      const z = batchNormInference(x, gamma, beta, mean, variance, { epsilon: 1e-3 });
      const parts = [y, z].flatMap((output) => output.node!.run(upload(dy)).slice(0, 3) as Tensor[]);
      return [y, z, mean, variance, ...parts];
    };
    await expectSplitLikeWhole(gpu, 49152, run, `x [${shape}], ${again}`);
  }
});

test('a batch past 128 MiB', async () => {
  const random = createRandom(10);
  const [, ...perChannel] = inputsOf(random, [1, 2]);
  const inputs = [random.uniform([4, 200, 300, 2], 0, 2), ...perChannel.slice(0, 2)].map(rounded);
  const dy = rounded(random.uniform(inputs[0].shape));
  const times = 71;
  expect(inputs[0].data.length * times).toBeGreaterThan(BINDING_ELEMENTS);
  const [dx, dgamma, dbeta] = trainingReference.backward(inputs, { epsilon: 1e-3 }, dy) as Array64[];
  const { mean, variance } = batchStatistics(inputs[0]);

  const given = [repeated(inputs[0], times), upload(inputs[1]), upload(inputs[2])];
  for (const t of given) t.requiresGrad = true;
  const moving = freshMoving(2);
  const y = batchNormTraining(given[0], given[1], given[2], moving, { momentum: 0, epsilon: 1e-3 });
  const gradient = repeated(dy, times);
  const [dxAll, dgammaAll, dbetaAll] = y.node!.run(gradient) as Tensor[];

  const M = given[0].size / 2;
  compare(await moving.mean.data(), mean, 16, 'mean');
  compare(await moving.variance.data(), variance, 16, 'variance');
  const timesAll = ({ shape, data }: Array64) =>
    make(
      shape,
      data.map((value) => value * times),
    );
  compare(await dgammaAll.data(), timesAll(dgamma), M, 'dgamma');
  compare(await dbetaAll.data(), timesAll(dbeta), M, 'dbeta');
  // Single values are sums of a few terms: means over millions of rows are as good as exact.
  const forward = await sampled(y, trainingReference.forward(inputs, { epsilon: 1e-3 }));
  compare(forward.actual, forward.expected, 16, 'y');
  const backward = await sampled(dxAll, dx);
  compare(backward.actual, backward.expected, 16, 'dx');
  for (const t of [...given, y, gradient, dxAll]) t.dispose();
});

test('two runs give the same bits', async () => {
  const random = createRandom(seed);
  const inputs = inputsOf(random, [70, 9, 5, 12]);
  const dy = random.uniform([70, 9, 5, 12]);
  const run = async () => {
    const given = inputs.slice(0, 3).map(upload);
    for (const t of given) t.requiresGrad = true;
    const moving = freshMoving(12);
    const y = batchNormTraining(given[0], given[1], given[2], moving, { momentum: 0.9, epsilon: 1e-3 });
    return allBits([y, ...gradients(sum(mul(y, upload(dy))), given), moving.mean, moving.variance]);
  };
  expectSameBits(await run(), await run(), again);
});

test('only the gradients that were asked for are computed', async () => {
  const random = createRandom(9);
  const [x, gamma, beta] = inputsOf(random, [20, 4]).map(upload);
  beta.requiresGrad = true;
  const y = batchNormTraining(x, gamma, beta, freshMoving(4), { momentum: 0.9, epsilon: 1e-3 });
  const [dbeta] = gradients(sum(y), [beta]);
  expect([...(await dbeta.data())]).toEqual([20, 20, 20, 20]);
});

test('wrong shapes and options are named', () => {
  const x = tensor(new Float32Array(12), [3, 4]);
  const four = () => tensor([1, 2, 3, 4]);
  const options = { momentum: 0.9, epsilon: 1e-3 };
  expect(() => batchNormTraining(tensor([1, 2]), four(), four(), freshMoving(4), options)).toThrow(
    /batchNormTraining: expected x with a batch axis/,
  );
  expect(() => batchNormTraining(x, tensor([1, 2, 3]), four(), freshMoving(4), options)).toThrow(
    /expected gamma \[4\] for x \[3, 4\], got \[3\]/,
  );
  expect(() => batchNormTraining(x, four(), four(), freshMoving(5), options)).toThrow(/expected mean \[4\]/);
  expect(() => batchNormTraining(x, four(), four(), freshMoving(4), { ...options, momentum: 99 })).toThrow(
    /momentum from 0 to 1, got 99/,
  );
  expect(() => batchNormInference(x, four(), four(), four(), tensor([[1, 2, 3, 4]]), options)).toThrow(
    /batchNormInference: expected variance \[4\]/,
  );
  expect(() => batchNormInference(x, four(), four(), four(), four(), { epsilon: -1 })).toThrow(
    /epsilon of at least 0, got -1/,
  );
  expect(() =>
    batchNormInference(tensor(new Int32Array(4), [1, 4]), four(), four(), four(), four(), options),
  ).toThrow(/expected x f32, got i32/);
});
