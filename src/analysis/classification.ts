import { ShapeError, WeftError } from '../errors.ts';
import { argmaxRow } from '../nn/evaluate.ts';

/** Precision, recall and F1 of one class, or their mean over classes; `support` is the number of samples. */
export interface ClassScores {
  readonly name: string;
  readonly precision: number;
  readonly recall: number;
  readonly f1: number;
  readonly support: number;
}

/** What `classificationReport` finds. */
export interface ClassificationReport {
  readonly samples: number;
  readonly accuracy: number;
  readonly classes: readonly ClassScores[];
  /** Mean over the classes. */
  readonly macro: ClassScores;
  /** Mean over the classes, weighted by their support. */
  readonly weighted: ClassScores;
  /** Samples by true class (row) and predicted class (column). */
  readonly confusion: readonly (readonly number[])[];
}

/** By what counts are divided: those of the true class (rows sum to 1), of the predicted one (columns do), or all. */
export type Normalize = 'true' | 'predicted' | 'all';

/** How `confusionMatrix` counts. */
export interface ConfusionOptions {
  /** As `normalize` of scikit-learn's `confusion_matrix`, whose 'pred' is 'predicted' here. Default: counts. */
  readonly normalize?: Normalize;
}

/**
 * How often each class was taken for which: samples by true class (row) and predicted class (column).
 * @param labels the true class of each sample, from 0 to `classes - 1`
 * @param predictions the predicted ones
 * @param classes how many there are
 * @returns counts, or shares where they are normalised; a row or column without samples has shares of 0, as in scikit-learn
 * @throws ShapeError where there are other than as many predictions as labels; WeftError naming a class that isn't one
 * @example
 * ```ts
 * import { confusionMatrix } from 'weft-gpu';
 *
 * const labels = [0, 0, 1, 2];
 * const predictions = [0, 1, 1, 2];
 * confusionMatrix(labels, predictions, 3); // [[1, 1, 0], [0, 1, 0], [0, 0, 1]]
 * confusionMatrix(labels, predictions, 3, { normalize: 'true' }); // [[0.5, 0.5, 0], [0, 1, 0], [0, 0, 1]]
 * ```
 */
export function confusionMatrix(
  labels: ArrayLike<number>,
  predictions: ArrayLike<number>,
  classes: number,
  { normalize }: ConfusionOptions = {},
): number[][] {
  checkClasses('confusionMatrix: labels', labels, classes);
  checkClasses('confusionMatrix: predictions', predictions, classes);
  if (labels.length !== predictions.length)
    throw new ShapeError(
      'confusionMatrix',
      `as many predictions as labels, ${labels.length}`,
      `${predictions.length}`,
    );
  const counts = Array.from({ length: classes }, () => new Array<number>(classes).fill(0));
  for (let i = 0; i < labels.length; i++) counts[labels[i]][predictions[i]]++;
  return normalize === undefined ? counts : normalizeConfusion(counts, normalize);
}

/**
 * Shares of a confusion matrix's counts.
 * @param confusion true classes down, predicted ones across
 * @throws WeftError where `normalize` is none of its words
 * @example
 * ```ts
 * import { normalizeConfusion } from 'weft-gpu';
 *
 * normalizeConfusion([[3, 1], [0, 2]], 'true'); // [[0.75, 0.25], [0, 1]]
 * ```
 */
export function normalizeConfusion(
  confusion: readonly (readonly number[])[],
  normalize: Normalize,
): number[][] {
  const rows = confusion.map(sum);
  const columns = confusion.map((_, k) => sum(confusion.map((row) => row[k])));
  const all = sum(rows);
  const wholes: Record<Normalize, (row: number, column: number) => number> = {
    true: (row) => rows[row],
    predicted: (_, column) => columns[column],
    all: () => all,
  };
  const whole = wholes[normalize];
  if (!whole)
    throw new WeftError(
      `normalize must be one of ${Object.keys(wholes)
        .map((name) => `'${name}'`)
        .join(', ')}, got '${normalize}'`,
    );
  return confusion.map((row, i) => row.map((count, k) => ratio(count, whole(i, k))));
}

/**
 * The class of each sample's largest probability; of several equal ones the first. Of one probability a sample, that of class 1: class 1
 * where it is above a half, else class 0.
 * @param probabilities [samples, classes], row-major: of several classes, logits do as well
 * @throws ShapeError where these are no whole rows; WeftError where one is NaN
 * @example
 * ```ts
 * import { predictedClasses } from 'weft-gpu';
 *
 * predictedClasses([0.1, 0.9, 0.8, 0.2], 2); // Uint32Array [1, 0]
 * ```
 */
