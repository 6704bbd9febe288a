import { beforeAll, describe, expect, test } from 'vitest';
import type { Gpu, GpuCounters } from '../../src/gpu/gpu.ts';
import { kernel } from '../../src/gpu/kernel.ts';
import { add, mul } from '../../src/kernels/binary.ts';
import { dense } from '../../src/kernels/dense.ts';
import { mean, sum } from '../../src/kernels/reduce.ts';
import { relu } from '../../src/kernels/relu.ts';
import { reshape } from '../../src/kernels/reshape.ts';
import { slice } from '../../src/kernels/slice.ts';
import { gradients, variable } from '../../src/tensor/autograd.ts';
import { ones, zeros } from '../../src/tensor/create.ts';
import { launch, split } from '../../src/tensor/launch.ts';
import { RandomStream } from '../../src/tensor/random.ts';
import { record } from '../../src/tensor/record.ts';
import { scope } from '../../src/tensor/scope.ts';
import { hostTensor, type Tensor, tensor } from '../../src/tensor/tensor.ts';
import { createRandom } from '../reference/array64.ts';
import { testGpu } from '../support/gpu.ts';

let gpu: Gpu;
beforeAll(async () => {
  gpu = await testGpu();
});

const values = async (t: Tensor) => [...(await t.data())];
const uniform = (shape: number[], seed: number) =>
  tensor(Float32Array.from(createRandom(seed).uniform(shape).data), shape);

/** state = 2 * state + x, in place: what a step does to weights, and an order that shows. */
const foldKernel = kernel({
  name: 'fold',
  lanes: 64,
  read: { x: 'f32' },
  write: { state: 'f32' },
  body: 'if (item < u.items) { state[item] = 2.0 * state[item] + x[item]; }',
});
const fold = (state: Tensor, x: Tensor) =>
  launch(foldKernel, { x: split(x, 1), state: split(state, 1) }, { items: state.size });

/** A small network's training step without its update: every kind of command, temporaries, a tape. */
function makeStep() {
  const w = variable(uniform([12, 7], 1));
  const bias = variable(uniform([7], 2));
  const step = (x: Tensor) => {
    const y = relu(dense(reshape(x, [-1, 12]), w, bias));
    const loss = mean(mul(y, add(y, ones(y.shape))));
    const [dw, dbias] = gradients(loss, [w, bias]);
    return { loss, list: [dw, dbias], part: slice(y, [0, 0], [1, 7]) };
  };
  return {
    step,
    dispose: () =>
      [w, bias].forEach((t) => {
        t.dispose();
      }),
  };
}

const creations = ({ buffers, bindGroups, pipelines, readbacks }: GpuCounters) => ({
  buffers,
  bindGroups,
  pipelines,
  readbacks,
});

