import { describe, expect, it } from 'vitest';
import { kernel } from '../../src/gpu/kernel.ts';
import { zeros } from '../../src/tensor/create.ts';
import { launch } from '../../src/tensor/launch.ts';
import { RepeatedWork } from '../../src/tensor/repeatedWork.ts';
import { testGpu } from '../support/gpu.ts';

const gpu = await testGpu();

/** Counts its runs, each of which takes so many turns of a loop. */
const counting = kernel({
  name: 'counting',
  lanes: 1,
  write: { y: 'u32' },
  uniforms: { turns: 'u32' },
  body: `
    var last = y[1];
    for (var i = 0u; i < u.turns; i++) { last = last * 1664525u + 1013904223u; }
    y[1] = last;
    y[0] += 1u;`,
});

function countingWork(turns: number) {
  const y = zeros([2], 'u32');
  const work = new RepeatedWork(gpu, () => {
    launch(counting, { y }, { items: 1, uniforms: { turns } });
    return undefined;
  });
  const runs = async () => (await y.data())[0];
  return { work, runs };
}

describe('repeated work', () => {
  it('runs once when it is asked to, and not at all when it is prepared', async () => {
    const { work, runs } = countingWork(1);
    expect(await work.refused()).toBeUndefined();
    expect(await runs()).toBe(0);
    await work.once();
    expect(await runs()).toBe(1);
    work.dispose();
  });

  it.each([
    ['short work many times', 1, 33, Number.POSITIVE_INFINITY],
    ['long work once', 20_000_000, 1, 1],
  ])('takes a sample of %s, and tells the time of one run', async (_, turns, least, most) => {
    const { work, runs } = countingWork(turns);
    await work.once();
    // The first one settles how often.
    await work.sample();
    const before = await runs();
    const start = performance.now();
    await work.sample();
    const elapsed = performance.now() - start;
    const count = (await runs()) - before;
    expect(count).toBeGreaterThanOrEqual(least);
    expect(count).toBeLessThanOrEqual(most);
    const [, ms] = work.samples;
    expect(ms * count).toBeLessThanOrEqual(elapsed);
    expect(ms * count).toBeGreaterThan(0.3 * elapsed);
    work.dispose();
  });

  it('leaves nothing in memory', async () => {
    const { work } = countingWork(1);
    const before = gpu.pool.liveBytes;
    await work.once();
    await work.sample();
    work.dispose();
    expect(gpu.pool.liveBytes).toBe(before);
  });
});
