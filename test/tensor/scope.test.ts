import { beforeAll, expect, test } from 'vitest';
import type { Gpu } from '../../src/gpu/gpu.ts';
import { mul } from '../../src/kernels/binary.ts';
import { matmul } from '../../src/kernels/matmul/index.ts';
import { sum } from '../../src/kernels/reduce.ts';
import { relu } from '../../src/kernels/relu.ts';
import { gradients, variable } from '../../src/tensor/autograd.ts';
import { keep, scope } from '../../src/tensor/scope.ts';
import { type Tensor, tensor } from '../../src/tensor/tensor.ts';
import { testGpu } from '../support/gpu.ts';

let gpu: Gpu;
beforeAll(async () => {
  gpu = await testGpu();
});

const big = () => tensor(new Float32Array(1000).fill(2), [1000]);

test('frees what was made in it', () => {
  const before = gpu.pool.liveBytes;
  let inside: Tensor | undefined;
  scope(() => {
    inside = relu(big());
    expect(gpu.pool.liveBytes).toBeGreaterThan(before);
  });
  expect(inside?.disposed).toBe(true);
  expect(gpu.pool.liveBytes).toBe(before);
});

test('what it returns passes to the scope around it, in arrays and objects too', async () => {
  const before = gpu.pool.liveBytes;
  let escaped: Tensor[] = [];
  scope(() => {
    const result = scope(() => {
      const x = big();
      return { list: [relu(x)], nested: { y: mul(x, 3) }, name: 'result', x: null };
    });
    escaped = [result.list[0], result.nested.y];
    expect(escaped.map((t) => t.disposed)).toEqual([false, false]);
    return null;
  });
  expect(escaped.map((t) => t.disposed)).toEqual([true, true]);
  expect(gpu.pool.liveBytes).toBe(before);
  const y = scope(() => scope(() => mul(big(), 3)));
  expect((await y.data())[999]).toBe(6);
  y.dispose();
});

test('keep takes a tensor out of every scope', async () => {
  let kept: Tensor | undefined;
  scope(() => {
    scope(() => {
      kept = keep(big());
    });
  });
  expect((await kept!.data())[0]).toBe(2);
  kept!.dispose();
});

test('frees everything when the function throws', () => {
  const before = gpu.pool.liveBytes;
  expect(() =>
    scope(() => {
      relu(big());
      throw new Error('on purpose');
    }),
  ).toThrow('on purpose');
  expect(gpu.pool.liveBytes).toBe(before);
  // The scope that failed is closed: a tensor made now belongs to nobody.
  const x = big();
  expect(x.disposed).toBe(false);
  x.dispose();
});

test('throws when given a promise, and frees what was made before', () => {
  const before = gpu.pool.liveBytes;
  expect(() => scope(async () => relu(big()))).toThrow('scope() was given a function that returns a promise');
  expect(() => scope(async () => Promise.reject(new Error('unseen')))).toThrow('returns a promise');
  expect(gpu.pool.liveBytes).toBe(before);
});

test('a training step leaves no memory behind', async () => {
  const x = tensor(new Float32Array(32 * 20).fill(0.1), [32, 20]);
  const w = variable(tensor(new Float32Array(20 * 30).fill(0.01), [20, 30]));
  const step = () =>
    scope(() => {
      const y = relu(matmul(x, w));
      const loss = sum(mul(y, y));
      return [loss, ...gradients(loss, [w])];
    });
  const before = gpu.pool.liveBytes;
  let allocated = 0;
  for (let i = 0; i < 5; i++) {
    for (const result of step()) result.dispose();
    expect(gpu.pool.liveBytes).toBe(before);
    if (i === 0) allocated = gpu.pool.allocatedBytes;
  }
  await gpu.sync();
  expect(gpu.pool.allocatedBytes).toBe(allocated);
});

test('a tape that no backward pass runs goes with its tensors', () => {
  const w = variable(big());
  const held = gpu.pool.liveBytes;
  scope(() => {
    sum(mul(relu(w), w));
  });
  expect(gpu.pool.liveBytes).toBe(held);
  const y = scope(() => sum(mul(relu(w), w)));
  // What the backward pass would read is held by the tape alone.
  expect(gpu.pool.liveBytes).toBeGreaterThan(held + 4000);
  y.dispose();
  expect(gpu.pool.liveBytes).toBe(held);
  w.dispose();
});