export function predictedClasses(probabilities: ArrayLike<number>, classes: number): Uint32Array {
  const samples = countRows('predictedClasses', probabilities, classes);
  if (classes === 1) return Uint32Array.from({ length: samples }, (_, i) => Number(probabilities[i] > 0.5));
  return Uint32Array.from({ length: samples }, (_, i) => argmaxRow(rowOf(probabilities, i, classes)));
}

/**
 * What a classifier got right, class by class. With tp, fp and fn the true positives, false positives and false negatives of a
 * class: precision tp / (tp + fp), recall tp / (tp + fn), F1 2 tp / (2 tp + fp + fn); 0 where the divisor is 0, as in scikit-learn.
 * @param labels the true class of each sample, an index into `classNames`
 * @param predictions the predicted ones
 * @throws ShapeError where there are other than as many predictions as labels; WeftError naming a class that isn't one
 * @example
 * ```ts
 * import { classificationReport } from 'weft-gpu';
 *
 * const report = classificationReport([0, 0, 1, 1], [0, 1, 1, 1], ['cat', 'dog']);
 * report.accuracy; // 0.75
 * report.classes[0]; // { name: 'cat', precision: 1, recall: 0.5, f1: 0.6666666666666666, support: 2 }
 * report.macro.recall; // 0.75
 * ```
 */
export function classificationReport(
  labels: ArrayLike<number>,
  predictions: ArrayLike<number>,
  classNames: readonly string[],
): ClassificationReport {
  const confusion = confusionMatrix(labels, predictions, classNames.length);
  const classes = classNames.map((name, k) => {
    const hits = confusion[k][k];
    const support = sum(confusion[k]);
    const predicted = sum(confusion.map((row) => row[k]));
    const [precision, recall, f1] = [
      ratio(hits, predicted),
      ratio(hits, support),
      ratio(2 * hits, support + predicted),
    ];
    return { name, precision, recall, f1, support };
  });
  const samples = labels.length;
  const mean = (name: string, weight: (scores: ClassScores) => number): ClassScores => {
    const of = (key: 'precision' | 'recall' | 'f1') =>
      sum(classes.map((scores) => scores[key] * weight(scores)));
    return { name, precision: of('precision'), recall: of('recall'), f1: of('f1'), support: samples };
  };
  return {
    samples,
    accuracy: ratio(sum(classes.map((_, k) => confusion[k][k])), samples),
    classes,
    macro: mean('macro mean', () => 1 / classes.length),
    weighted: mean('weighted mean', ({ support }) => ratio(support, samples)),
    confusion,
  };
}

const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0);
const ratio = (part: number, whole: number): number => (whole === 0 ? 0 : part / whole);

/** Sample `i`'s values of [samples, classes]. */
const rowOf = (values: ArrayLike<number>, i: number, classes: number): ArrayLike<number> =>
  Array.prototype.slice.call(values, i * classes, (i + 1) * classes);

/** @throws WeftError naming the first value that is no class. */
export function checkClasses(what: string, values: ArrayLike<number>, classes: number): void {
  if (!Number.isInteger(classes) || classes < 1)
    throw new WeftError(
      `${what}: the number of classes must be a whole number of at least 1, got ${classes}`,
    );
  for (let i = 0; i < values.length; i++)
    if (!(Number.isInteger(values[i]) && values[i] >= 0 && values[i] < classes))
      throw new WeftError(
        `${what}: sample ${i} has class ${values[i]}; they are whole numbers from 0 to ${classes - 1}`,
      );
}

/**
 * Samples of [samples, classes].
 * @throws ShapeError where the values are no whole rows; WeftError where one is NaN
 */
export function countRows(op: string, values: ArrayLike<number>, classes: number): number {
  if (!Number.isInteger(classes) || classes < 1)
    throw new ShapeError(op, 'a whole number of at least 1 classes', `${classes}`);
  if (values.length % classes !== 0)
    throw new ShapeError(op, `rows of ${classes} values, one a class`, `${values.length} values`);
  for (let i = 0; i < values.length; i++)
    if (Number.isNaN(values[i]))
      throw new WeftError(`${op}: sample ${Math.floor(i / classes)} has NaN for class ${i % classes}`);
  return values.length / classes;
}
