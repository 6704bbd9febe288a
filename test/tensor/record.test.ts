import { beforeAll, describe, expect, test } from 'vitest';
import { ArraySource } from '../../src/data/batchSource.ts';
import type { Gpu, GpuCounters } from '../../src/gpu/gpu.ts';
import { kernel } from '../../src/gpu/kernel.ts';
import { add, mul } from '../../src/kernels/binary.ts';
import { concat } from '../../src/kernels/concat.ts';
import { dense } from '../../src/kernels/dense.ts';
import { mean, sum } from '../../src/kernels/reduce.ts';
import { relu } from '../../src/kernels/relu.ts';
import { reshape } from '../../src/kernels/reshape.ts';
import { slice } from '../../src/kernels/slice.ts';
import { softmaxCrossEntropy } from '../../src/kernels/softmaxCrossEntropy.ts';
import { Evaluator } from '../../src/nn/evaluate.ts';
import { layers } from '../../src/nn/layers/index.ts';
import { Adam } from '../../src/nn/optimizers/index.ts';
import { sequential } from '../../src/nn/sequential.ts';
import { gradients, variable } from '../../src/tensor/autograd.ts';
import { full, ones, zeros } from '../../src/tensor/create.ts';
import { launch, split } from '../../src/tensor/launch.ts';
import { RandomStream } from '../../src/tensor/random.ts';
import { record } from '../../src/tensor/record.ts';
import { keep, scope } from '../../src/tensor/scope.ts';
import { empty, hostTensor, type Tensor, tensor } from '../../src/tensor/tensor.ts';
import { createRandom } from '../reference/array64.ts';
import { allBits, expectSameBits } from '../support/bits.ts';
import { testGpu } from '../support/gpu.ts';
import { type Draw, draws } from '../support/property.ts';

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

