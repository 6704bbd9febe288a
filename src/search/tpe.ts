import { Axis } from './axis.ts';
import type { Draws } from './draws.ts';
import { isNew, type Point, type Proposing } from './method.ts';
import { Categories, type Density, Parzen } from './parzen.ts';
import { drawPoint } from './random.ts';
import type { Dimension, ParameterValue } from './space.ts';
import { ranked } from './trial.ts';

/*
 * The tree-structured Parzen estimator (J. Bergstra, R. Bardenet, Y. Bengio, B. Kégl: "Algorithms for hyper-parameter optimization",
 * NIPS 2011), for spaces whose parameters all exist at once: a tree that is one level high.
 *
 *   Trials are split in the best share gamma, and the others.     l(x): density of the good ones, g(x): of the others
 *   The expected improvement over the value between them grows with l(x) / g(x).
 *   Candidates are drawn from l; the one with the largest l(x) / g(x) is tried next.
 *
 * The densities are products over the parameters, so each parameter's candidates are ranked by themselves. A trial that failed is one of the
 * others: where a network diverges is no good place to look.
 */

/** The share of the trials that is good, as in the paper, and how many at most, as in Optuna. */
const GAMMA = 0.15;
const MOST_GOOD = 25;
const CANDIDATES = 24;

/** Proposes a trial: at random while there are too few before it to learn from. */
export function tpe(
  { space, direction, history, draws }: Proposing,
  { startupTrials }: { startupTrials: number },
): Point {
  const complete = history.filter(({ state }) => state === 'complete').length;
  if (history.length < startupTrials || complete === 0) return drawPoint(space, draws);
  const count = Math.min(MOST_GOOD, Math.ceil(GAMMA * complete));
  const points = ranked(history, direction).map(({ parameters }) => parameters);
  const [good, others] = [points.slice(0, count), points.slice(count)];
  const promising = Object.fromEntries(
    Object.entries(space).map(([name, dimension]) => {
      const values = (points: readonly Point[]) => points.map((point) => point[name]);
      return [name, mostPromising(dimension, values(good), values(others), draws)];
    }),
  );
  // Of few choices, the same are the most promising again and again: there is nothing more to learn from them.
  return isNew(promising, history) ? promising : drawPoint(space, draws);
}

/** The candidate with the largest ratio of the densities. */
function mostPromising(
  dimension: Dimension,
  good: readonly ParameterValue[],
  others: readonly ParameterValue[],
  draws: Draws,
): ParameterValue {
  if (dimension.kind === 'choice') {
    const density = (values: readonly ParameterValue[]) =>
      new Categories(
        values.map((value) => dimension.values.indexOf(value)),
        dimension.values.length,
      );
    return dimension.values[best(density(good), density(others), draws)];
  }
  const axis = new Axis(dimension);
  const cellOf = (unit: number) => axis.cellOf(axis.valueAt(unit));
  const density = (values: readonly ParameterValue[]) =>
    new Parzen(
      values.map((value) => axis.unitOf(value as number)),
      cellOf,
    );
  return axis.valueAt(best(density(good), density(others), draws));
}

function best<T>(l: Density<T>, g: Density<T>, draws: Draws): T {
  const candidates = Array.from({ length: CANDIDATES }, () => l.draw(draws));
  const ratios = candidates.map((candidate) => l.log(candidate) - g.log(candidate));
  return candidates[ratios.indexOf(Math.max(...ratios))];
}
