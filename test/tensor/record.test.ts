import { beforeAll, describe, expect, test } from 'vitest';
import type { Gpu, GpuCounters } from '../../src/gpu/gpu.ts';
import { kernel } from '../../src/gpu/kernel.ts';
import { add, mul } from '../../src/kernels/binary.ts';
import { concat } from '../../src/kernels/concat.ts';
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