describe('the memory of a recorded step', () => {
  const MiB = 2 ** 20;

  test('temporaries that are not needed at the same time share it', async () => {
    const recorded = record((x: Tensor) => {
      let y = add(x, 1);
      for (let i = 0; i < 20; i++) y = add(y, i);
      return sum(y);
    });
    const x = ones([MiB / 4]);
    await recorded.prepare(x);
    // The argument and what is made of it, then one made of the other: read and written in one dispatch, in two buffers.
    expect(recorded.memory.livePeakBytes).toBeGreaterThanOrEqual(2 * MiB);
    expect(recorded.allocatedBytes).toBeLessThan(2.1 * MiB);
    expect(recorded.memory.arenas.reduce((total, bytes) => total + bytes, 0)).toBe(recorded.allocatedBytes);
    expect(recorded.memory.peakCommand).toContain('add');
    const [largest, second] = recorded.memory.atPeak;
    expect([largest.bytes, second.bytes]).toEqual([MiB, MiB]);
    expect(largest.users.some((user) => user.startsWith('add'))).toBe(true);
    expect(await (await recorded(x)).item()).toBe((MiB / 4) * (2 + (20 * 19) / 2));
    recorded.dispose();
    expect(recorded.memory).toEqual({ livePeakBytes: 0, peakCommand: '', atPeak: [], arenas: [] });
  });

  test('prepare records and runs nothing', async () => {
    const state = variable(ones([3]));
    let runs = 0;
    let produced = 0;
    const recorded = record((x: Tensor) => {
      runs++;
      fold(
        state,
        hostTensor([3], 'f32', () => Float32Array.of(++produced, 0, 0)),
      );
      fold(state, x);
    });
    const x = tensor([1, 2, 3]);
    await gpu.sync();
    const { dispatches, submits } = gpu.counters;
    await recorded.prepare(x);
    await recorded.prepare(x);
    await gpu.sync();
    expect([gpu.counters.dispatches, gpu.counters.submits]).toEqual([dispatches, submits]);
    expect([runs, produced, await values(state)]).toEqual([1, 0, [1, 1, 1]]);
    const before = creations(gpu.counters);
    await recorded(x);
    await gpu.sync();
    expect(creations(gpu.counters)).toEqual(before);
    expect([runs, await values(state)]).toEqual([1, [7, 6, 7]]);
    recorded.dispose();
    await expect(recorded.prepare(x)).rejects.toThrow('a recorded step was called after its dispose()');
  });

  test('is shared by plans for other shapes', async () => {
    const recorded = record((x: Tensor) => add(mul(add(x, 1), 2), 3));
    const inputs = [4000, 4000 - 64, 64, 1].map((size) => ones([size]));
    await recorded.prepare(inputs[0]);
    const { allocatedBytes } = recorded;
    for (const x of inputs) {
      expect(await values(await recorded(x))).toEqual(new Array(x.size).fill(7));
      expect(recorded.allocatedBytes).toBe(allocatedBytes);
    }
    const larger = ones([9000]);
    expect(await values(await recorded(larger))).toEqual(new Array(9000).fill(7));
    expect(recorded.allocatedBytes).toBeGreaterThan(allocatedBytes);
    expect(await values(await recorded(inputs[0]))).toEqual(new Array(4000).fill(7));
    recorded.dispose();
  });

  test('results may be the arguments of the next call, in any order', async () => {
    const recorded = record((a: Tensor, b: Tensor, c: Tensor) => [add(b, 1), add(c, a), mul(a, 2)] as const);
    let expected: number[][] = [[1], [10], [100]];
    let current: readonly Tensor[] = expected.map((value) => tensor(value));
    for (let i = 0; i < 5; i++) {
      const [a, b, c] = expected.map(([value]) => value);
      expected = [[b + 1], [c + a], [2 * a]];
      const [p, q, r] = await recorded(current[0], current[1], current[2]);
      current = [r, p, q];
      expect(await Promise.all([p, q, r].map(values))).toEqual(expected);
      expected = [expected[2], expected[0], expected[1]];
    }
    recorded.dispose();
  });

  test('arguments that are returned, used last or not at all', async () => {
    const recorded = record((a: Tensor, b: Tensor, unused: Tensor) => {
      const sums: Tensor[] = [];
      for (let i = 0; i < 5; i++) sums.push(add(a, i));
      const last = add(sums[4], b);
      return { a, view: a.view(64, [2]), last, unused: unused.size };
    });
    for (let i = 0; i < 3; i++) {
      const a = uniform([100], i);
      const b = uniform([100], 10 + i);
      const result = await recorded(a, b, ones([7]));
      const [x, y] = [await values(a), await values(b)];
      expect(await values(result.a)).toEqual(x);
      expect(await values(result.view)).toEqual(x.slice(64, 66));
      expect(await values(result.last)).toEqual(x.map((v, j) => Math.fround(Math.fround(v + 4) + y[j])));
      expect(result.unused).toBe(7);
    }
    recorded.dispose();
  });

  test('what is kept in a step stays as the step left it, whatever other plans do', async () => {
    const kept: Tensor[] = [];
    const recorded = record((x: Tensor) => {
      kept.push(keep(add(x, 1)));
      let y = x;
      for (let i = 0; i < 6; i++) y = mul(y, 2);
      return y;
    });
    const [x, other] = [ones([100]), zeros([99])];
    await recorded(x);
    await recorded(other);
    await recorded(other);
    expect(await values(kept[0])).toEqual(new Array(100).fill(2));
    expect(await values(kept[1])).toEqual(new Array(99).fill(1));
    recorded.dispose();
  });

  test('temporaries that nothing uses, or only reads, do no harm', async () => {
    const recorded = record((x: Tensor) => {
      empty([1000]);
      const unwritten = empty([50]);
      const y = add(x, 1);
      scope(() => add(unwritten, y));
      return { y, never: empty([3]) };
    });
    const { y, never } = await recorded(ones([50]));
    expect(await values(y)).toEqual(new Array(50).fill(2));
    expect((await never.data()).length).toBe(3);
    recorded.dispose();
  });

  test('a tensor of the step is refused by commands that are not recorded', async () => {
    const recorded = record((x: Tensor) => {
      const y = add(x, 1);
      gpu.unrecorded(() => add(y, 1));
    });
    const x = tensor([1]);
    await expect(recorded(x)).rejects.toThrow(
      'a tensor that record() made was written, or used by commands that are not recorded, before the step was complete',
    );
    recorded.dispose();
    expect(await add(x, 1).item()).toBe(2);
  });

  test('any step computes the bits of an eager one, in buffers of any size', async () => {
    const { limits } = gpu;
    const setLimits = (value: object) => Object.defineProperty(gpu, 'limits', { value, configurable: true });
    for (const draw of draws('recorded programs', 16)) {
      const [rows, columns] = [draw.int(1, 40), draw.int(1, 40)];
      const isSplit = draw.chance(0.4);
      const program = randomProgram(draw, rows, columns, isSplit);
      const [a, b] = [1, 2].map(() => uniform([rows, columns], draw.int(1, 1000)));
      const eager = scope(() => program(a, b));
      const expected = await allBits(eager);
      const largest = Math.ceil((2 * rows * columns * 4) / 256) * 256;
      for (const maxBufferSize of [limits.maxBufferSize, largest]) {
        setLimits({
          maxBufferSize,
          maxStorageBufferBindingSize: isSplit ? 1024 : 2 ** 27,
          maxUniformBufferBindingSize: 65536,
          maxComputeWorkgroupsPerDimension: 20,
          minStorageBufferOffsetAlignment: 256,
        });
        const recorded = record(program);
        try {
          await recorded.prepare(a, b);
        } finally {
          setLimits(limits);
        }
        const { arenas, livePeakBytes } = recorded.memory;
        for (const bytes of arenas) expect(bytes, draw.label).toBeLessThanOrEqual(maxBufferSize);
        expect(livePeakBytes, draw.label).toBeLessThanOrEqual(recorded.allocatedBytes);
        for (let i = 0; i < 2; i++) expectSameBits(await allBits(await recorded(a, b)), expected, draw.label);
        recorded.dispose();
      }
      for (const t of [...eager, a, b]) t.dispose();
    }
  });
});

