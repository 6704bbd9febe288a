import { expect, test } from 'vitest';
import {
  type AdamRatesOptions,
  type AdamTensors,
  adamRates,
  adamUpdate,
  adamUpdates,
} from '../../src/kernels/adam.ts';
import { segmentSize, type Update } from '../../src/kernels/shared/updates.ts';
import { tensor } from '../../src/tensor/tensor.ts';
import { type AdamState, adam as reference } from '../reference/adam.ts';
import { createRandom, zeros } from '../reference/array64.ts';
import { allBits, expectSameBits } from '../support/bits.ts';
import { compare } from '../support/checkOp.ts';
import { testGpu } from '../support/gpu.ts';
import { rounded } from '../support/large.ts';
import { again, seed } from '../support/seed.ts';
import { expectSplitLikeWhole } from '../support/smallBindings.ts';

const gpu = await testGpu();

const options = { beta1: 0.9, beta2: 0.999, epsilon: 1e-7 };
const STEPS = 40;

const upload = ({ data, shape }: AdamState['w']) => tensor(Float32Array.from(data), shape);

/** What the CPU gives for step t. */
const ratesOf = (learningRate: number, step: number, more: Partial<AdamRatesOptions> = {}) =>
  tensor(adamRates(step, { ...options, learningRate, ...more }));

test.each([
  {},
  { form: 'pytorch', epsilon: 1e-8 },
  { weightDecay: 0.02 },
  { form: 'pytorch', epsilon: 1e-8, decoupledWeightDecay: 0.1 },
] as const)('many steps on random gradients match the reference: %j', async (more) => {
  const random = createRandom(seed);
  for (const { shape, start } of [
    { shape: [1], start: 1 },
    { shape: [7, 13], start: 1 },
    // From 0, so that the tolerance is that of the steps and not of the weights.
    { shape: [3, 3, 5, 4], start: 0 },
    { shape: [1000], start: 0 },
  ]) {
    let expected: AdamState = {
      w: rounded(random.uniform(shape, -start, start)),
      m: zeros(shape),
      v: zeros(shape),
    };
    const [parameter, m, v] = [expected.w, expected.m, expected.v].map(upload);
    for (let step = 1; step <= STEPS; step++) {
      // Gradients of all sizes: the step hardly depends on them, unless epsilon counts.
      const g = rounded({
        shape,
        data: random.uniform(shape).data.map((value, i) => value * 10 ** -(i % 9)),
      });
      expected = reference(expected, g, { ...options, ...more, learningRate: 0.01, step });
      adamUpdate({ parameter, gradient: upload(g), m, v }, ratesOf(0.01, step, more), {
        ...options,
        ...more,
      });
    }
    const label = `[${shape}], ${again}`;
    // A single weight or moment may be small by chance: its round-off is that of the terms, which cancel.
    compare(await parameter.data(), expected.w, STEPS, `${label}: weights`, 8, 0.1 * start);
    compare(await m.data(), expected.m, STEPS, `${label}: first moment`, 8, 1 - options.beta1);
    compare(await v.data(), expected.v, STEPS, `${label}: second moment`);
  }
});

test('epsilon is added to the root of the second moment as it is', async () => {
  // In the first step m = 0.1 g and sqrt(v) = sqrt(0.001) |g|: with g = 1e-6 and epsilon 1e-7 the latter is
  // about three times epsilon.
  const [parameter, gradient, m, v] = [[0], [1e-6], [0], [0]].map((values) => tensor(values));
  adamUpdate({ parameter, gradient, m, v }, tensor([1, 1, 1, options.beta1, 1 - options.beta1]), options);
  compare(
    await parameter.data(),
    { shape: [1], data: Float64Array.of(-1e-7 / (Math.sqrt(1e-15) + 1e-7)) },
    4,
    'weight',
  );
});

/** A parameter after some steps, and a gradient for the next. */
function someState(size: number): AdamTensors {
  const random = createRandom(seed);
  const [parameter, gradient, m] = Array.from({ length: 3 }, () => upload(random.uniform([size])));
  return { parameter, gradient, m, v: upload(random.uniform([size], 0, 1)) };
}

test('a raised halt freezes weights and moments, bit by bit', async () => {
  const frozen = someState(1001);
  const before = await allBits(Object.values(frozen));
  for (const raised of [1, 7, 2 ** 31])
    adamUpdate(frozen, ratesOf(0.1, 1), options, tensor(Uint32Array.of(raised)));
  expectSameBits(await allBits(Object.values(frozen)), before, again);
  // The step would have been NaN: nothing of it gets in.
  adamUpdate(
    { ...frozen, gradient: tensor(new Float32Array(1001).fill(Number.NaN)) },
    ratesOf(Number.NaN, 1),
    options,
    tensor(Uint32Array.of(1)),
  );
  expectSameBits(await allBits(Object.values(frozen)), before, again);
});

