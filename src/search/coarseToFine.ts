import { Axis } from './axis.ts';
import type { Point, Proposing } from './method.ts';
import { drawPoint } from './random.ts';
import type { Choice, Dimension, NumberDimension, ParameterValue, Space } from './space.ts';
import { ranked } from './trial.ts';

/*
 * Coarse to fine: random search over the whole space, then random search over the range that the best few of the first stage span.
 */

/** A range is widened at both ends by this share of itself: the best value may lie just beyond the best that was tried ... */
const MARGIN = 0.1;
/** ... and by this share of the whole range at least: few trials may agree by chance. */
const LEAST_MARGIN = 0.05;

/** The part of a space that points span: ranges a little wider than theirs, of choices those that occur. */
export function spanOf(space: Space, points: readonly Point[]): Space {
  return Object.fromEntries(
    Object.entries(space).map(([name, dimension]) => {
      const values = points.map((point) => point[name]);
      return [name, dimension.kind === 'choice' ? occurring(dimension, values) : spanned(dimension, values)];
    }),
  );
}

const occurring = (choice: Choice, values: readonly ParameterValue[]): Dimension => ({
  ...choice,
  values: choice.values.filter((value) => values.includes(value)),
});

function spanned<D extends NumberDimension>(dimension: D, values: readonly ParameterValue[]): D {
  const axis = new Axis(dimension);
  const units = values.map((value) => axis.unitOf(value as number));
  const [least, most] = [Math.min(...units), Math.max(...units)];
  const margin = Math.max(MARGIN * (most - least), LEAST_MARGIN);
  const [low, high] = [least - margin, most + margin].map((unit) =>
    axis.valueAt(Math.min(1, Math.max(0, unit))),
  );
  return { ...dimension, low, high };
}

/** Proposes a trial of the first stage or of the second, whose range the trials of the first decide. */
export function coarseToFine(
  { space, direction, history, draws }: Proposing,
  { coarseTrials, best }: { coarseTrials: number; best: number },
): Point {
  if (history.length < coarseTrials) return drawPoint(space, draws);
  const coarse = history.slice(0, coarseTrials).filter(({ state }) => state === 'complete');
  const points = ranked(coarse, direction).slice(0, best);
  return drawPoint(
    points.length === 0
      ? space
      : spanOf(
          space,
          points.map(({ parameters }) => parameters),
        ),
    draws,
  );
}
