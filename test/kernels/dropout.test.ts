import { expect, test } from 'vitest';
import { dropout } from '../../src/kernels/dropout.ts';
import { RandomStream } from '../../src/tensor/random.ts';
import { record } from '../../src/tensor/record.ts';
import { type Tensor, tensor } from '../../src/tensor/tensor.ts';
import { createRandom, make } from '../reference/array64.ts';
import { dropoutMask, dropout as reference } from '../reference/dropout.ts';
import { philox4x32, type Words4 } from '../reference/philox.ts';
import type { Reference } from '../reference/reference.ts';
import { allBits, expectSameBits } from '../support/bits.ts';
import { checkOp, compare } from '../support/checkOp.ts';
import { testGpu } from '../support/gpu.ts';
import { BINDING_ELEMENTS, repeated, rounded, windowsOf } from '../support/large.ts';
import { again, seed } from '../support/seed.ts';
import { expectSplitLikeWhole } from '../support/smallBindings.ts';

const gpu = await testGpu();

/** The draw after `skip` others: once for the GPU, once in numbers. */
function drawOf(skip: number): { draw: Tensor; words: (count: number) => Uint32Array } {
  const streamAt = () => Object.assign(new RandomStream(seed, 'dropout'), { position: skip });
  return { draw: streamAt().drawTensor(), words: (count) => streamAt().words(count) };
}

/** The reference with its mask fixed: the seed and the draw say it. */
const withMask = (rate: number, mask: Uint8Array): Reference<{ rate: number }> => ({
  forward: (inputs) => reference.forward(inputs, { rate, mask }),
  backward: (inputs, _attrs, dy) => reference.backward(inputs, { rate, mask }, dy),
  sumLength: () => 1,
});

test('random shapes and rates match the reference with the same words on the CPU, forward and gradient', async () => {
  const random = createRandom(seed);
  const shapes = [[1], [3], [2, 5, 1, 3], [7, 33], [4, 9, 9, 8], [70_001]];
  for (const [i, shape] of shapes.entries()) {
    const rate = i === 2 ? 0 : random.uniform([1], 0, 1).data[0];
    const { draw, words } = drawOf(i);
    const x = random.awayFromZero(shape);
    const mask = dropoutMask(words(x.data.length), rate);
    await checkOp({
      reference: withMask(rate, mask),
      op: ([given]) => dropout(given, rate, draw),
      inputs: [x],
      attrs: { rate },
      cotangent: random.awayFromZero,
      label: again,
    });
    const zeros = [...(await dropout(tensor(Float32Array.from(x.data)), rate, draw).data())].map((value) =>
      value === 0 ? 0 : 1,
    );
    expect(Uint8Array.from(zeros), `mask of rate ${rate}, ${again}`).toEqual(mask);
  }
});

test('the words are those of Philox-4x32-10, block by block', async () => {
  const { draw } = drawOf(3);
  const [counter, stream, key0, key1] = await draw.data();
  const count = 999;
  const words = Array.from(
    { length: Math.ceil(count / 4) },
    (_, block): Words4 => philox4x32([block, counter, stream, 0], [key0, key1]),
  ).flat();
  const y = await dropout(tensor(new Float32Array(count).fill(1)), 0.5, draw).data();
  expect([...y]).toEqual(words.slice(0, count).map((word) => (word >= 2 ** 31 ? 2 : 0)));
});

test('the share that is dropped is the rate, within binomial bounds', async () => {
  const count = 400_000;
  for (const [i, rate] of [0.01, 0.2, 0.5, 0.9].entries()) {
    const y = await dropout(tensor(new Float32Array(count).fill(1)), rate, drawOf(100 + i).draw).data();
    const dropped = [...y].filter((value) => value === 0).length;
    // Six deviations: chance alone goes beyond once in 500 million runs.
    expect(Math.abs(dropped - rate * count), `rate ${rate}, ${again}`).toBeLessThan(
      6 * Math.sqrt(rate * (1 - rate) * count),
    );
  }
});

test('moments gathered on the way are those of the output, which is the same with and without', async () => {
  const random = createRandom(seed);
  for (const shape of [
    [1, 4],
    [33, 8],
    [5, 9, 7, 12],
    [40_001, 4],
  ]) {
    const C = shape[shape.length - 1];
    // Far from 0, where squares would cancel.
    const x = random.uniform(shape, 50, 51);
    const y = dropout(tensor(Float32Array.from(x.data), shape), 0.3, drawOf(2).draw, { moments: true });
    const plain = dropout(tensor(Float32Array.from(x.data), shape), 0.3, drawOf(2).draw);
    expectSameBits(await allBits([y]), await allBits([plain]), again);
    const partial = y.moments!;
    const [blocks] = partial.shape;
    expect(partial.shape).toEqual([blocks, 3, C]);
    const values = await y.data();
    const found = await partial.data();
    const M = values.length / C;
    const blockRows = Math.ceil(M / blocks / 32) * 32;
    for (const block of new Set([0, blocks >> 1, blocks - 1])) {
      const rows = Math.min(blockRows, M - block * blockRows);
      for (let c = 0; c < C; c++) {
        const own = Array.from({ length: rows }, (_, r) => values[(block * blockRows + r) * C + c]);
        const mean = own.reduce((sum, value) => sum + value, 0) / rows;
        const squares = own.reduce((sum, value) => sum + (value - mean) ** 2, 0);
        const label = `[${shape}], block ${block}, channel ${c}, ${again}`;
        expect(found[3 * block * C + c], label).toBe(rows);
        compare([found[(3 * block + 1) * C + c]], make([1], [mean]), rows, `mean, ${label}`, 8, 70);
        compare(
          [found[(3 * block + 2) * C + c]],
          make([1], [squares]),
          rows,
          `squares, ${label}`,
          8,
          70 * 70,
        );
      }
    }
  }
});

