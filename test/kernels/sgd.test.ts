import { expect, test } from 'vitest';
import { type SgdTensors, sgdUpdate, sgdUpdates } from '../../src/kernels/sgd.ts';
import { segmentSize } from '../../src/kernels/shared/updates.ts';
import { type Tensor, tensor } from '../../src/tensor/tensor.ts';
import { type Array64, createRandom, zeros } from '../reference/array64.ts';
import { sgd as reference, type SgdState } from '../reference/sgd.ts';
import { allBits, expectSameBits } from '../support/bits.ts';
import { compare } from '../support/checkOp.ts';
import { testGpu } from '../support/gpu.ts';
import { rounded } from '../support/large.ts';
import { again, seed } from '../support/seed.ts';
import { expectSplitLikeWhole } from '../support/smallBindings.ts';

const gpu = await testGpu();

const STEPS = 40;
/** Learning rate and momentum. */
const RATES = tensor([0.1, 0.9]);

const upload = ({ data, shape }: Array64): Tensor => tensor(Float32Array.from(data), shape);

test.each([
  { momentum: 0, nesterov: false },
  { momentum: 0.9, nesterov: false },
  { momentum: 0.9, nesterov: true },
  { form: 'pytorch', momentum: 0.9, nesterov: false },
  { form: 'pytorch', momentum: 0.9, nesterov: true, weightDecay: 0.05 },
  { momentum: 0.9, nesterov: true, weightDecay: 0.05 },
] as const)('many steps match the reference: %j', async (options) => {
  const random = createRandom(seed);
  for (const shape of [[1], [5, 3, 7], [1000]]) {
    let expected: SgdState = { w: zeros(shape), v: zeros(shape) };
    const [parameter, velocity, alone] = [expected.w, expected.v, expected.w].map(upload);
    for (let step = 0; step < STEPS; step++) {
      const g = rounded(random.uniform(shape));
      const learningRate = Math.fround(0.1 / (1 + (step % 8)));
      expected = reference(expected, g, { ...options, learningRate });
      sgdUpdate(
        { parameter, gradient: upload(g), velocity },
        tensor([learningRate, options.momentum]),
        options,
      );
      if (options.momentum === 0)
        sgdUpdate(
          { parameter: alone, gradient: upload(g) },
          tensor([learningRate, options.momentum]),
          options,
        );
    }
    const label = `[${shape}], ${again}`;
    // Gradients of size 1 are summed; with one weight, they may have cancelled.
    compare(await parameter.data(), expected.w, STEPS, `${label}: weights`, 8, 0.1);
    compare(await velocity.data(), expected.v, STEPS, `${label}: velocity`, 8, 0.1);
    if (options.momentum === 0)
      compare(await alone.data(), expected.w, STEPS, `${label}: weights without a velocity`, 8, 0.1);
  }
});

function someState(size: number): Required<SgdTensors> {
  const random = createRandom(seed);
  const [parameter, gradient, velocity] = Array.from({ length: 3 }, () => upload(random.uniform([size])));
  return { parameter, gradient, velocity };
}

test('a raised halt freezes weights and velocity, bit by bit', async () => {
  const frozen = someState(777);
  const before = await allBits(Object.values(frozen));
  const halt = tensor(Uint32Array.of(1));
  sgdUpdate(frozen, RATES, {}, halt);
  sgdUpdate({ parameter: frozen.parameter, gradient: frozen.gradient }, tensor([Number.NaN, 0]), {}, halt);
  expectSameBits(await allBits(Object.values(frozen)), before, again);
});

test('a halt of 0 changes nothing in the step', async () => {
  const [free, halted] = [someState(777), someState(777)];
  sgdUpdate(free, RATES, { nesterov: true });
  sgdUpdate(halted, RATES, { nesterov: true }, tensor(Uint32Array.of(0)));
  expectSameBits(await allBits(Object.values(halted)), await allBits(Object.values(free)), again);
  expect((await allBits([free.parameter]))[0]).not.toEqual((await allBits([someState(777).parameter]))[0]);
});

test.each([false, true])(
  'many parameters take few dispatches, and the bits of one by one: with momentum %s',
  async (moving) => {
    const sizes = [3, 64, 700, 1, 130];
    const make = () => {
      const velocity = moving ? someState(64 * 18).velocity : undefined;
      let next = 0;
      return sizes.map((size) => {
        const { parameter, gradient } = someState(size);
        const offset = next;
        next += segmentSize(size);
        return { parameter, gradient, offset, state: velocity && { velocity } };
      });
    };
    const [together, alone] = [make(), make()];
    const before = gpu.counters.dispatches;
    sgdUpdates(together, RATES, {});
    expect(gpu.counters.dispatches - before).toBe(2);
    for (const update of alone) sgdUpdates([update], RATES, {});
    const parametersOf = (updates: typeof together) => allBits(updates.map(({ parameter }) => parameter));
    expectSameBits(await parametersOf(together), await parametersOf(alone), again);
    if (!moving) return;
    const velocities = await Promise.all(
      [together, alone].map((updates) => updates[0].state!.velocity.data()),
    );
    sizes.forEach((size, i) => {
      const { offset } = together[i];
      expect(velocities[0].slice(offset, offset + size)).toEqual(velocities[1].slice(offset, offset + size));
    });
  },
);

test('split launches give the bits of whole ones', async () => {
  const run = () => {
    const state = someState(5001);
    sgdUpdate(state, RATES, {}, tensor(Uint32Array.of(0)));
    return [state.parameter, state.velocity];
  };
  await expectSplitLikeWhole(gpu, 4096, run, again);
});

test('a missing velocity and tensors of other shapes are named', () => {
  const { parameter, gradient, velocity } = someState(4);
  const rate = RATES;
  expect(() => sgdUpdate({ parameter, gradient }, rate, { nesterov: true })).toThrow(
    /nesterov momentum needs a velocity/,
  );
  expect(() => sgdUpdate({ parameter, gradient: tensor([1]) }, rate)).toThrow(
    /sgdUpdate: expected gradient f32 of shape \[4\], got f32 \[1\]/,
  );
  expect(() => sgdUpdate({ parameter, gradient, velocity: tensor([1]) }, rate)).toThrow(
    /expected velocity f32 of shape \[4\]/,
  );
  expect(() => sgdUpdate({ parameter, gradient, velocity }, tensor([1]))).toThrow(
    /expected rates f32 of shape \[2\], got f32 \[1\]/,
  );
});
