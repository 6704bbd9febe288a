import { expect, test } from 'vitest';
import { avgPool2d } from '../../src/kernels/avgPool2d.ts';
import { globalAvgPool2d } from '../../src/kernels/globalAvgPool2d.ts';
import { type Tensor, tensor } from '../../src/tensor/tensor.ts';
import { createRandom } from '../reference/array64.ts';
import { type AvgPool2dAttrs, avgPool2d as reference } from '../reference/avgPool2d.ts';
import { reduceMean } from '../reference/reductions.ts';
import { allBits, expectSameBits } from '../support/bits.ts';
import { checkOp } from '../support/checkOp.ts';
import { testGpu } from '../support/gpu.ts';
import { draws } from '../support/property.ts';
import { again, seed } from '../support/seed.ts';
import { expectSplitLikeWhole } from '../support/smallBindings.ts';
import { drawWindows } from '../support/windows.ts';

const gpu = await testGpu();

const op = ([x]: Tensor[], attrs: AvgPool2dAttrs): Tensor => avgPool2d(x, attrs);

test('random windows, paddings and divisors match the reference', async () => {
  for (const { random, label, int, pick } of draws('avgPool2d', 16)) {
    const attrs = { ...drawWindows(random), countIncludePad: pick([undefined, true, false]) };
    const inputs = [random.uniform([int(1, 3), int(5, 12), int(5, 12), int(1, 9)])];
    await checkOp({ reference, op, inputs, attrs, cotangent: random.uniform, label });
  }
});

test.each<AvgPool2dAttrs & { shape: number[] }>([
  { shape: [1, 1, 1, 1], poolSize: 1, strides: 1 },
  { shape: [2, 6, 8, 8], poolSize: 2, strides: 2 },
  { shape: [2, 7, 8, 4], poolSize: 3, strides: 1, padding: 'same' },
  { shape: [2, 14, 13, 3], poolSize: 3, strides: 2, padding: 1 },
  { shape: [2, 7, 9, 4], poolSize: 2, strides: 2, ceilMode: true },
])('x $shape, pool $poolSize, strides $strides, padding $padding', async ({ shape, ...attrs }) => {
  const random = createRandom(1);
  const inputs = [random.uniform(shape)];
  await checkOp({ reference, op, inputs, attrs, cotangent: random.uniform, label: 'fixed data' });
});

/** An average and its gradient. */
function pooled(x: Tensor, dy: (shape: readonly number[]) => Tensor): Tensor[] {
  x.requiresGrad = true;
  const y = avgPool2d(x, { poolSize: 3, strides: 2, padding: 'same' });
  return [y, y.node!.run(dy(y.shape))[0] as Tensor];
}

const uniform = (shape: readonly number[], from: number): Tensor =>
  tensor(Float32Array.from(createRandom(from).uniform(shape).data), shape);

test('split launches give the bits of whole ones, and a second run those of the first', async () => {
  for (const C of [3, 8]) {
    const run = () => pooled(uniform([130, 9, 7, C], seed), (shape) => uniform(shape, seed + 1));
    await expectSplitLikeWhole(gpu, 65536, run, `C ${C}, ${again}`);
    expectSameBits(await allBits(run()), await allBits(run()), again);
  }
});

test('nothing is kept for the backward pass', () => {
  const x = uniform([2, 8, 8, 4], 1);
  x.requiresGrad = true;
  const before = gpu.pool.liveBytes;
  const y = avgPool2d(x);
  expect(gpu.pool.liveBytes - before).toBe(y.size * 4);
  for (const t of [x, y]) t.dispose();
});

test('the mean of whole images', async () => {
  for (const { random, label, int } of draws('globalAvgPool2d', 4)) {
    await checkOp({
      reference: reduceMean,
      op: ([x]) => globalAvgPool2d(x),
      inputs: [random.uniform([int(1, 4), int(1, 9), int(1, 9), int(1, 9)])],
      attrs: { axes: [1, 2], keepDims: false },
      cotangent: random.uniform,
      label,
    });
  }
});

test('wrong shapes and options are named', () => {
  const x = tensor(new Float32Array(24), [1, 4, 3, 2]);
  expect(() => avgPool2d(tensor([1, 2, 3]))).toThrow(/avgPool2d: expected x \[N, H, W, C\], got \[3\]/);
  expect(() => avgPool2d(x, { poolSize: 4 })).toThrow(/an image of at least 4x4, the size of the pool, got/);
  expect(() => avgPool2d(x, { poolSize: 3, padding: [3, 0] })).toThrow(/padding below the pool size 3x3/);
  expect(() => avgPool2d(tensor(new Int32Array(4), [1, 2, 2, 1]))).toThrow(/expected x f32, got i32/);
  expect(() => globalAvgPool2d(tensor([1, 2]))).toThrow(
    /globalAvgPool2d: expected x \[N, H, W, C\], got \[2\]/,
  );
});
