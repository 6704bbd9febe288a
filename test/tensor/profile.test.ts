import { beforeAll, describe, expect, test } from 'vitest';
import type { Gpu } from '../../src/gpu/gpu.ts';
import { kernel } from '../../src/gpu/kernel.ts';
import { add } from '../../src/kernels/binary.ts';
import { conv2d } from '../../src/kernels/conv2d/index.ts';
import { sum } from '../../src/kernels/reduce.ts';
import { relu } from '../../src/kernels/relu.ts';
import { gradients, variable } from '../../src/tensor/autograd.ts';
import { ones, zeros } from '../../src/tensor/create.ts';
import { launch, split } from '../../src/tensor/launch.ts';
import { byOp, type ProfiledDispatch } from '../../src/tensor/profile.ts';
import { record } from '../../src/tensor/record.ts';
import type { Tensor } from '../../src/tensor/tensor.ts';
import { currentWork, work } from '../../src/tensor/work.ts';
import { testGpu } from '../support/gpu.ts';

let gpu: Gpu;
beforeAll(async () => {
  gpu = await testGpu();
});

const countKernel = kernel({
  name: 'count-up',
  lanes: 64,
  read: { by: 'f32' },
  write: { x: 'f32' },
  body: 'if (item < u.items) { x[item] += by[0]; }',
});
const countUp = (x: Tensor, by: Tensor) => launch(countKernel, { x: split(x, 1), by }, { items: x.size });

describe('work', () => {
  test('the innermost name holds, and ends with its function', () => {
    expect(currentWork()).toBeUndefined();
    const seen: unknown[] = [];
    const result = work({ op: 'outer', pass: 'forward' }, () => {
      work({ op: 'inner', pass: 'p', flops: 3 }, () => seen.push(currentWork()));
      seen.push(currentWork());
      return 5;
    });
    expect(result).toBe(5);
    expect(seen).toEqual([
      { op: 'inner', pass: 'p', flops: 3 },
      { op: 'outer', pass: 'forward' },
    ]);
    expect(() =>
      work({ op: 'failing', pass: 'p' }, () => {
        throw new Error('on purpose');
      }),
    ).toThrow('on purpose');
    expect(currentWork()).toBeUndefined();
  });
});

/** Runs `fn` as if the adapter had, or hadn't, a clock of its own. */
async function onClock<T>(clock: 'gpu' | 'cpu', fn: () => Promise<T>): Promise<T> {
  const own = gpu.clock;
  Object.assign(gpu, { clock });
  try {
    return await fn();
  } finally {
    Object.assign(gpu, { clock: own });
  }
}

describe('profile', () => {
  test('tells the kernel, op, pass, bytes, workgroups and operations of every dispatch', async () => {
    const w = variable(ones([3, 3, 2, 5]));
    const state = variable(zeros([300]));
    const recorded = record((x: Tensor, by: Tensor) => {
      const y = conv2d(x, w, undefined, { padding: 'same' });
      const loss = sum(work({ op: 'block', pass: 'forward' }, () => relu(y)));
      const [dw] = gradients(loss, [w]);
      countUp(state, by);
      return { loss, dw };
    });
    const x = ones([4, 6, 7, 2]);
    const by = ones([1]);
    const { dispatches, clock } = await recorded.profile(x, by);
    expect(clock).toBe(gpu.clock);
    const before = gpu.counters.dispatches;
    await recorded(x, by);
    // Beside them, the two arguments are copied in.
    expect(dispatches.length).toBe(gpu.counters.dispatches - before - 2);
    const ops = dispatches.map(({ op, pass }) => `${op}, ${pass}`);
    for (const expected of [
      'conv2d 3x3 6x7 2-5, forward',
      'conv2d 3x3 6x7 2-5, filter gradient',
      'block, forward',
      'block, backward',
      'sum, forward',
      'sum, backward',
      'seed-gradient, backward',
      'count-up, ',
    ])
      expect(ops).toContain(expected);
    expect(ops.filter((op) => op.startsWith('conv2d 3x3') && op.endsWith('input gradient'))).toEqual([]);
    const [forward] = dispatches.filter(({ pass, op }) => op.startsWith('conv2d') && pass === 'forward');
    expect(forward.flops).toBe(2 * 4 * 6 * 7 * 5 * 3 * 3 * 2);
    const [count] = dispatches.filter(({ kernel: name }) => name === 'count-up');
    expect({ ...count, ms: 0, work: 0 }).toEqual({
      kernel: 'count-up',
      op: 'count-up',
      pass: '',
      ms: 0,
      bytes: 300 * 4 + 4,
      workgroups: 5,
      work: 0,
    });
    for (const { ms } of dispatches) expect(ms >= 0 && ms < 60_000).toBe(true);
    recorded.dispose();
  });

  for (const clock of ['gpu', 'cpu'] as const) {
    test(`runs whole steps, on the clock of the ${clock}`, async () => {
      if (clock === 'gpu' && gpu.clock === 'cpu') return;
      const state = variable(zeros([64 * 2000]));
      const recorded = record((by: Tensor) => {
        for (let i = 0; i < 3; i++) countUp(state, add(by, i));
        return add(by, 1);
      });
      const by = ones([1]);
      const profile = await onClock(clock, () => recorded.profile(by));
      expect(profile.clock).toBe(clock);
      expect(profile.repetitions).toBeGreaterThanOrEqual(3);
      // The first repetition warms up. Each adds 1 + 2 + 3.
      expect((await state.data())[77]).toBe(6 * (profile.repetitions + 1));
      expect(profile.dispatches.length).toBe(7);
      // A sum over work that takes time: a clock that stands still, or counts other units, isn't within it.
      const total = profile.dispatches.reduce((sum, { ms }) => sum + ms, 0);
      await gpu.sync();
      const start = performance.now();
      await recorded(by);
      await gpu.sync();
      const step = performance.now() - start;
      expect(total).toBeGreaterThan(step / 100);
      expect(total).toBeLessThan(step * 100);
      const made = { ...gpu.counters };
      expect(await (await recorded(by)).item()).toBe(2);
      expect({ ...gpu.counters, dispatches: 0, submits: 0, readbacks: 0 }).toEqual({
        ...made,
        dispatches: 0,
        submits: 0,
        readbacks: 0,
      });
      recorded.dispose();
    });
  }

  test('a step without a dispatch has nothing to show', async () => {
    const recorded = record((x: Tensor) => x);
    expect((await recorded.profile(ones([3]))).dispatches).toEqual([]);
    recorded.dispose();
  });
});

test('byOp sums dispatches by op and pass; what a piece of work counts, it counts once', () => {
  const dispatch = (op: string, pass: string, work: number, flops?: number): ProfiledDispatch => ({
    kernel: 'k',
    op,
    pass,
    work,
    ms: 2,
    bytes: 10,
    workgroups: 1,
    flops,
  });
  const all = [
    dispatch('conv', 'forward', 0, 100),
    dispatch('conv', 'forward', 0, 100),
    dispatch('relu', 'forward', 1),
    dispatch('conv', 'forward', 2, 50),
    dispatch('conv', 'backward', 3, 100),
  ];
  expect(byOp(all)).toEqual([
    { op: 'conv', pass: 'forward', dispatches: 3, ms: 6, bytes: 30, flops: 150 },
    { op: 'relu', pass: 'forward', dispatches: 1, ms: 2, bytes: 10 },
    { op: 'conv', pass: 'backward', dispatches: 1, ms: 2, bytes: 10, flops: 100 },
  ]);
});
