import { ShapeError } from '../errors.ts';
import { checkClasses, countRows, predictedClasses } from './classification.ts';

/** A classified sample. */
export interface Answer {
  /** Its number among those that were classified. */
  readonly index: number;
  readonly label: number;
  readonly predicted: number;
  /** Of the predicted class. */
  readonly probability: number;
}

/**
 * The samples that a classifier was most sure of and wrong about, the surest first; of equally sure ones the first.
 * @param labels the true classes
 * @param probabilities [labels.length, classes], row-major
 * @param count how many at most. Default 9
 * @throws ShapeError where there are other than as many rows as labels; WeftError naming a label or a probability that is none
 * @example
 * ```ts
 * import { mostConfidentMistakes } from 'weft-gpu';
 *
 * const probabilities = [0.9, 0.1, 0.2, 0.8, 0.4, 0.6];
 * mostConfidentMistakes([1, 1, 0], probabilities, 1); // [{ index: 0, label: 1, predicted: 0, probability: 0.9 }]
 * ```
 */
export function mostConfidentMistakes(
  labels: ArrayLike<number>,
  probabilities: ArrayLike<number>,
  count = 9,
): Answer[] {
  return answersTo('mostConfidentMistakes', labels, probabilities)
    .filter(isWrong)
    .sort((a, b) => b.probability - a.probability || a.index - b.index)
    .slice(0, count);
}

/**
 * The first samples that a classifier got right, and the first that it got wrong.
 * @param labels the true classes
 * @param probabilities [labels.length, classes], row-major
 * @param count how many of each at most. Default 9
 * @throws ShapeError where there are other than as many rows as labels; WeftError naming a label or a probability that is none
 * @example
 * ```ts
 * import { firstRightAndWrong } from 'weft-gpu';
 *
 * const { right, wrong } = firstRightAndWrong([1, 1, 0], [0.9, 0.1, 0.2, 0.8, 0.4, 0.6]);
 * right.map(({ index }) => index); // [1]
 * wrong.map(({ index }) => index); // [0, 2]
 * ```
 */
export function firstRightAndWrong(
  labels: ArrayLike<number>,
  probabilities: ArrayLike<number>,
  count = 9,
): { right: Answer[]; wrong: Answer[] } {
  const answers = answersTo('firstRightAndWrong', labels, probabilities);
  return {
    right: answers.filter((answer) => !isWrong(answer)).slice(0, count),
    wrong: answers.filter(isWrong).slice(0, count),
  };
}

const isWrong = ({ label, predicted }: Answer): boolean => label !== predicted;

function answersTo(op: string, labels: ArrayLike<number>, probabilities: ArrayLike<number>): Answer[] {
  if (labels.length === 0 && probabilities.length === 0) return [];
  const classes = probabilities.length / labels.length;
  if (!Number.isInteger(classes))
    throw new ShapeError(op, `a row for each of ${labels.length} labels`, `${probabilities.length} values`);
  countRows(op, probabilities, classes);
  checkClasses(`${op}: labels`, labels, classes);
  return Array.from(predictedClasses(probabilities, classes), (predicted, index) => ({
    index,
    label: labels[index],
    predicted,
    probability: probabilities[index * classes + predicted],
  }));
}
