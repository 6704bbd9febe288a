import { expect, test } from 'vitest';
import { type MaxPool2dOptions, maxPool2d } from '../../src/kernels/maxPool2d.ts';
import { type Tensor, tensor } from '../../src/tensor/tensor.ts';
import { type Array64, createRandom, make, zeros } from '../reference/array64.ts';
import { type MaxPool2dAttrs, maxPool2d as reference } from '../reference/maxPool2d.ts';
import { allBits, expectSameBits } from '../support/bits.ts';
import { checkOp, compare } from '../support/checkOp.ts';
import { testGpu } from '../support/gpu.ts';
import { BINDING_ELEMENTS, repeated, rounded, sampled } from '../support/large.ts';
import { again, seed } from '../support/seed.ts';
import { expectSplitLikeWhole } from '../support/smallBindings.ts';
import { drawWindows } from '../support/windows.ts';

const gpu = await testGpu();

const upload = ({ data, shape }: Array64): Tensor => tensor(Float32Array.from(data), shape);
const op = ([x]: Tensor[], attrs: MaxPool2dAttrs): Tensor => maxPool2d(x, attrs);

/** The output of a pool of x and the gradient of x. */
function pool(
  x: Array64,
  dy: (shape: readonly number[]) => Tensor,
  options?: MaxPool2dOptions,
): [Tensor, Tensor] {
  const given = upload(x);
  given.requiresGrad = true;
  const y = maxPool2d(given, options);
  return [y, y.node!.run(dy(y.shape))[0] as Tensor];
}

const check = (
  x: Array64,
  attrs: MaxPool2dAttrs,
  cotangent: (shape: readonly number[]) => Array64,
  label: string,
) => checkOp({ reference, op, inputs: [x], attrs, cotangent, label });

test('random shapes, windows and strides match the reference, forward and gradient', async () => {
  const random = createRandom(seed);
  const upTo = (most: number) => 1 + random.integers(1, most)[0];
  for (let i = 0; i < 12; i++) {
    const attrs = { poolSize: upTo(4), strides: upTo(5) };
    // Channels in whole fours and not: two ways to load them.
    const shape = [
      upTo(4),
      attrs.poolSize - 1 + upTo(9),
      attrs.poolSize - 1 + upTo(9),
      i % 2 ? 4 * upTo(6) : upTo(23),
    ];
    await check(random.distinct(shape), attrs, random.uniform, `${again}, case ${i}`);
  }
});

test.each([
  { shape: [1, 1, 1, 1], poolSize: 1, strides: 1 },
  { shape: [2, 2, 2, 1], poolSize: 2, strides: 2 },
  { shape: [3, 7, 5, 128], poolSize: 2, strides: 2 },
  { shape: [2, 9, 8, 5], poolSize: 3, strides: 1 },
  { shape: [2, 11, 11, 4], poolSize: 3, strides: 5 },
])('x $shape, pool $poolSize, strides $strides', async ({ shape, ...attrs }) => {
  const random = createRandom(1);
  await check(random.distinct(shape), attrs, random.uniform, 'fixed data');
});

test.each([{ C: 3 }, { C: 4 }])('a window of more places than a byte holds, $C channels', async ({ C }) => {
  const random = createRandom(2);
  await check(random.distinct([2, 20, 19, C]), { poolSize: 17, strides: 2 }, random.uniform, 'fixed data');
});

test('of equal values the first takes the gradient', async () => {
  const random = createRandom(seed);
  const ties = (shape: readonly number[]): Array64 => {
    const x = zeros(shape);
    return make(shape, random.integers(x.data.length, 3));
  };
  for (const strides of [1, 2, 3])
    await check(ties([3, 8, 9, 6]), { poolSize: 3, strides }, random.uniform, again);
});

test('height and width may differ', async () => {
  const random = createRandom(seed);
  for (const attrs of [
    { poolSize: [2, 3], strides: [2, 3] },
    { poolSize: [3, 1], strides: [1, 2] },
    { poolSize: [1, 4], strides: [3, 2] },
  ] as const)
    await check(random.distinct([2, 13, 11, 5]), attrs, random.uniform, again);
});

test('random paddings, overlapping windows, ceil mode', async () => {
  const random = createRandom(seed);
  for (let i = 0; i < 14; i++) {
    // The values are negative: zeros for padding would win.
    const x = random.distinct([
      1 + (i % 2),
      5 + random.integers(1, 8)[0],
      5 + random.integers(1, 8)[0],
      i % 3 ? 4 : 3,
    ]);
    for (let at = 0; at < x.data.length; at++) x.data[at] -= 2;
    await check(x, drawWindows(random), random.uniform, `${again}, case ${i}`);
  }
});

