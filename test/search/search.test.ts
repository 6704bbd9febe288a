import { describe, expect, it } from 'vitest';
import { spanOf } from '../../src/search/coarseToFine.ts';
import { type SearchMethod, type SearchOptions, search, searchMethods } from '../../src/search/search.ts';
import { includes, type Space, space } from '../../src/search/space.ts';
import type { Trial } from '../../src/search/trial.ts';
import { mixed } from './functions.ts';

const gridded = {
  x: space.uniform(-5, 5, { steps: 3 }),
  units: space.integer(1, 64, { log: true, steps: 4 }),
  kind: space.choice(['a', 'b', 'c', 'd']),
};
type Mixed = typeof gridded;

/** Fails now and then, as trainings do. */
const objective: SearchOptions<Mixed>['objective'] = (point, { number }) => {
  if (number % 7 === 3) throw new Error(`trial ${number} diverged`);
  return number % 7 === 5 ? Number.NaN : mixed.objective(point);
};

const plan = (method: SearchMethod, seed = 5) => ({ space: gridded, method, trials: 24, seed, objective });

/** All of a trial but how long it took. */
const told = (trials: readonly Trial<Mixed>[]) => trials.map(({ seconds, ...rest }) => rest);

describe.each(searchMethods)('a search by %s', (method) => {
  it('has the same trials from the same seed, and others from another', async () => {
    const first = await search(plan(method));
    expect(first.trials).toHaveLength(24);
    expect(first.trials.map(({ number }) => number)).toEqual(Array.from({ length: 24 }, (_, i) => i + 1));
    expect(told((await search(plan(method))).trials)).toEqual(told(first.trials));
    expect(told((await search(plan(method, 6))).trials)).not.toEqual(told(first.trials));
  });

  it('keeps to its space', async () => {
    const { trials } = await search(plan(method));
    for (const { parameters } of trials) {
      expect(Object.keys(parameters)).toEqual(Object.keys(gridded));
      for (const [name, dimension] of Object.entries(gridded))
        expect(includes(dimension, parameters[name as keyof Mixed]), name).toBe(true);
    }
  });

  it('goes on after an interruption as if there had been none, from what JSON keeps of its trials', async () => {
    const whole = await search(plan(method));
    for (const done of [1, 11, 12, 13, 23, 24]) {
      const history = JSON.parse(JSON.stringify(whole.trials.slice(0, done)));
      const resumed = await search({ ...plan(method), history });
      expect(told(resumed.trials)).toEqual(told(whole.trials));
      expect(resumed.best?.number).toBe(whole.best?.number);
    }
  });

  it('records trials that fail, and goes on', async () => {
    const { trials, best } = await search(plan(method));
    expect(told(trials)[2]).toEqual({
      number: 3,
      parameters: trials[2].parameters,
      state: 'failed',
      message: 'trial 3 diverged',
    });
    expect(trials[4]).toMatchObject({ state: 'failed', message: 'the objective gave NaN' });
    const values = trials.flatMap(({ value }) => value ?? []);
    expect(values).toHaveLength(24 - 7);
    expect(best?.value).toBe(Math.min(...values));
  });

  it('has no best where all trials fail', async () => {
    const { trials, best } = await search({ ...plan(method), objective: () => Number.POSITIVE_INFINITY });
    expect(trials).toHaveLength(24);
    expect(best).toBeUndefined();
  });
});

describe('grid search', () => {
  it('tries every combination once', async () => {
    const { trials } = await search({ space: gridded, method: 'grid', seed: 1, objective: () => 0 });
    const points = new Set(trials.map(({ parameters }) => JSON.stringify(Object.values(parameters))));
    const all = [-5, 0, 5].flatMap((x) =>
      [1, 4, 16, 64].flatMap((units) => ['a', 'b', 'c', 'd'].map((kind) => JSON.stringify([x, units, kind]))),
    );
    expect(trials).toHaveLength(48);
    expect([...points].sort()).toEqual(all.sort());
  });

  it('ends with the grid, whatever number of trials was asked for', async () => {
    const { trials } = await search({ ...plan('grid'), trials: 1000 });
    expect(trials).toHaveLength(48);
  });

  it('takes all integers where no steps are given', async () => {
    const { trials } = await search({
      space: { n: space.integer(3, 6) },
      method: 'grid',
      seed: 1,
      objective: ({ n }) => n,
    });
    expect(trials.map(({ parameters }) => parameters.n).sort()).toEqual([3, 4, 5, 6]);
  });
});

