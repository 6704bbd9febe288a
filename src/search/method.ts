import type { Draws } from './draws.ts';
import type { ParametersOf, Space } from './space.ts';
import type { Direction, Trial } from './trial.ts';

/** What a method knows when it proposes a trial: nothing else may decide, so that a search can be gone on with. */
export interface Proposing {
  readonly space: Space;
  readonly direction: Direction;
  /** All trials before this one. */
  readonly history: readonly Trial[];
  readonly draws: Draws;
}

export type Point = ParametersOf<Space>;

/** Whether a point is one that no trial had. */
export const isNew = (point: Point, history: readonly Trial[]): boolean =>
  !history.some(({ parameters }) => Object.keys(point).every((name) => parameters[name] === point[name]));
