import { WeftError } from '../errors.ts';
import { Axis } from './axis.ts';
import { Draws } from './draws.ts';
import type { Point } from './method.ts';
import type { Dimension, ParameterValue, Space } from './space.ts';

/*
 * Grid search: every combination of some values of each parameter, once. Combinations come in an order shuffled by the seed, so that the
 * first few of a large grid are spread over all of it.
 */

/** More points can't be gone through. */
const MOST_POINTS = 1_000_000;

function gridValues(name: string, dimension: Dimension): readonly ParameterValue[] {
  if (dimension.kind === 'choice') return dimension.values;
  const { kind, low, high, steps } = dimension;
  if (steps !== undefined) return new Axis(dimension).spread(steps);
  if (kind !== 'integer')
    throw new WeftError(
      `search: a grid needs to know how many values of '${name}' to take: give it steps, as in ${kind}(${low}, ${high}, { steps: 5 })`,
    );
  if (high - low >= MOST_POINTS)
    throw new WeftError(`search: '${name}' has ${high - low + 1} values, too many for a grid: give it steps`);
  return Array.from({ length: high - low + 1 }, (_, i) => low + i);
}

/** The points of a grid. */
export class Grid {
  readonly size: number;
  private readonly names: readonly string[];
  private readonly values: readonly (readonly ParameterValue[])[];
  private readonly order: Uint32Array;

  /** @throws WeftError where the grid has no end, or too many points */
  constructor(space: Space, seed: number) {
    this.names = Object.keys(space);
    this.values = this.names.map((name) => gridValues(name, space[name]));
    this.size = this.values.reduce((size, values) => size * values.length, 1);
    if (this.size > MOST_POINTS)
      throw new WeftError(
        `search: the grid has ${this.size} points, more than ${MOST_POINTS}: take fewer steps`,
      );
    this.order = new Draws(seed, 'grid').permutation(this.size);
  }

  /** The point of a trial, counted from 1. */
  point(trial: number): Point {
    let rest = this.order[trial - 1];
    const point: Record<string, ParameterValue> = {};
    for (const [i, name] of this.names.entries()) {
      const values = this.values[i];
      point[name] = values[rest % values.length];
      rest = Math.floor(rest / values.length);
    }
    return point;
  }
}
