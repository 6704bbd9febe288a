import { Axis } from './axis.ts';
import type { Draws } from './draws.ts';
import type { Point } from './method.ts';
import type { Dimension, ParameterValue, Space } from './space.ts';

/*
 * Random search (J. Bergstra, Y. Bengio: "Random search for hyper-parameter optimization", JMLR 13, 2012): every value is drawn by itself.
 */

const drawValue = (dimension: Dimension, draws: Draws): ParameterValue =>
  dimension.kind === 'choice'
    ? dimension.values[draws.below(dimension.values.length)]
    : new Axis(dimension).valueAt(draws.uniform());

/** A point of the space, every one as likely. */
export const drawPoint = (space: Space, draws: Draws): Point =>
  Object.fromEntries(Object.entries(space).map(([name, dimension]) => [name, drawValue(dimension, draws)]));
