import { expect, test } from 'vitest';
import { segmentSize, type Update } from '../../src/kernels/shared/updates.ts';
import {
  averageWeights,
  keepWeights,
  perturbWeights,
  restoreWeights,
  swapWeights,
} from '../../src/kernels/weightCopies.ts';
import { type Tensor, tensor } from '../../src/tensor/tensor.ts';
import { type Array64, createRandom, make } from '../reference/array64.ts';
import { allBits, expectSameBits } from '../support/bits.ts';
import { compare } from '../support/checkOp.ts';
import { testGpu } from '../support/gpu.ts';
import { rounded } from '../support/large.ts';
import { again, seed } from '../support/seed.ts';

const gpu = await testGpu();

const upload = ({ data, shape }: Array64): Tensor => tensor(Float32Array.from(data), shape);
/** An average's updates. */
const STEPS = 5;
const SIZES = [1, 7, 64, 65, 1000, 3, 129, 5, 2, 17, 300];

/** More parameters than a dispatch takes, with gradients, and segments of one tensor for state of a kind. */
function setUp(kind: 'kept' | 'average') {
  const random = createRandom(seed);
  const state = { [kind]: upload(random.uniform([SIZES.reduce((sum, size) => sum + segmentSize(size), 0)])) };
  let offset = 0;
  const weights = SIZES.map((size) => rounded(random.uniform([size])));
  const gradients = SIZES.map((size) => rounded(random.uniform([size])));
  const updates: Update[] = SIZES.map((size, i) => {
    const update = { parameter: upload(weights[i]), gradient: upload(gradients[i]), state, offset };
    offset += segmentSize(size);
    return update;
  });
  const parameters = updates.map(({ parameter }) => parameter);
  const stateOf = async (i: number) => {
    const all = await state[kind].data();
    return all.slice(updates[i].offset, updates[i].offset + SIZES[i]);
  };
  return { weights, gradients, updates, parameters, stateOf };
}

test('weights are moved along their gradients and come back bit by bit', async () => {
  const { weights, gradients, updates, parameters } = setUp('kept');
  const before = await allBits(parameters);
  perturbWeights(updates, tensor([0.37]));
  for (const [i, parameter] of parameters.entries()) {
    const { shape, data } = weights[i];
    const moved = make(
      shape,
      data.map((value, e) => value + Math.fround(0.37) * gradients[i].data[e]),
    );
    // The round-off is that of the terms, which may cancel.
    const terms = Math.max(...data.map(Math.abs), ...gradients[i].data.map((g) => 0.37 * Math.abs(g)));
    compare(await parameter.data(), moved, 2, `parameter ${i}, ${again}`, 8, terms);
  }
  // Not even what is no number stays.
  perturbWeights(updates.slice(0, 1), tensor([0]));
  restoreWeights(updates.slice(1));
  expectSameBits((await allBits(parameters)).slice(1), before.slice(1), again);
  const { updates: broken, parameters: alsoBroken } = setUp('kept');
  perturbWeights(broken, tensor([Number.NaN]));
  restoreWeights(broken);
  expectSameBits(await allBits(alsoBroken), before, again);
});

test('eleven weights without gradients take two dispatches, and come back only where the halt says so', async () => {
  const { updates, parameters } = setUp('kept');
  const before = await allBits(parameters);
  const dispatches = gpu.counters.dispatches;
  keepWeights(updates);
  expect(gpu.counters.dispatches - dispatches).toBe(2);
  const change = () => {
    for (const { parameter, gradient } of updates)
      gpu.copy(gradient!.storage.buffer, parameter.storage.buffer, 4 * parameter.size);
  };
  change();
  const changed = await allBits(parameters);
  restoreWeights(updates, tensor(Uint32Array.of(0)));
  expectSameBits(await allBits(parameters), changed, again);
  restoreWeights(updates, tensor(Uint32Array.of(7)));
  expectSameBits(await allBits(parameters), before, again);
});

test('an average follows its formula, halts, and changes places with the weights bit by bit', async () => {
  const { weights, updates, parameters, stateOf } = setUp('average');
  const decay = 0.9;
  averageWeights(updates, tensor([0, 1]));
  const expected = weights.map(({ shape, data }) => make(shape, [...data]));
  for (let step = 1; step <= STEPS; step++) {
    for (const [i, parameter] of parameters.entries()) {
      const next = rounded(createRandom(seed + step).uniform([SIZES[i]]));
      gpu.write(parameter.storage.buffer, Float32Array.from(next.data));
      expected[i].data.forEach((value, e) => {
        expected[i].data[e] = decay * value + (1 - decay) * next.data[e];
      });
    }
    averageWeights(updates, tensor([decay, 1 - decay]));
    averageWeights(updates, tensor([0, 0]), tensor(Uint32Array.of(1)));
  }
  for (const [i] of SIZES.entries())
    compare(await stateOf(i), expected[i], STEPS, `average ${i}, ${again}`, 8, 0.5);
  const [before, averages] = [await allBits(parameters), await Promise.all(SIZES.map((_, i) => stateOf(i)))];
  swapWeights(updates);
  expect(await Promise.all(parameters.map((parameter) => parameter.data()))).toEqual(averages);
  swapWeights(updates);
  expectSameBits(await allBits(parameters), before, again);
  expect(await Promise.all(SIZES.map((_, i) => stateOf(i)))).toEqual(averages);
});