test('a halt of 0 changes nothing in the step', async () => {
  const [free, halted] = [someState(1001), someState(1001)];
  adamUpdate(free, ratesOf(0.1, 1), options);
  adamUpdate(halted, ratesOf(0.1, 1), options, tensor(Uint32Array.of(0)));
  expectSameBits(await allBits(Object.values(halted)), await allBits(Object.values(free)), again);
  expect((await allBits([free.parameter]))[0]).not.toEqual((await allBits([someState(1001).parameter]))[0]);
});

/** Parameters of these sizes with their gradients, and their moments in segments of two tensors. */
function manyStates(sizes: readonly number[]): Update[] {
  const random = createRandom(seed);
  const offsets = sizes.map((_, i) => sizes.slice(0, i).reduce((sum, size) => sum + segmentSize(size), 0));
  const total = sizes.reduce((sum, size) => sum + segmentSize(size), 0);
  const state = { m: upload(random.uniform([total])), v: upload(random.uniform([total], 0, 1)) };
  return sizes.map((size, i) => {
    const [parameter, gradient] = [0, 1].map(() => upload(random.uniform([size])));
    return { parameter, gradient, state, offset: offsets[i] };
  });
}

const SIZES = [1, 7, 64, 65, 1000, 5001, 3, 128, 512, 2];

test('many parameters take a third of the dispatches, and the bits of one by one', async () => {
  const halt = tensor(Uint32Array.of(0));
  const [together, alone] = [manyStates(SIZES), manyStates(SIZES)];
  // Parameters and what belongs to them; what lies between segments is nobody's.
  const bits = async (updates: Update[]) => {
    const [m, v, ...parameters] = await allBits([
      updates[0].state!.m,
      updates[0].state!.v,
      ...updates.map(({ parameter }) => parameter),
    ]);
    const ofEach = updates.flatMap(({ parameter, offset }) =>
      [m, v].map((all) => all.slice(offset, offset + parameter.size)),
    );
    return [...parameters, ...ofEach];
  };
  const before = gpu.counters.dispatches;
  adamUpdates(together, ratesOf(0.1, 1), options, { halt });
  // The look at what the step makes binds the halt, too, and takes two at a time.
  expect(gpu.counters.dispatches - before).toBe(Math.ceil(SIZES.length / 2) + Math.ceil(SIZES.length / 3));
  for (const update of alone) adamUpdates([update], ratesOf(0.1, 1), options, { halt });
  expectSameBits(await bits(together), await bits(alone), again);

  const frozen = await bits(together);
  adamUpdates(together, ratesOf(0.1, 1), options, { halt: tensor(Uint32Array.of(1)) });
  expectSameBits(await bits(together), frozen, again);
});

test('of many parameters, those too large for one binding are split, the others not', async () => {
  const run = () => {
    const updates = manyStates(SIZES);
    adamUpdates(updates, ratesOf(0.1, 1), options);
    return updates.map(({ parameter }) => parameter);
  };
  await expectSplitLikeWhole(gpu, 4096, run, again);
});

test('split launches give the bits of whole ones', async () => {
  const run = () => {
    const state = someState(5001);
    adamUpdate(state, ratesOf(0.1, 1), options, tensor(Uint32Array.of(0)));
    return [state.parameter, state.m, state.v];
  };
  await expectSplitLikeWhole(gpu, 4096, run, again);
});

test('tensors of other shapes and dtypes are named', () => {
  const state = someState(4);
  const rate = ratesOf(0.1, 1);
  expect(() => adamUpdate({ ...state, gradient: tensor([1]) }, rate, options)).toThrow(
    /adamUpdate: expected gradient f32 of shape \[4\], got f32 \[1\]/,
  );
  expect(() => adamUpdate({ ...state, v: tensor(new Uint32Array(4)) }, rate, options)).toThrow(
    /expected v f32 of shape \[4\], got u32 \[4\]/,
  );
  expect(() => adamUpdate(state, tensor(0.1), options)).toThrow(
    /expected rates f32 of shape \[5\], got f32 \[\]/,
  );
  expect(() => adamUpdate(state, rate, options, tensor([0]))).toThrow(
    /expected halt u32 of shape \[1\], got f32 \[1\]/,
  );
});