describe('record', () => {
  test('a replay computes the bits of an eager step', async () => {
    const { step, dispose } = makeStep();
    const recorded = record(step);
    for (let i = 0; i < 4; i++) {
      const x = uniform([5, 3, 4], 10 + i);
      const eager = scope(() => step(x));
      const replayed = await recorded(x);
      for (const [a, b] of [
        [eager.loss, replayed.loss],
        [eager.list[0], replayed.list[0]],
        [eager.list[1], replayed.list[1]],
        [eager.part, replayed.part],
      ]) {
        expect(await values(b)).toEqual(await values(a));
        a.dispose();
      }
      x.dispose();
    }
    recorded.dispose();
    dispose();
  });

  test('a second step creates nothing, reads nothing and holds as much memory as the first', async () => {
    const { step, dispose } = makeStep();
    const recorded = record(step);
    const x = uniform([5, 12], 1);
    await recorded(x);
    await gpu.sync();
    const before = {
      ...creations(gpu.counters),
      live: gpu.pool.liveBytes,
      allocated: gpu.pool.allocatedBytes,
      own: recorded.allocatedBytes,
    };
    const { dispatches, submits } = gpu.counters;
    for (let i = 0; i < 5; i++) await recorded(x);
    await gpu.sync();
    expect({
      ...creations(gpu.counters),
      live: gpu.pool.liveBytes,
      allocated: gpu.pool.allocatedBytes,
      own: recorded.allocatedBytes,
    }).toEqual(before);
    expect(gpu.counters.dispatches - dispatches).toBeGreaterThan(5 * 10);
    expect(gpu.counters.submits - submits).toBeLessThanOrEqual(10);
    recorded.dispose();
    dispose();
  });

  test('hostTensor and random draws change from step to step, tensor and zeros do not', async () => {
    let count = 0;
    const stream = new RandomStream(1, 'test');
    const recorded = record(() => {
      const counter = hostTensor([1], 'f32', () => Float32Array.of(count++));
      const total = zeros([1]);
      fold(total, counter);
      fold(total, tensor([100]));
      return { total, draw: add(zeros([4]), 0), words: stream.drawTensor() };
    });
    const draws = new Set<string>();
    for (let i = 0; i < 3; i++) {
      const { total, words } = await recorded();
      expect(await total.item()).toBe(2 * i + 100);
      draws.add(String(await values(words)));
    }
    expect(draws.size).toBe(3);
    expect(stream.position).toBe(3);
    recorded.dispose();
  });

  test('has one plan for each set of shapes, over shared weights', async () => {
    const state = variable(zeros([1]));
    let runs = 0;
    const recorded = record((x: Tensor) => {
      runs++;
      fold(state, sum(x));
      return sum(x);
    });
    const sizes = [3, 5, 3, 5, 3];
    for (const size of sizes) {
      const x = ones([size]);
      expect(await (await recorded(x)).item()).toBe(size);
      x.dispose();
    }
    expect(runs).toBe(2);
    expect(await state.item()).toBe(sizes.reduce((total, size) => 2 * total + size, 0));
    const x = ones([1, 5]);
    await recorded(x);
    expect(runs).toBe(3);
    recorded.dispose();
    state.dispose();
  });

  test('takes arguments of any dtype, and copies them in', async () => {
    const recorded = record((x: Tensor) => slice(x, [1], [2]));
    const x = tensor(Int32Array.of(1, -2, 3));
    const y = await recorded(x);
    x.dispose();
    expect([y.dtype, await values(y)]).toEqual(['i32', [-2, 3]]);
    const other = tensor([4, 5, 6]);
    expect(await values(await recorded(other))).toEqual([5, 6]);
    recorded.dispose();
  });

  test('calls that are not awaited run in order', async () => {
    const state = variable(zeros([1]));
    const recorded = record((x: Tensor) => {
      fold(state, x);
    });
    const inputs = Array.from({ length: 8 }, (_, i) => tensor([i]));
    const calls = inputs.map((x) => recorded(x));
    // Eager work that is issued after them runs after them.
    await Promise.all(calls);
    const after = tensor([1000]);
    fold(state, after);
    expect(await state.item()).toBe(
      2 * [0, 1, 2, 3, 4, 5, 6, 7].reduce((total, i) => 2 * total + i, 0) + 1000,
    );
    recorded.dispose();
  });

  test('eager commands before a step run before it', async () => {
    const state = variable(zeros([1]));
    const recorded = record(() => fold(state, ones([1])));
    for (let i = 0; i < 3; i++) {
      fold(state, tensor([10]));
      await recorded();
    }
    expect(await state.item()).toBe([10, 1, 10, 1, 10, 1].reduce((total, i) => 2 * total + i, 0));
    recorded.dispose();
  });

  test('memory that eager code frees is not a result', async () => {
    const recorded = record((x: Tensor) => mul(x, 2));
    const x = tensor([1, 2]);
    const y = await recorded(x);
    // Would overwrite y, if a freed temporary of the step went back to the common pool.
    for (let i = 0; i < 20; i++) zeros([2]).dispose();
    expect(await values(y)).toEqual([2, 4]);
    recorded.dispose();
  });

  test('dispose frees its memory, and later calls say so', async () => {
    const before = gpu.pool.liveBytes;
    const recorded = record((x: Tensor) => mul(x, 2));
    const x = tensor(new Float32Array(1000));
    await recorded(x);
    expect(recorded.allocatedBytes).toBeGreaterThanOrEqual(8000);
    recorded.dispose();
    expect(recorded.allocatedBytes).toBe(0);
    await expect(recorded(x)).rejects.toThrow('a recorded step was called after its dispose()');
    x.dispose();
    expect(gpu.pool.liveBytes).toBe(before);
  });

  test('a caller may dispose of a result; the next call has it again', async () => {
    const recorded = record((x: Tensor) => ({ y: mul(x, 2), all: [add(x, 1)], name: 'step' }));
    const x = tensor([1, 2]);
    const first = await recorded(x);
    first.y.dispose();
    first.all[0].dispose();
    const second = await recorded(x);
    expect([await values(second.y), await values(second.all[0]), second.name]).toEqual([
      [2, 4],
      [2, 3],
      'step',
    ]);
    recorded.dispose();
  });

  test('refuses promises and recorded steps inside, and recovers', async () => {
    const x = tensor([1, 2]);
    const inner = record((t: Tensor) => relu(t));
    let call: Promise<unknown> = Promise.resolve();
    const outer = record((t: Tensor) => {
      call = inner(t);
      call.catch(() => {});
    });
    await outer(x);
    await expect(call).rejects.toThrow(
      'a recorded step was called inside record(): call its function plainly',
    );
    const promised = record(async (t: Tensor) => relu(t));
    await expect(promised(x)).rejects.toThrow('returns a promise');
    const fine = record((t: Tensor) => mul(t, 3));
    expect(await values(await fine(x))).toEqual([3, 6]);
    for (const recorded of [inner, outer, promised, fine]) recorded.dispose();
  });

  test('a read inside is refused', async () => {
    let read: Promise<unknown> = Promise.resolve();
    const recorded = record((t: Tensor) => {
      read = t.data();
      read.catch(() => {});
    });
    await recorded(tensor([1]));
    await expect(read).rejects.toThrow(
      'a tensor was read inside record(): read what the recorded function returns instead',
    );
    recorded.dispose();
  });

  test('an error in the function is the caller’s, and the next call tries again', async () => {
    let fail = true;
    const recorded = record((x: Tensor) => {
      if (fail) throw new Error('on purpose');
      return mul(x, 2);
    });
    const x = tensor([1]);
    await expect(recorded(x)).rejects.toThrow('on purpose');
    fail = false;
    expect(await (await recorded(x)).item()).toBe(2);
    recorded.dispose();
  });

  test('uniforms of many launches fit into one step', async () => {
    // A block of uniforms holds 256 launches.
    const recorded = record((x: Tensor) => {
      let y = x;
      for (let i = 0; i < 600; i++) y = add(y, i);
      return y;
    });
    expect(await (await recorded(tensor([1]))).item()).toBe(1 + (600 * 599) / 2);
    recorded.dispose();
  });
});
