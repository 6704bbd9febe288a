import { beforeAll, describe, expect, test } from 'vitest';
import { add } from '../../src/kernels/binary.ts';
import { relu } from '../../src/kernels/relu.ts';
import { full, ones, zeros } from '../../src/tensor/create.ts';
import { scope } from '../../src/tensor/scope.ts';
import { empty, hostTensor, type Tensor, tensor } from '../../src/tensor/tensor.ts';
import { testGpu } from '../support/gpu.ts';

beforeAll(testGpu);

const values = async (t: Tensor) => [...(await t.data())];

describe('tensor', () => {
  test('takes numbers, nested arrays, and flat arrays with a shape', async () => {
    const scalar = tensor(7);
    expect([scalar.shape, scalar.rank, scalar.size, await scalar.item()]).toEqual([[], 0, 1, 7]);
    const nested = tensor([
      [[1], [2]],
      [[3], [4]],
    ]);
    expect([nested.shape, await values(nested)]).toEqual([
      [2, 2, 1],
      [1, 2, 3, 4],
    ]);
    const flat = tensor([1, 2, 3, 4, 5, 6], [2, 3]);
    expect([flat.shape, await values(flat)]).toEqual([
      [2, 3],
      [1, 2, 3, 4, 5, 6],
    ]);
  });

  test('takes its dtype from the array, or as told', async () => {
    expect(tensor(Int32Array.of(-1)).dtype).toBe('i32');
    expect(tensor(Uint32Array.of(1)).dtype).toBe('u32');
    expect(tensor(Float64Array.of(0.5)).dtype).toBe('f32');
    const told = tensor([1, -2], [2], 'i32');
    expect([told.dtype, await values(told)]).toEqual(['i32', [1, -2]]);
  });

  test('refuses ragged arrays, wrong sizes and wrong shapes', () => {
    expect(() => tensor([[1, 2], [3]])).toThrow(
      'tensor: expected nested arrays of equal lengths, got ragged ones',
    );
    expect(() => tensor([1, 2, 3], [2, 2])).toThrow('tensor: expected 4 elements for shape [2, 2], got 3');
    expect(() => tensor([], [0])).toThrow('dimensions that are whole numbers of at least 1');
    expect(() => empty([1.5])).toThrow(
      'empty: expected dimensions that are whole numbers of at least 1, got [1.5]',
    );
  });

  test('is not the array it was made from', async () => {
    const array = Float32Array.of(1, 2);
    const t = tensor(array);
    array[0] = 9;
    expect(await values(t)).toEqual([1, 2]);
  });

  test('item() is for one element', async () => {
    await expect(tensor([1, 2]).item()).rejects.toThrow('item: expected a tensor of one element, got [2]');
  });
});

describe('zeros, ones, full', () => {
  test('fill every dtype', async () => {
    expect(await values(zeros([3]))).toEqual([0, 0, 0]);
    expect(await values(ones([2, 1], 'i32'))).toEqual([1, 1]);
    expect(await values(full([2], -1.5))).toEqual([-1.5, -1.5]);
    expect(await values(full([2], -3, 'i32'))).toEqual([-3, -3]);
    expect(await values(full([], 2 ** 32 - 1, 'u32'))).toEqual([2 ** 32 - 1]);
  });

  test('write over what the memory held before', async () => {
    for (let i = 0; i < 3; i++) {
      const [y, z] = scope(() => [full([100], 5), zeros([100])]);
      expect(new Set([...(await values(y)), ...(await values(z))])).toEqual(new Set([5, 0]));
      y.dispose();
      z.dispose();
    }
  });
});

describe('dispose', () => {
  test('a disposed tensor can not be used', async () => {
    const x = tensor([1, 2]);
    const y = relu(x);
    x.dispose();
    x.dispose();
    expect(x.disposed).toBe(true);
    expect(() => relu(x)).toThrow(/a tensor of shape \[2\] was used after it was disposed/);
    expect(() => add(y, x)).toThrow('was used after it was disposed');
    await expect(x.data()).rejects.toThrow('was used after it was disposed');
    expect(await values(y)).toEqual([1, 2]);
  });

  test('frees memory once nothing looks at it', async () => {
    const gpu = await testGpu();
    const before = gpu.pool.liveBytes;
    const x = tensor(new Float32Array(1000));
    const view = x.alias([10, 100]);
    x.dispose();
    expect(gpu.pool.liveBytes).toBeGreaterThan(before);
    view.dispose();
    expect(gpu.pool.liveBytes).toBe(before);
  });
});

describe('a view of a part', () => {
  test('shares its elements with the whole', async () => {
    const whole = tensor(Float32Array.from({ length: 300 }, (_, i) => i));
    const part = whole.view(128, [3, 4]);
    expect(await values(part)).toEqual(Array.from({ length: 12 }, (_, i) => 128 + i));
    // In an op's operands, a view of a view, and written by CPU and GPU.
    expect(await values(add(part.view(0, [4]), 1))).toEqual([129, 130, 131, 132]);
    const inner = whole.view(64, [200]).view(64, [2]);
    expect(await values(inner)).toEqual([128, 129]);
    const { gpu, buffer } = part.storage;
    gpu.write(buffer, Float32Array.of(-1, -2));
    gpu.copy(tensor([7, 8]).storage.buffer, whole.view(192, [2]).storage.buffer, 8);
    const data = await whole.data();
    expect([...data.subarray(127, 132)]).toEqual([127, -1, -2, 130, 131]);
    expect([...data.subarray(191, 195)]).toEqual([191, 7, 8, 194]);
  });

  test('keeps the memory of the whole', async () => {
    const { pool } = await testGpu();
    const before = pool.liveBytes;
    const whole = zeros([1000]);
    const part = whole.view(64, [10]);
    whole.dispose();
    expect(pool.liveBytes).toBeGreaterThan(before);
    expect(await values(part)).toEqual(new Array(10).fill(0));
    part.dispose();
    expect(pool.liveBytes).toBe(before);
  });

  test('begins at a multiple of 64 and ends within the whole', () => {
    const whole = zeros([130]);
    expect(whole.view(64, [66]).size).toBe(66);
    for (const [offset, length] of [
      [32, 1],
      [-64, 1],
      [64, 67],
      [192, 1],
    ])
      expect(() => whole.view(offset, [length])).toThrow(
        `view: expected an offset that is a multiple of 64, and an end within 130 elements, got offset ${offset} and ${length} elements`,
      );
  });
});

test('writes and reads keep the order in which they were issued', async () => {
  // The memory of a freed tensor is written anew while the op that reads it may still wait for its submission.
  const sums: Tensor[] = [];
  for (let i = 0; i < 200; i++) {
    const x = hostTensor([64], 'f32', () => new Float32Array(64).fill(i));
    sums.push(add(x, 1));
    x.dispose();
  }
  for (const [i, sum] of sums.entries()) {
    expect([...(await sum.data())]).toEqual(new Array(64).fill(i + 1));
    sum.dispose();
  }
});
