import { expect, test } from 'vitest';
import { resizeBilinear } from '../../src/kernels/resizeBilinear.ts';
import { upSampling2d } from '../../src/kernels/upSampling2d.ts';
import { type Tensor, tensor } from '../../src/tensor/tensor.ts';
import { createRandom } from '../reference/array64.ts';
import { type ResizeBilinearAttrs, resizeBilinear as reference } from '../reference/resizeBilinear.ts';
import { upSampling2d as upSamplingReference } from '../reference/upSampling2d.ts';
import { allBits, expectSameBits } from '../support/bits.ts';
import { checkOp } from '../support/checkOp.ts';
import { testGpu } from '../support/gpu.ts';
import { draws } from '../support/property.ts';
import { again, seed } from '../support/seed.ts';
import { expectSplitLikeWhole } from '../support/smallBindings.ts';

const gpu = await testGpu();

const resize = ([x]: Tensor[], { size, alignCorners }: ResizeBilinearAttrs): Tensor =>
  resizeBilinear(x, size, { alignCorners });

test('random sizes, smaller and larger, match the reference', async () => {
  for (const { random, label, int, chance } of draws('resizeBilinear', 16)) {
    const extent = () => (chance(0.2) ? 1 : int(2, 17));
    const attrs = { size: [extent(), extent()] as const, alignCorners: chance(0.5) };
    const inputs = [random.uniform([int(1, 3), extent(), extent(), int(1, 8)])];
    await checkOp({ reference, op: resize, inputs, attrs, cotangent: random.uniform, label });
  }
});

test.each<{ shape: number[]; size: [number, number] }>([
  { shape: [1, 1, 1, 1], size: [1, 1] },
  { shape: [1, 28, 28, 1], size: [224, 224] },
  { shape: [1, 7, 7, 4], size: [7, 7] },
  { shape: [1, 97, 131, 3], size: [13, 5] },
])('x $shape to $size', async ({ shape, size }) => {
  const random = createRandom(1);
  for (const alignCorners of [false, true]) {
    await checkOp({
      reference,
      op: resize,
      inputs: [random.uniform(shape)],
      attrs: { size, alignCorners },
      cotangent: random.uniform,
      label: 'fixed data',
    });
  }
});

test('random factors match the reference', async () => {
  for (const { random, label, int } of draws('upSampling2d', 8)) {
    await checkOp({
      reference: upSamplingReference,
      op: ([x], { size }) => upSampling2d(x, size),
      inputs: [random.uniform([int(1, 3), int(1, 8), int(1, 8), int(1, 9)])],
      attrs: { size: [int(1, 4), int(1, 4)] as const },
      cotangent: random.uniform,
      label,
    });
  }
});

const uniform = (shape: readonly number[], from: number): Tensor =>
  tensor(Float32Array.from(createRandom(from).uniform(shape).data), shape);

test('split launches give the bits of whole ones, and a second run those of the first', async () => {
  for (const C of [3, 4]) {
    const run = () => {
      const x = uniform([130, 9, 7, C], seed);
      x.requiresGrad = true;
      return [resizeBilinear(x, [11, 5]), upSampling2d(x, 2)].flatMap((y) => [
        y,
        y.node!.run(uniform(y.shape, seed + 1))[0] as Tensor,
      ]);
    };
    await expectSplitLikeWhole(gpu, 2 ** 18, run, `C ${C}, ${again}`);
    expectSameBits(await allBits(run()), await allBits(run()), again);
  }
});

test('wrong shapes and options are named', () => {
  const x = tensor(new Float32Array(24), [1, 4, 3, 2]);
  expect(() => resizeBilinear(tensor([1, 2]), [1, 1])).toThrow(
    /resizeBilinear: expected x \[N, H, W, C\], got \[2\]/,
  );
  expect(() => resizeBilinear(x, [0, 2])).toThrow(
    /a size \[height, width\] of positive whole numbers, got \[0,2\]/,
  );
  expect(() => resizeBilinear(x, [2 ** 28, 2])).toThrow(/sizes whose products are below 2\^30/);
  expect(() => resizeBilinear(tensor(new Int32Array(4), [1, 2, 2, 1]), [1, 1])).toThrow(
    /expected x f32, got i32/,
  );
  expect(() => upSampling2d(tensor([1, 2]))).toThrow(/upSampling2d: expected x \[N, H, W, C\], got \[2\]/);
  expect(() => upSampling2d(x, 1.5)).toThrow(/a size of a positive whole number, or two, got 1.5/);
});
