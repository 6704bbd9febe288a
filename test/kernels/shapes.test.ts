import { describe, expect, test } from 'vitest';
import { concat } from '../../src/kernels/concat.ts';
import { reshape } from '../../src/kernels/reshape.ts';
import { slice } from '../../src/kernels/slice.ts';
import { transpose } from '../../src/kernels/transpose.ts';
import { type Tensor, tensor } from '../../src/tensor/tensor.ts';
import { make } from '../reference/array64.ts';
import { concat as concatReference } from '../reference/concat.ts';
import { reshape as reshapeReference } from '../reference/reshape.ts';
import { slice as sliceReference } from '../reference/slice.ts';
import { transpose as transposeReference } from '../reference/transpose.ts';
import { checkOp } from '../support/checkOp.ts';
import { testGpu } from '../support/gpu.ts';
import { draws } from '../support/property.ts';
import { expectSplitLikeWhole } from '../support/smallBindings.ts';

const gpu = await testGpu();

const values = async (t: Tensor) => [...(await t.data())];

describe('reshape', () => {
  test('matches the reference', async () => {
    for (const { random, label, shape, int, pick } of draws('reshape', 6)) {
      const from = shape(int(0, 4));
      const size = from.reduce((a, b) => a * b, 1);
      const to = pick([[size], [1, size, 1], [...from].reverse(), from.slice(1).concat(from.slice(0, 1))]);
      await checkOp({
        reference: reshapeReference,
        op: ([x]) => reshape(x, to),
        inputs: [random.uniform(from)],
        attrs: { shape: to },
        cotangent: random.uniform,
        label,
      });
    }
  });

  test('is a view on the same memory', () => {
    const x = tensor(new Uint32Array(12), [3, 4]);
    const y = reshape(x, [2, -1]);
    expect(y.shape).toEqual([2, 6]);
    expect(y.dtype).toBe('u32');
    expect(y.storage).toBe(x.storage);
  });

  test('outlives the tensor it looks at', async () => {
    const x = tensor([1, 2, 3]);
    const y = reshape(x, [3, 1]);
    x.dispose();
    expect(await values(y)).toEqual([1, 2, 3]);
  });

  test('refuses shapes of another size', () => {
    const x = tensor(new Float32Array(12), [3, 4]);
    expect(() => reshape(x, [5, 2])).toThrow(
      'reshape: expected a shape of 12 elements, as x [3, 4] has, got [5, 2]',
    );
    expect(() => reshape(x, [5, -1])).toThrow('got [5, -1]');
    expect(() => reshape(x, [-1, -1])).toThrow('reshape: expected at most one dimension of -1');
    expect(() => reshape(x, [-3, -4])).toThrow(
      'reshape: expected dimensions that are whole numbers of at least 1',
    );
  });
});

describe('transpose', () => {
  test('matches the reference', async () => {
    for (const { random, label, shape, int } of draws('transpose', 8)) {
      const from = shape(int(0, 5));
      const perm = [...random.distinct([from.length]).data.keys()];
      perm.sort(() => int(0, 2) - 1);
      await checkOp({
        reference: transposeReference,
        op: ([x]) => transpose(x, perm),
        inputs: [random.uniform(from)],
        attrs: { perm },
        cotangent: random.uniform,
        label,
      });
    }
  });

  test('reverses the axes unless told, and moves any dtype', async () => {
    const y = transpose(tensor(Int32Array.of(1, 2, 3, -4, 5, 6), [2, 3]));
    expect([y.shape, y.dtype, await values(y)]).toEqual([[3, 2], 'i32', [1, -4, 2, 5, 3, 6]]);
  });

  test('refuses what is no permutation', () => {
    const x = tensor([[1, 2]]);
    for (const wrong of [[0], [0, 0], [0, 2], [1, 0.5]])
      expect(() => transpose(x, wrong)).toThrow('transpose: expected a permutation of the axes 0 to 1');
  });
});