describe('what a recorded step uses from outside', () => {
  const sevens = (sizes: number[]) => sizes.flatMap((size) => [0, 1].map(() => full([size], 7)));
  const expectSevens = async (tensors: Tensor[]) => {
    for (const t of tensors) {
      expect(new Set(await t.data())).toEqual(new Set([7]));
      t.dispose();
    }
  };

  test('is its own until the step is disposed of: after dispose() the step refuses, by name', async () => {
    const before = gpu.pool.liveBytes;
    const [x, outside] = [ones([1000]), full([1000], 3)];
    const recorded = record((t: Tensor) => {
      const y = add(t, outside);
      fold(outside, t);
      return y;
    });
    expect((await values(await recorded(x)))[0]).toBe(4);
    const view = outside.view(64, [1]);
    outside.dispose();
    // A view still holds it.
    expect((await values(await recorded(x)))[0]).toBe(8);
    view.dispose();
    const others = sevens([1000, 1000]);
    const refusal =
      'a recorded step uses a tensor of shape [1000], which was disposed of: record the step again, or dispose of it';
    await expect(recorded(x)).rejects.toThrow(refusal);
    await expect(recorded.profile(x)).rejects.toThrow(refusal);
    await expectSevens(others);
    x.dispose();
    expect(gpu.pool.liveBytes).toBeGreaterThan(before);
    recorded.dispose();
    expect(gpu.pool.liveBytes).toBe(before);
  });

  test('of a model or an optimizer: no weight and no state is changed after their dispose()', async () => {
    for (const which of ['model', 'optimizer'] as const) {
      const model = sequential([layers.dense({ units: 8 }), layers.dense({ units: 2 })], { inputShape: [2] });
      const optimizer = new Adam({ learningRate: 0.1 });
      const step = record((x: Tensor, labels: Tensor) => {
        const loss = softmaxCrossEntropy(model.logits(x, { training: true }), labels);
        optimizer.minimize(loss, model.trainableParameters);
        return loss;
      });
      const [x, labels] = [tensor([[1, 2]]), tensor(Int32Array.of(1))];
      await step(x, labels);
      const used = { model, optimizer }[which];
      used.dispose();
      const others = sevens([2, 8, 16, 64, 128, 256, 320]);
      await expect(step(x, labels)).rejects.toThrow(
        which === 'model'
          ? 'a recorded step uses weight dense.kernel of shape [2, 8], which was disposed of'
          : /^a recorded step uses state of Adam of shape \[\d+\], which was disposed of/,
      );
      await expectSevens(others);
      for (const t of [step, model, optimizer, x, labels]) t.dispose();
    }
  });

  test('may be a result of another step, as long as that step lives', async () => {
    const first = record((x: Tensor) => add(x, 1));
    const x = tensor([1, 2]);
    const result = await first(x);
    const second = record((t: Tensor) => add(t, result));
    expect(await values(await second(x))).toEqual([3, 5]);
    expect(await values(await second(x))).toEqual([3, 5]);
    first.dispose();
    await expect(second(x)).rejects.toThrow(
      'a recorded step uses a tensor of shape [2], which was disposed of',
    );
    second.dispose();
  });

  test('a source of samples that is disposed of ends an evaluation', async () => {
    const source = new ArraySource(Float32Array.of(1, 2, 3, 4), [0, 1], [2]);
    const model = sequential([layers.dense({ units: 2 })], { inputShape: [2] });
    const evaluator = new Evaluator(model, { source, indices: Uint32Array.of(0, 1) });
    await evaluator.run();
    source.dispose();
    const others = sevens([2, 4]);
    await expect(evaluator.run()).rejects.toThrow(
      'a recorded step uses a tensor of shape [2, 2], which was disposed of',
    );
    await expectSevens(others);
    for (const used of [evaluator, model]) used.dispose();
  });
});

