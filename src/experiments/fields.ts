import * as v from 'valibot';
import type { ClassificationReport } from '../analysis/classification.ts';
import { finiteNumber, object, type Schema, wholeNumber } from '../schema.ts';

/*
 * Parts of the schemas of weft's files. A file may come from anybody: its numbers are bounded, so that what follows from them is, too.
 */

/** The largest numbers that commands take, and so that their files hold. */
export const MOST = {
  repeats: 1000,
  epochs: 10_000,
  /** Images, of a set or of a batch. */
  images: 1_000_000,
  /** A label is a byte. */
  classes: 256,
  layers: 10_000,
  /** Filters of a network's first convolution. */
  width: 4096,
  /** Channels of a layer, or units. */
  channels: 1_000_000,
  trials: 10_000,
  /** Times that work is gone on with. */
  resumed: 10_000,
} as const;

export const text = v.string('a text');
export const flag = v.boolean('true or false');

/** So many images, of a set or of a batch. */
export const images = (min = 0) => wholeNumber({ min, max: MOST.images });
export const epochs = (min = 1) => wholeNumber({ min, max: MOST.epochs });

/** Of every class one. */
export const classNumber = wholeNumber({ max: MOST.classes - 1 });

/** A list of at most so many. */
export const list = <T>(item: Schema<T>, most: number): Schema<readonly T[]> =>
  v.pipe(
    v.custom<unknown[]>(Array.isArray, 'an array'),
    // Before each is looked at.
    v.maxLength(most, `an array of at most ${most}`),
    v.array(item),
    v.readonly(),
  );

/** Within what single precision has, and a little more: charts need room around their figures. */
const bounded = (value: number): boolean => Math.abs(value) < 1e39;

/** A figure that was computed. */
export const figure = v.pipe(finiteNumber, v.check(bounded, 'a number below 1e39'));

/** A figure that may be no number: JSON has null for it. */
export const figureOrNaN = v.pipe(
  v.nullable(figure),
  v.transform((value) => value ?? Number.NaN),
);

/** From 0 to 1; a mean of shares may be a rounding error above. */
export const share = v.pipe(
  v.number('a number from 0 to 1'),
  v.minValue(0, 'a number from 0 to 1'),
  v.maxValue(1 + 1e-9, 'a number from 0 to 1'),
);

export const notNegative = v.pipe(figure, v.minValue(0, 'a number of at least 0'));
export const positive = v.pipe(
  figure,
  v.check((value) => value > 1e-39, 'a number above 0'),
);

/** A time that something took. */
export const seconds = v.pipe(notNegative, v.maxValue(1e12, 'a time of at most 1e12 seconds'));

/** Whatever describes classes one by one must be as long as the list of their names. */
export const isSquare = (matrix: readonly (readonly unknown[])[], size: number): boolean =>
  matrix.length === size && matrix.every((row) => row.length === size);

const classScores = object({
  name: text,
  precision: share,
  recall: share,
  f1: share,
  support: images(),
});

/** A matrix of classes by classes. */
export const byClasses = <T>(cell: Schema<T>) => list(list(cell, MOST.classes), MOST.classes);

const reportEntries = {
  samples: images(),
  accuracy: share,
  classes: list(classScores, MOST.classes),
  macro: classScores,
  weighted: classScores,
  confusion: byClasses(images()),
};

const hasOwnConfusion = ({ classes, confusion }: Pick<ClassificationReport, 'classes' | 'confusion'>) =>
  isSquare(confusion, classes.length);
const CONFUSION = 'an object whose confusion has a row and a column for each class';

/** What `classificationReport` finds. */
export const classificationReport: Schema<ClassificationReport> = v.pipe(
  object(reportEntries),
  v.check((report) => hasOwnConfusion(report), CONFUSION),
);

const testEntries = { ...reportEntries, loss: v.nullable(figure) };

/** A test of a classifier. */
export const testResult = v.pipe(
  object(testEntries),
  v.check((report) => hasOwnConfusion(report), CONFUSION),
);