describe('slice', () => {
  test('matches the reference', async () => {
    for (const { random, label, shape, int, chance } of draws('slice', 8)) {
      const from = shape(int(0, 4));
      const begin = from.map((extent) => (chance(0.4) ? 0 : int(0, extent - 1)));
      const size = from.map((extent, axis) =>
        chance(0.4) ? extent - begin[axis] : int(1, extent - begin[axis]),
      );
      await checkOp({
        reference: sliceReference,
        op: ([x]) => slice(x, begin, size),
        inputs: [random.uniform(from)],
        attrs: { begin, size },
        cotangent: random.uniform,
        label,
      });
    }
  });

  test('by blocks of four, no element beside the box is touched', async () => {
    for (const [begin, size] of [
      [4, 8],
      [4, 5],
      [3, 4],
      [8, 8],
    ]) {
      await checkOp({
        reference: sliceReference,
        op: ([x]) => slice(x, [begin], [size]),
        inputs: [
          make(
            [16],
            Array.from({ length: 16 }, (_, i) => i + 1),
          ),
        ],
        attrs: { begin: [begin], size: [size] },
        cotangent: (shape) => make(shape, new Array(size).fill(1)),
        label: `slice ${begin}, ${size}`,
      });
    }
  });

  test('moves any dtype', async () => {
    const y = slice(tensor(Uint32Array.of(1, 2, 3, 4294967295), [2, 2]), [1, 0], [1, 2]);
    expect([y.dtype, await values(y)]).toEqual(['u32', [3, 4294967295]]);
  });

  test('refuses boxes outside', () => {
    const x = tensor([[1, 2, 3]]);
    expect(() => slice(x, [0, 1], [1, 3])).toThrow(
      'slice: expected a box inside x [1, 3], got begin [0, 1], size [1, 3]',
    );
    expect(() => slice(x, [0], [1])).toThrow('slice: expected begin and size of 2 axes');
    expect(() => slice(x, [0, -1], [1, 1])).toThrow('box inside');
    expect(() => slice(x, [0, 0], [1, 0])).toThrow('box inside');
  });
});

describe('concat', () => {
  test('matches the reference', async () => {
    for (const { random, label, shape, int, extent } of draws('concat', 8)) {
      const common = shape(int(1, 4), 2000);
      const axis = int(0, common.length - 1);
      const inputs = Array.from({ length: int(1, 4) }, () =>
        random.uniform(common.map((n, a) => (a === axis ? extent(9) : n))),
      );
      await checkOp({
        reference: concatReference,
        op: (tensors) => concat(tensors, axis),
        inputs,
        attrs: { axis },
        cotangent: random.uniform,
        label,
      });
    }
  });

  test('joins and cuts channels by blocks of four where they lie so, beside others', async () => {
    for (const { random, label, int, pick } of draws('concat, blocks', 8)) {
      const images = [int(1, 3), int(1, 5), int(1, 5)];
      const inputs = Array.from({ length: int(2, 4) }, () =>
        random.uniform([...images, pick([4, 8, 12, 5])]),
      );
      await checkOp({
        reference: concatReference,
        op: (tensors) => concat(tensors, 3),
        inputs,
        attrs: { axis: 3 },
        cotangent: random.uniform,
        label,
      });
    }
  });

  test('split launches give the bits of whole ones, gradients too', async () => {
    const [a, b] = [8, 4].map((channels) =>
      tensor(
        Float32Array.from({ length: 4096 * channels }, (_, i) => i),
        [4096, channels],
      ),
    );
    for (const t of [a, b]) t.requiresGrad = true;
    const dy = tensor(
      Float32Array.from({ length: 4096 * 12 }, (_, i) => -i),
      [4096, 12],
    );
    const run = () => {
      const y = concat([a, b], 1);
      return [y, ...y.node!.run(dy).map((gradient) => gradient!)];
    };
    await expectSplitLikeWhole(gpu, 32_768, run, 'concat in blocks');
  });

  test('counts a negative axis from the last, and joins any dtype', async () => {
    const y = concat([tensor(Int32Array.of(1, 2), [2, 1]), tensor(Int32Array.of(3, -4, 5, 6), [2, 2])], -1);
    expect([y.shape, y.dtype, await values(y)]).toEqual([[2, 3], 'i32', [1, 3, -4, 2, 5, 6]]);
  });

  test('refuses what does not fit together', () => {
    const x = tensor([[1, 2]]);
    expect(() => concat([], 0)).toThrow('concat: expected at least one tensor, got none');
    expect(() => concat([x, tensor([[1]])], 0)).toThrow(
      'concat: expected shapes that are alike but for axis 0, got [1, 2] [1, 1]',
    );
    expect(() => concat([x, tensor([1, 2])], 0)).toThrow('alike but for axis 0');
    expect(() => concat([x], 2)).toThrow('concat: expected an axis from -2 to 1, got 2');
    expect(() => concat([x, tensor(new Int32Array(2), [1, 2])], 0)).toThrow(
      'concat: expected tensor 1 f32, got i32 [1, 2]',
    );
  });
});