describe('what a step returned', () => {
  test('is refused after dispose(), but for memory that is not shared', async () => {
    const before = gpu.pool.liveBytes;
    let kept: Tensor | undefined;
    const recorded = record((x: Tensor) => {
      kept = keep(mul(x, 5));
      return {
        sum: add(x, 1),
        host: hostTensor([1], 'f32', () => Float32Array.of(6)),
        view: mul(x, 2).view(64, [1]),
      };
    });
    const x = ones([100]);
    const { sum: y, host, view } = await recorded(x);
    recorded.dispose();
    const others = Array.from({ length: 8 }, () => full([100], 7));
    for (const t of [y, view])
      await expect(t.data()).rejects.toThrow(
        "a result of a recorded step was used after the step's dispose()",
      );
    expect(() => add(y, 1)).toThrow("a result of a recorded step was used after the step's dispose()");
    expect(await values(host)).toEqual([6]);
    expect(await values(kept!)).toEqual(new Array(100).fill(5));
    for (const t of others) expect(await values(t)).toEqual(new Array(100).fill(7));
    for (const t of [...others, x, y, view, host, kept!]) t.dispose();
    expect(gpu.pool.liveBytes).toBe(before);
  });

  test('a dispose() while calls wait rejects them, and harms nobody', async () => {
    const before = gpu.pool.liveBytes;
    const recorded = record((x: Tensor) => relu(x));
    const x = ones([10]);
    const calls = [recorded(x), recorded(x), recorded(x)];
    await Promise.resolve();
    recorded.dispose();
    for (const { status, ...rest } of await Promise.allSettled(calls)) {
      if (status === 'fulfilled') continue;
      expect(String((rest as PromiseRejectedResult).reason)).toContain(
        'a recorded step was called after its dispose()',
      );
    }
    expect(recorded.allocatedBytes).toBe(0);
    x.dispose();
    expect(gpu.pool.liveBytes).toBe(before);
    await gpu.sync();
  });

  test('only the plans of the 32 sets of shapes that were used last are kept', async () => {
    let runs = 0;
    const state = variable(zeros([1]));
    const recorded = record((x: Tensor) => {
      runs++;
      fold(
        state,
        hostTensor([1], 'f32', () => Float32Array.of(1)),
      );
      return add(x, 1);
    });
    const call = async (size: number) => {
      const x = ones([size]);
      const y = await recorded(x);
      x.dispose();
      return y;
    };
    await call(1000);
    await gpu.sync();
    const live = gpu.pool.liveBytes;
    const first = await call(1);
    for (let size = 2; size <= 32; size++) await call(size);
    expect(runs).toBe(33);
    await expect(first.data()).resolves.toBeDefined();
    // 1000 was used longest ago and went when 32 came; 1 is used again, so 2 is the next to go.
    await call(1);
    expect(runs).toBe(33);
    await call(33);
    await call(1);
    expect(runs).toBe(34);
    await call(2);
    expect(runs).toBe(35);
    for (let size = 34; size < 80; size++) await call(size);
    expect(gpu.pool.liveBytes - live).toBeLessThanOrEqual(31 * 256);
    await expect(first.data()).rejects.toThrow(
      'a result of a recorded step was used after calls with 32 other sets of shapes: results last until the next call',
    );
    expect(await values(await call(3))).toEqual([2, 2, 2]);
    recorded.dispose();
    state.dispose();
  });

  test('a recording that fails leaves nothing', async () => {
    const v = variable(ones([64]));
    const x = ones([64]);
    const recorded = record((t: Tensor) => {
      const y = relu(
        mul(
          add(
            t,
            hostTensor([64], 'f32', () => new Float32Array(64)),
          ),
          tensor([2]),
        ),
      );
      sum(mul(y, v));
      throw new Error('on purpose');
    });
    await expect(recorded(x)).rejects.toThrow('on purpose');
    const live = gpu.pool.liveBytes;
    for (let i = 0; i < 20; i++) await expect(recorded(x)).rejects.toThrow('on purpose');
    expect(gpu.pool.liveBytes).toBe(live);
    expect(gpu.activeRecording).toBeUndefined();
    for (const used of [recorded, v, x]) used.dispose();
  });
});

