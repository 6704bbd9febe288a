import { describe, expect, it } from 'vitest';
import { Draws } from '../../src/search/draws.ts';
import { Categories, normalCdf, Parzen } from '../../src/search/parzen.ts';
import { search } from '../../src/search/search.ts';
import { type ParametersOf, type Space, space } from '../../src/search/space.ts';
import { branin, mixed, quadratic } from './functions.ts';

const SEEDS = Array.from({ length: 20 }, (_, seed) => seed);

const median = (values: readonly number[]): number => {
  const sorted = [...values].sort((a, b) => a - b);
  return (sorted[Math.floor((sorted.length - 1) / 2)] + sorted[Math.ceil((sorted.length - 1) / 2)]) / 2;
};

interface Known<S extends Space> {
  space: S;
  objective: (parameters: ParametersOf<S>) => number;
  minimum: number;
}

/** The median over the seeds of how far the best trial is from the minimum. */
async function gap<S extends Space>(
  { space, objective, minimum }: Known<S>,
  method: 'random' | 'tpe',
  trials: number,
): Promise<number> {
  const gaps: number[] = [];
  for (const seed of SEEDS) {
    const { best } = await search({ space, objective, method, trials, seed });
    gaps.push(best!.value! - minimum);
  }
  return median(gaps);
}

describe('the tree-structured Parzen estimator', () => {
  // Less than half of random search's distance: a median of 20 is not that far off by chance.
  it.each([
    ["Branin's function", 40, () => gap(branin, 'tpe', 40), () => gap(branin, 'random', 40)],
    ['a quadratic over logarithms', 40, () => gap(quadratic, 'tpe', 40), () => gap(quadratic, 'random', 40)],
    ['a function of mixed parameters', 40, () => gap(mixed, 'tpe', 40), () => gap(mixed, 'random', 40)],
  ])('finds better than random search on %s, %d trials', async (_, _trials, tpe, random) => {
    const [found, beside] = [await tpe(), await random()];
    expect(found).toBeGreaterThanOrEqual(-1e-6);
    expect(found).toBeLessThan(beside / 2);
  });

  it('finds better than random search where half of the space fails', async () => {
    const failing = {
      ...branin,
      objective(point: { x: number; y: number }): number {
        if (point.x > 2.5) throw new Error('diverged');
        return branin.objective(point);
      },
    };
    expect(await gap(failing, 'tpe', 40)).toBeLessThan(await gap(failing, 'random', 40));
    const { trials } = await search({ ...failing, method: 'tpe', trials: 60, seed: 1 });
    const failures = (from: number) =>
      trials.slice(from, from + 30).filter(({ state }) => state === 'failed').length;
    // It keeps away from where it failed.
    expect(failures(30)).toBeLessThan(failures(0));
  });

  it('maximises as it minimises', async () => {
    const { space } = branin;
    const down = await search({ space, method: 'tpe', trials: 30, seed: 4, objective: branin.objective });
    const negative = (point: { x: number; y: number }) => -branin.objective(point);
    const up = await search({
      space,
      method: 'tpe',
      trials: 30,
      seed: 4,
      direction: 'maximize',
      objective: negative,
    });
    expect(up.trials.map(({ parameters }) => parameters)).toEqual(
      down.trials.map(({ parameters }) => parameters),
    );
    expect(up.best?.parameters).toEqual(down.best?.parameters);
  });

  it('draws its first trials at random, whatever they give', async () => {
    const plan = { space: branin.space, trials: 12, seed: 9, startupTrials: 7 };
    const tpe = await search({ ...plan, method: 'tpe', objective: branin.objective });
    const random = await search({ ...plan, method: 'random', objective: () => 0 });
    const points = (result: typeof tpe) => result.trials.map(({ parameters }) => parameters);
    expect(points(tpe).slice(0, 7)).toEqual(points(random).slice(0, 7));
    expect(points(tpe).slice(7)).not.toEqual(points(random).slice(7));
  });
});

describe('Parzen windows', () => {
  const none = () => undefined;
  const sets = [[], [0.2], [0.5], [0, 1], [0.1, 0.12, 0.9], [0.3, 0.3, 0.3]];

  it.each(sets.map((set) => [set]))('are a density on the interval: %j', (observations) => {
    const density = new Parzen(observations, none);
    const steps = 2000;
    let integral = 0;
    for (let i = 0; i < steps; i++) integral += Math.exp(density.log((i + 0.5) / steps)) / steps;
    expect(integral).toBeCloseTo(1, 4);
    const draws = new Draws(1, 'test');
    const drawn = Array.from({ length: 2000 }, () => density.draw(draws));
    expect(drawn.every((unit) => unit >= 0 && unit <= 1)).toBe(true);
    // Draws fall where the density is.
    let below = 0;
    for (let i = 0; i < steps / 2; i++) below += Math.exp(density.log((i + 0.5) / steps)) / steps;
    expect(drawn.filter((unit) => unit < 0.5).length / 2000).toBeCloseTo(below, 1);
  });

  it('share out all of the probability among cells', () => {
    const cellOf = (unit: number): [number, number] => [
      Math.floor(unit * 4) / 4,
      Math.floor(unit * 4 + 1) / 4,
    ];
    const density = new Parzen([0.1, 0.6], cellOf);
    const shares = [0.1, 0.3, 0.6, 0.9].map((unit) => Math.exp(density.log(unit)));
    expect(shares.reduce((sum, share) => sum + share)).toBeCloseTo(1, 5);
  });

  it('are as wide as the distance to the farther neighbour', () => {
    // With the prior's at 0.5: 0.1 (0.1 to 0.2), 0.2 (0.3 to 0.5), each a third; at 0.2 the densities are known.
    const normal = (x: number, mean: number, width: number) => {
      const within = normalCdf((1 - mean) / width) - normalCdf(-mean / width);
      return Math.exp(-(((x - mean) / width) ** 2) / 2) / (Math.sqrt(2 * Math.PI) * width * within);
    };
    const expected = (normal(0.2, 0.1, 0.25) + normal(0.2, 0.2, 0.3) + normal(0.2, 0.5, 1)) / 3;
    // Three windows are no narrower than a quarter.
    expect(new Parzen([0.2, 0.1], none).log(0.2)).toBeCloseTo(Math.log(expected), 6);
  });

  it('count categories, each once more than it was seen', () => {
    const density = new Categories([2, 2, 0], 3);
    expect([0, 1, 2].map((category) => Math.exp(density.log(category)))).toEqual([
      expect.closeTo(2 / 6),
      expect.closeTo(1 / 6),
      expect.closeTo(3 / 6),
    ]);
  });

  it('rest on the normal distribution', () => {
    // Values of tables.
    for (const [x, share] of [
      [0, 0.5],
      [1, 0.8413447],
      [-1, 0.1586553],
      [1.959964, 0.975],
      [-3, 0.0013499],
    ])
      expect(Math.abs(normalCdf(x) - share)).toBeLessThan(2e-7);
  });
});

describe('few choices', () => {
  it('are all tried before one is tried twice', async () => {
    const { trials } = await search({
      space: { a: space.choice([1, 2, 3]), b: space.choice(['x', 'y']) },
      method: 'tpe',
      trials: 6,
      seed: 3,
      startupTrials: 2,
      objective: ({ a, b }) => a + (b === 'x' ? 0 : 1),
    });
    expect(new Set(trials.map(({ parameters }) => JSON.stringify(parameters))).size).toBe(6);
  });
});
