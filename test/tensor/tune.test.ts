import { beforeAll, beforeEach, describe, expect, it } from 'vitest';
import packageJson from '../../package.json' with { type: 'json' };
import type { Gpu } from '../../src/gpu/gpu.ts';
import { kernel } from '../../src/gpu/kernel.ts';
import { mul } from '../../src/kernels/binary.ts';
import { matmul } from '../../src/kernels/matmul/index.ts';
import { softmaxCrossEntropy } from '../../src/kernels/softmaxCrossEntropy.ts';
import { layers } from '../../src/nn/layers/index.ts';
import { Adam } from '../../src/nn/optimizers/index.ts';
import { sequential } from '../../src/nn/sequential.ts';
import { type ChoiceRequest, choicesOf, choose, pinChoices } from '../../src/tensor/choices.ts';
import { full, zeros } from '../../src/tensor/create.ts';
import { launch } from '../../src/tensor/launch.ts';
import { scope } from '../../src/tensor/scope.ts';
import { type ChoiceStore, type StoredChoice, tune } from '../../src/tensor/tune.ts';
import { VERSION } from '../../src/tensor/version.ts';
import { testGpu } from '../support/gpu.ts';

let gpu: Gpu;
beforeAll(async () => {
  gpu = await testGpu();
});
beforeEach(() => pinChoices(gpu, {}));

/** A store in memory, with what was saved. */
function memoryStore(kept: Record<string, StoredChoice> = {}) {
  const saved: Record<string, StoredChoice>[] = [];
  const store: ChoiceStore = {
    load: async () => kept,
    save: async (_, choices) => {
      saved.push(choices);
      Object.assign(kept, choices);
    },
  };
  return { store, kept, saved };
}

/** How much work each candidate does, in products of 192x192, what it adds to the right result, and its predicted cost. */
type Fake = Record<string, { work: number; off?: number; cost: number }>;

/** A request whose candidates do so; `runs` lists those that were run. */
function fake(key: string, candidates: Fake) {
  const runs: string[] = [];
  const request: ChoiceRequest = {
    key,
    candidates: Object.entries(candidates).map(([name, { cost }]) => ({ name, cost, tolerance: 1e-6 })),
    flops: 1e6,
    prepare() {
      const x = full([192, 192], 1 / 192);
      return {
        run(name) {
          runs.push(name);
          const { work, off = 0 } = candidates[name];
          return scope(() => {
            let y = x;
            for (let i = 0; i < work; i++) y = matmul(x, x, { variant: 'plain' });
            return mul(y, full([], 1 + off));
          });
        },
        dispose: () => x.dispose(),
      };
    },
  };
  return { request, runs, ask: () => choose(gpu, request) };
}

const chosenOf = (rows: Awaited<ReturnType<typeof tune>>) =>
  rows.filter(({ chosen }) => chosen).map(({ candidate }) => candidate);