test.each<MaxPool2dAttrs & { shape: number[] }>([
  { shape: [2, 14, 13, 8], poolSize: 3, strides: 2, padding: 1 },
  { shape: [2, 7, 8, 8], poolSize: 3, strides: 1, padding: 'same' },
  { shape: [2, 7, 9, 4], poolSize: 2, strides: 2, padding: 'same' },
  { shape: [2, 7, 9, 3], poolSize: 2, strides: 2, ceilMode: true },
  { shape: [1, 8, 6, 4], poolSize: 2, strides: 2, padding: 'same' },
])('x $shape, pool $poolSize, strides $strides, padding $padding', async ({ shape, ...attrs }) => {
  const random = createRandom(5);
  await check(random.distinct(shape), attrs, random.uniform, 'fixed data');
});

test('by default windows are 2x2, side by side', async () => {
  const x = createRandom(3).distinct([2, 6, 4, 3]);
  expect(await maxPool2d(upload(x)).data()).toEqual(
    Float32Array.from(reference.forward([x], { poolSize: 2, strides: 2 }).data),
  );
  expect(maxPool2d(upload(x), { poolSize: 3 }).shape).toEqual([2, 2, 1, 3]);
});

test('split launches give the bits of whole ones', async () => {
  const random = createRandom(seed);
  for (const [C, options] of [
    [3, { poolSize: 3, strides: 2 }],
    [8, { poolSize: 2 }],
  ] as const) {
    const x = random.uniform([130, 9, 7, C]);
    const dy = random.uniform([130, 4, 3, C]);
    await expectSplitLikeWhole(gpu, 65536, () => pool(x, () => upload(dy), options), `C ${C}, ${again}`);
  }
});

test('a batch past 128 MiB', async () => {
  const random = createRandom(4);
  const x = rounded(random.uniform([4, 210, 190, 2]));
  const attrs = { poolSize: 2, strides: 2 };
  const y = reference.forward([x], attrs);
  const dy = rounded(random.uniform(y.shape));
  const times = 110;
  expect(x.data.length * times).toBeGreaterThan(BINDING_ELEMENTS);
  const given = repeated(x, times);
  given.requiresGrad = true;
  const output = maxPool2d(given);
  const gradient = repeated(dy, times);
  const [dx] = output.node!.run(gradient) as Tensor[];
  const forward = await sampled(output, y);
  compare(forward.actual, forward.expected, 1, 'output');
  const [expectedDx] = reference.backward([x], attrs, dy) as Array64[];
  const backward = await sampled(dx, expectedDx);
  compare(backward.actual, backward.expected, 1, 'gradient');
  for (const t of [given, output, gradient, dx]) t.dispose();
});

test('two runs give the same bits', async () => {
  const random = createRandom(seed);
  const x = random.uniform([5, 12, 12, 7]);
  const dy = random.uniform([5, 10, 10, 7]);
  const run = () => allBits(pool(x, () => upload(dy), { poolSize: 3, strides: 1 }));
  expectSameBits(await run(), await run(), again);
});

test('what is kept for the backward pass is a byte an output', () => {
  const { pool: memory } = gpu;
  const x = upload(zeros([8, 32, 32, 64]));
  x.requiresGrad = true;
  const before = memory.liveBytes;
  const y = maxPool2d(x);
  expect(memory.liveBytes - before).toBe(y.size * 4 + y.size);
  for (const t of [x, y]) t.dispose();
});

test('wrong shapes and options are named', () => {
  const x = tensor(new Float32Array(24), [1, 4, 3, 2]);
  expect(() => maxPool2d(tensor([1, 2, 3]))).toThrow(/maxPool2d: expected x \[N, H, W, C\], got \[3\]/);
  expect(() => maxPool2d(x, { poolSize: [2, 4] })).toThrow(
    /an image of at least 2x4, the size of the pool, got \[1, 4, 3, 2\]/,
  );
  expect(() => maxPool2d(x, { poolSize: 0 })).toThrow(/pool size of a positive whole number, or two, got 0/);
  expect(() => maxPool2d(x, { strides: [1, 1.5] })).toThrow(
    /strides of a positive whole number, or two, got \[1, 1.5\]/,
  );
  expect(() => maxPool2d(x, { padding: 2 })).toThrow(/padding below the pool size 2x2, got 2/);
  expect(() => maxPool2d(tensor(new Int32Array(4), [1, 2, 2, 1]))).toThrow(/expected x f32, got i32/);
});