test('moments are left out where channels are no multiple of four', () => {
  const { draw } = drawOf(0);
  for (const shape of [[], [6], [4, 6], [4, 5, 1]]) {
    const x = tensor(new Float32Array(shape.reduce((a, b) => a * b, 1)), shape);
    expect(dropout(x, 0.5, draw, { moments: true }).moments).toBeUndefined();
  }
});

test('a rate just below 1 drops everything and stays finite', async () => {
  const y = await dropout(tensor(new Float32Array(1000).fill(1)), 1 - 2 ** -53, drawOf(0).draw).data();
  expect([...new Set(y)]).toEqual([0]);
});

test('split launches give the bits of whole ones', async () => {
  const x = createRandom(seed).uniform([40_000 - 3]);
  const run = () => {
    const given = tensor(Float32Array.from(x.data));
    given.requiresGrad = true;
    const y = dropout(given, 0.3, drawOf(5).draw);
    return [y, y.node!.run(given)[0] as Tensor];
  };
  await expectSplitLikeWhole(gpu, 16384, run, again);
  const withMoments = () => {
    const given = tensor(Float32Array.from(x.data).subarray(0, 39_900), [3325, 12]);
    const y = dropout(given, 0.3, drawOf(5).draw, { moments: true });
    return [y, y.moments!];
  };
  await expectSplitLikeWhole(gpu, 32768, withMoments, again);
});

test('a batch past 128 MiB', async () => {
  const part = rounded(createRandom(1).awayFromZero([1, 500, 500, 2]));
  const x = repeated(part, 70);
  expect(x.size).toBeGreaterThan(BINDING_ELEMENTS);
  x.requiresGrad = true;
  const { draw } = drawOf(6);
  const [counter, stream, key0, key1] = await draw.data();
  const y = dropout(x, 0.25, draw);
  const [dx] = y.node!.run(x) as Tensor[];
  for (const [name, large] of Object.entries({ y, dx })) {
    for (const { start, values } of await windowsOf(large)) {
      const expected = Array.from(values, (_, i) => {
        const e = start + i;
        const word = philox4x32([Math.floor(e / 4), counter, stream, 0], [key0, key1])[e % 4];
        return word / 2 ** 32 >= 0.25 ? part.data[e % part.data.length] / 0.75 : 0;
      });
      compare(values, make([expected.length], expected), 1, `${name} from ${start}, ${again}`);
    }
  }
  for (const t of [x, y, dx]) t.dispose();
});

test('one draw gives the same bits twice, the next draw others', async () => {
  const run = (skip: number) =>
    allBits([dropout(tensor(new Float32Array(1000).fill(3)), 0.5, drawOf(skip).draw)]);
  const first = await run(8);
  expectSameBits(await run(8), first, again);
  expect((await run(9))[0], again).not.toEqual(first[0]);
});

test('a recorded step draws anew at each replay', async () => {
  const stream = new RandomStream(seed, 'recorded');
  const step = record((x: Tensor) => dropout(x, 0.5, stream.drawTensor()));
  const ones = tensor(new Float32Array(64).fill(1));
  const numbers = new RandomStream(seed, 'recorded');
  for (let i = 0; i < 3; i++) {
    const expected = Array.from(dropoutMask(numbers.words(64), 0.5), (kept) => 2 * kept);
    expect([...(await (await step(ones)).data())], `step ${i}, ${again}`).toEqual(expected);
  }
  step.dispose();
});

test('nothing but the draw is kept for the backward pass', () => {
  const x = tensor(new Float32Array(1 << 16));
  x.requiresGrad = true;
  const { draw } = drawOf(0);
  const before = gpu.pool.liveBytes;
  const y = dropout(x, 0.5, draw);
  expect(gpu.pool.liveBytes - before).toBe(y.size * 4);
  for (const t of [x, y]) t.dispose();
});

test('wrong rates and draws are named', () => {
  const x = tensor([1, 2, 3]);
  const { draw } = drawOf(0);
  for (const rate of [1, -0.1, 1.5, Number.NaN]) {
    expect(() => dropout(x, rate, draw)).toThrow(
      `dropout: expected a rate from 0 (included) to 1 (excluded), got ${rate}`,
    );
  }
  expect(() => dropout(x, 0.5, tensor([1, 2, 3, 4]))).toThrow(
    /expected draw u32 of shape \[4\], got f32 \[4\]/,
  );
  expect(() => dropout(tensor(new Uint32Array(3)), 0.5, draw)).toThrow(/expected x f32, got u32/);
});