type ProgramStep = (live: Tensor[], choose: (i: number) => Tensor) => Tensor | undefined;

/**
 * Random ops on [rows, columns] tensors: some change a tensor in place, some read parts, some results are dropped early.
 * @param isSplit with ops whose launches can be split alone
 */
function randomProgram({ int, pick, chance }: Draw, rows: number, columns: number, isSplit: boolean) {
  const steps = Array.from({ length: int(3, 25) }, () => {
    const [i, j, factor] = [int(0, 99), int(0, 99), int(-3, 3) / 4];
    const splitting: ProgramStep[] = [
      (_, choose) => add(choose(i), choose(j)),
      (_, choose) => mul(choose(i), factor),
      (_, choose) => relu(choose(i)),
      (_, choose) => {
        // A kernel can't read what it writes.
        if (choose(i) !== choose(j)) fold(choose(i), choose(j));
        return undefined;
      },
    ];
    const others: ProgramStep[] = [
      (_, choose) => add(choose(i), sum(choose(j), { axes: 0 })),
      (_, choose) => slice(concat([choose(i), choose(j)], 0), [i % (rows + 1), 0], [rows, columns]),
    ];
    return pick(isSplit ? splitting : [...splitting, ...others]);
  });
  const dropped = steps.map(() => chance(0.3));
  const wanted = [int(0, 99), int(0, 99)];
  return (a: Tensor, b: Tensor): Tensor[] => {
    const live = [add(a, 0), mul(a, b)];
    const choose = (i: number) => live[i % live.length];
    steps.forEach((step, n) => {
      const made = step(live, choose);
      if (made) live.push(made);
      if (dropped[n] && live.length > 2) live.shift()?.dispose();
    });
    return [...new Set(wanted.map(choose))];
  };
}