describe('coarse-to-fine search', () => {
  it("draws its second stage from the range of the first one's best", async () => {
    const wide = { ...gridded, x: space.uniform(-50, 50) };
    const run = { space: wide, method: 'coarse-to-fine', seed: 2, objective: mixed.objective } as const;
    const { trials } = await search({ ...run, trials: 60, coarseTrials: 20, best: 3 });
    const best = [...trials.slice(0, 20)].sort((a, b) => a.value! - b.value!).slice(0, 3);
    const second = spanOf(
      wide,
      best.map(({ parameters }) => parameters),
    );
    const holds = (trial: (typeof trials)[number]) =>
      Object.entries(second).every(([name, dimension]) =>
        includes(dimension, trial.parameters[name as keyof Mixed]),
      );
    expect(trials.slice(20).every(holds)).toBe(true);
    expect(trials.slice(0, 20).every(holds)).toBe(false);
    const xs = trials.slice(20).map(({ parameters }) => parameters.x);
    const { low, high } = second.x as { low: number; high: number };
    // All of the second range is drawn from.
    expect(Math.min(...xs)).toBeLessThan(low + 0.2 * (high - low));
    expect(Math.max(...xs)).toBeGreaterThan(high - 0.2 * (high - low));
  });

  it('spans the best points, a little widened, within the space', () => {
    const whole: Space = {
      x: space.uniform(0, 10),
      rate: space.logUniform(1e-4, 1),
      units: space.integer(1, 100),
      few: space.integer(1, 3),
      kind: space.choice(['a', 'b', 'c', 'd']),
    };
    const points = [
      { x: 4, rate: 0.01, units: 1, few: 2, kind: 'd' },
      { x: 8, rate: 0.1, units: 21, few: 2, kind: 'b' },
      { x: 5, rate: 0.03, units: 4, few: 2, kind: 'd' },
    ];
    expect(spanOf(whole, points)).toEqual({
      // By a tenth of 4, which is less than 0.05 of 10.
      x: { kind: 'uniform', low: 3.5, high: 8.5 },
      // By 0.05 of four decades.
      rate: { kind: 'logUniform', low: expect.closeTo(10 ** -2.2, 5), high: expect.closeTo(10 ** -0.8, 4) },
      units: { kind: 'integer', low: 1, high: 26 },
      few: { kind: 'integer', low: 2, high: 2 },
      kind: { kind: 'choice', values: ['b', 'd'] },
    });
  });

  it('searches all of the space where nothing of the first stage worked', async () => {
    const { trials } = await search({
      space: gridded,
      method: 'coarse-to-fine',
      trials: 12,
      seed: 3,
      objective: (point, { number }) => (number <= 6 ? Number.NaN : mixed.objective(point)),
    });
    expect(trials.filter(({ state }) => state === 'complete')).toHaveLength(6);
  });
});

describe('a search', () => {
  it('tells of each trial, and ends where that throws', async () => {
    const seen: number[] = [];
    const run = search({
      ...plan('random'),
      onTrial: async ({ number }, trials) => {
        seen.push(number);
        expect(trials).toHaveLength(number);
        if (number === 4) throw new Error('the disk is full');
      },
    });
    await expect(run).rejects.toThrow('the disk is full');
    expect(seen).toEqual([1, 2, 3, 4]);
  });

  it('ends where it is asked to: between trials, and in one, which then is none', async () => {
    const between = new AbortController();
    const kept: number[] = [];
    const run = search({
      ...plan('random'),
      signal: between.signal,
      objective: (point, { number }) => {
        if (number === 2) between.abort(new Error('enough'));
        return mixed.objective(point);
      },
      onTrial: ({ number }) => kept.push(number),
    });
    await expect(run).rejects.toThrow('enough');
    expect(kept).toEqual([1, 2]);

    const within = new AbortController();
    const broken = search({
      ...plan('random'),
      signal: within.signal,
      objective: () => {
        within.abort(new Error('enough'));
        throw new Error('broken off');
      },
      onTrial: ({ number }) => kept.push(number),
    });
    await expect(broken).rejects.toThrow('enough');
    expect(kept).toEqual([1, 2]);
  });

  const refused: [string, object, string | RegExp][] = [
    [
      'an unknown method',
      { method: 'annealing' },
      /no method 'annealing'; there are grid, random, coarse-to-f/,
    ],
    ['no number of trials', { trials: undefined }, "say how many trials the method 'random' is to have"],
    ['no trial', { trials: 0 }, 'trials must be a whole number from 1 on, got 0'],
    ['half a seed', { seed: 0.5 }, 'seed must be a whole number from 0 on, got 0.5'],
    ['a first stage of none', { coarseTrials: 0 }, 'coarseTrials must be a whole number from 1 on, got 0'],
    ['a bad space', { space: { x: space.uniform(2, 1) } }, "parameter 'x': low must be less than high"],
    [
      'a grid without steps',
      { method: 'grid', space: { x: space.uniform(0, 1) } },
      "a grid needs to know how many values of 'x' to take: give it steps, as in uniform(0, 1, { steps: 5 })",
    ],
    [
      'too large a grid',
      { method: 'grid', space: { a: space.integer(1, 2000), b: space.integer(1, 2000) } },
      'the grid has 4000000 points, more than 1000000',
    ],
    [
      'too many integers',
      { method: 'grid', space: { a: space.integer(1, 1e9) } },
      "'a' has 1000000000 values",
    ],
    [
      'a history with a gap',
      { history: [{ number: 2, parameters: {}, state: 'complete', value: 1, seconds: 1 }] },
      'trial 2 is at place 1',
    ],
    [
      'a history of another space',
      { history: [{ number: 1, parameters: { y: 1 }, state: 'complete', value: 1, seconds: 1 }] },
      'trial 1 of the history has other parameters than the space: y, not x, units, kind',
    ],
    [
      'a history of another range',
      {
        history: [
          { number: 1, parameters: { x: 9, units: 1, kind: 'a' }, state: 'complete', value: 1, seconds: 1 },
        ],
      },
      "trial 1 of the history has x 9, which the space doesn't hold",
    ],
  ];
  it.each(refused)('refuses %s', async (_, options, message) => {
    const run = search({ ...plan('random'), ...options } as SearchOptions<Mixed>);
    await expect(run).rejects.toThrow(message);
  });
});