describe('tune', () => {
  it('takes the candidate that is fastest in truth, whatever was predicted', async () => {
    const { ask } = fake('op', { plain: { work: 8, cost: 1 }, other: { work: 1, cost: 3 } });
    expect(ask()).toBe('plain');
    const rows = await tune(ask);
    expect(ask()).toBe('other');
    expect(rows.map(({ candidate, chosen }) => [candidate, chosen])).toEqual([
      ['plain', false],
      ['other', true],
    ]);
    for (const row of rows) {
      expect(row).toMatchObject({ key: 'op', wrong: false, source: 'timed', error: 0 });
      expect(row.gflops).toBeCloseTo(1e6 / row.ms! / 1e6);
    }
    expect(rows[0].ms).toBeGreaterThan(rows[1].ms!);
    expect(rows.map(({ predicted }) => predicted)).toEqual([1, 3]);
  });

  it('never takes one whose values are wrong, and says which that is', async () => {
    const { ask } = fake('op', {
      plain: { work: 3, cost: 10 },
      wrong: { work: 1, off: 1e-3, cost: 1 },
      broken: { work: 1, off: Number.NaN, cost: 2 },
    });
    const rows = await tune(ask);
    expect(chosenOf(rows)).toEqual(['plain']);
    const wrong = rows.filter((row) => row.wrong);
    expect(wrong.map(({ candidate, ms }) => [candidate, ms])).toEqual([
      ['wrong', undefined],
      ['broken', undefined],
    ]);
    expect(wrong[0].error).toBeCloseTo(1e-3, 5);
    expect(wrong[1].error).toBe(Number.POSITIVE_INFINITY);
    expect(ask()).toBe('plain');
  });

  it("leaves out one that doesn't compile on this adapter, and the device goes on", async () => {
    const broken = kernel({
      name: 'refused-candidate',
      lanes: 1,
      write: { y: 'f32' },
      body: 'y[0] = noSuchFunction();',
    });
    const { request } = fake('op', { plain: { work: 1, cost: 2 }, refused: { work: 1, cost: 1 } });
    const prepare = () => {
      const trial = request.prepare();
      const run = (name: string) => {
        const y = trial.run(name);
        if (name === 'refused') launch(broken, { y }, { items: 1 });
        return y;
      };
      return { ...trial, run };
    };
    const ask = () => {
      const name = choose(gpu, { ...request, prepare });
      // What an op does until a candidate is decided on.
      if (name === 'refused') launch(broken, { y: zeros([1]) }, { items: 1 });
      return name;
    };
    for (const retune of [false, true]) {
      const rows = await tune(ask, { retune });
      expect(rows.map(({ candidate, chosen, ms }) => [candidate, chosen, ms === undefined])).toEqual([
        ['plain', true, false],
        ['refused', false, true],
      ]);
      expect(rows[1].refused).toMatch(/^kernel refused-candidate doesn't compile:.*noSuchFunction/s);
      expect(ask()).toBe('plain');
      expect(await full([1], 2).data()).toEqual(Float32Array.of(2));
    }
  });

  it('tries those that are predicted to be cheap, two at least, and runs the plain one once to compare', async () => {
    const { ask, runs } = fake('op', {
      plain: { work: 1, cost: 1000 },
      second: { work: 1, cost: 100 },
      first: { work: 1, cost: 1 },
    });
    const rows = await tune(ask);
    expect(rows.map(({ candidate }) => candidate)).toEqual(['first', 'second']);
    expect(runs.filter((name) => name === 'plain')).toHaveLength(1);
  });

  it('asks for nothing twice: what is decided or stored is not timed again, unless it is to be', async () => {
    const { store, kept, saved } = memoryStore();
    const { ask, runs, request } = fake('op', { plain: { work: 8, cost: 1 }, other: { work: 1, cost: 3 } });
    const asking = () => {
      ask();
      ask();
    };
    await tune(asking, { store });
    expect(saved).toHaveLength(1);
    expect(kept.op).toMatchObject({ candidate: 'other', among: ['plain', 'other'] });

    runs.length = 0;
    expect((await tune(asking, { store })).map(({ source }) => source)).toEqual(['decided']);
    pinChoices(gpu, {});
    const [row] = await tune(asking, { store });
    expect(row).toMatchObject({ candidate: 'other', source: 'stored', chosen: true, ms: kept.op.ms });
    expect(ask()).toBe('other');
    expect(runs).toEqual([]);
    expect(saved).toHaveLength(1);

    // Decided among other candidates than now, or for one that is no more: it doesn't hold.
    for (const among of [['plain', 'other', 'third'], 'plain,other'])
      for (const candidate of ['other', 'third']) {
        pinChoices(gpu, {});
        kept.op = { candidate, among } as StoredChoice;
        expect((await tune(ask, { store }))[0].source).toBe('timed');
      }

    runs.length = 0;
    kept.op = { candidate: 'plain', among: request.candidates.map(({ name }) => name) };
    expect((await tune(ask, { store, retune: true }))[0].source).toBe('timed');
    expect(kept.op.candidate).toBe('other');
    expect(runs.length).toBeGreaterThan(2);
  });

  it('goes by predicted cost alone where it must not time', async () => {
    const { ask, runs } = fake('op', { plain: { work: 1, cost: 2 }, other: { work: 9, cost: 1 } });
    const rows = await tune(ask, { time: false });
    expect(rows).toMatchObject([{ candidate: 'other', chosen: true, source: 'predicted' }]);
    expect(runs).toEqual([]);
    expect(choicesOf(gpu).get('op')).toBe('other');
  });

  it('tells how far it is, and keeps what was decided when it is ended', async () => {
    const first = fake('first', { plain: { work: 1, cost: 1 }, other: { work: 1, cost: 2 } });
    const second = fake('second', { plain: { work: 1, cost: 1 }, other: { work: 1, cost: 2 } });
    const { store, kept } = memoryStore();
    const seen: [number, number, string][] = [];
    const asking = () => [first.ask(), second.ask()];
    const ended = tune(asking, {
      store,
      onProgress(done, total, current) {
        seen.push([done, total, current]);
        if (current === 'second: timing') throw new Error('enough');
      },
    });
    await expect(ended).rejects.toThrow('enough');
    expect(seen).toEqual([
      [0, 6, 'first: plain'],
      [1, 6, 'first: other'],
      [2, 6, 'first: timing'],
      [3, 6, 'second: plain'],
      [4, 6, 'second: other'],
      [5, 6, 'second: timing'],
    ]);
    expect(Object.keys(kept)).toEqual(['first']);
  });

  it('leaves nothing in memory', async () => {
    const { ask } = fake('op', { plain: { work: 2, cost: 1 }, other: { work: 1, cost: 2 } });
    await tune(ask);
    const { liveBytes, allocatedBytes } = gpu.pool;
    await tune(ask, { retune: true });
    expect(gpu.pool).toMatchObject({ liveBytes, allocatedBytes });
  });
});

describe('tuning a training step', () => {
  it('changes neither weights nor random streams, and decides every pass', async () => {
    const { conv2d, dropout, flatten, dense } = layers;
    const stack = [
      conv2d({ filters: 4, activation: 'relu' }),
      dropout({ rate: 0.5 }),
      flatten(),
      dense({ units: 3 }),
    ];
    const model = sequential(stack, { inputShape: [6, 6, 1], seed: 1 });
    const optimizer = new Adam();
    const before = await model.save();
    const rows = await tune(() => {
      const logits = model.logits(full([9, 6, 6, 1], 0.5), { training: true });
      const loss = softmaxCrossEntropy(logits, zeros([9], 'i32'));
      optimizer.minimize(loss, model.trainableParameters);
      return loss;
    });
    expect(Buffer.from(await model.save()).equals(before)).toBe(true);
    expect(model.randomStreams.map(({ position }) => position)).toEqual([0]);
    expect(optimizer.iterations).toBe(0);

    const keys = [...new Set(rows.map(({ key }) => key))];
    expect(keys.filter((key) => key.startsWith('conv2d'))).toEqual([
      expect.stringMatching(/^conv2d forward 6x6 1-4 3x3 valid.*, large$/),
      expect.stringMatching(/^conv2d filterGradient 6x6 1-4 3x3 valid.*, large$/),
    ]);
    expect(keys.filter((key) => key.startsWith('matmul')).sort()).toEqual([
      'matmul [n,3] [64,3]T, large',
      'matmul [n,64] [64,3], large',
      'matmul [n,64]T [n,3], large',
    ]);
    for (const key of keys) expect(rows.filter((row) => row.key === key && row.chosen)).toHaveLength(1);
    for (const row of rows) expect(row, JSON.stringify(row)).toMatchObject({ source: 'timed', wrong: false });
    model.dispose();
    optimizer.dispose();
  });
});

describe('pinned choices', () => {
  it('replace what was decided before, and name a candidate that is not offered, once', () => {
    const { ask } = fake('op', { plain: { work: 1, cost: 2 }, other: { work: 1, cost: 1 } });
    choicesOf(gpu).set('op', 'plain');
    pinChoices(gpu, {});
    expect(ask()).toBe('other');
    const told: string[][] = [];
    pinChoices(gpu, { op: 'gone', another: 'plain' }, (...missing) => void told.push(missing));
    expect([ask(), ask()]).toEqual(['other', 'other']);
    expect(told).toEqual([['op', 'gone', 'other']]);
  });
});

it('knows its own version', () => {
  expect(VERSION).toBe(packageJson.version);
});
