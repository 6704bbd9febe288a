import { checkNumber } from '../checks.ts';
import { ShapeError, WeftError } from '../errors.ts';
import { countRows, predictedClasses } from './classification.ts';

/*
 * Letters: M members, N samples, C classes; p[m][n][c] is member m's probability of class c for sample n, w[m] its weight (1 unless given).
 */

/**
 * How members decide together.
 *
 * - `hardVote`: each member votes for its most probable class, and the most votes win: sum over m of w[m] · (c is m's choice). Of classes
 *   with equally many, the one of the largest summed probability.
 * - `softVote`: the largest sum over m of w[m] · p[m][n][c] wins. The simple average of the members' probabilities is this sum over M: the
 *   same choice.
 * - `logitAverage`: the simple average of what the members give before their softmax, that is of the probabilities' logarithms: the largest
 *   sum over m of w[m] · ln p[m][n][c] wins. A geometric mean: one member that is sure that a class is wrong counts for more than in a sum.
 */
export type EnsembleMethod = 'hardVote' | 'softVote' | 'logitAverage';

/** How members are brought together. */
export interface EnsembleOptions {
  readonly classes: number;
  /** Default 'softVote'. */
  readonly method?: EnsembleMethod;
  /** How much each member counts: numbers of at least 0, not all of them 0. Default: all the same. */
  readonly weights?: readonly number[];
}

/** What members say together. */
export interface EnsembleAnswer {
  /** The class of each sample. */
  readonly predictions: Uint32Array;
  /** [samples, classes], row-major: of a hard vote the shares of the votes. Rows sum to 1. */
  readonly probabilities: Float32Array;
}

/** Logarithms are taken of nothing smaller: a member in f32 may say 0 and mean less than can be written. */
const SMALLEST_PROBABILITY = 1e-7;

/** The logarithm of a probability, of at least 1e-7. */
export const logProbability = (probability: number): number =>
  Math.log(Math.max(probability, SMALLEST_PROBABILITY));

/**
 * Brings several classifiers' answers to the same samples together. The votes are those of scikit-learn's `VotingClassifier`.
 * @param members the members' probabilities, [samples, classes] row-major each
 * @throws ShapeError where members differ in size or have no whole rows; WeftError where a value is NaN, or weights or method are wrong
 * @example
 * ```ts
 * import { ensemble } from 'weft-gpu';
 *
 * const members = [
 *   [0.6, 0.4],
 *   [0.6, 0.4],
 *   [0.1, 0.9],
 * ];
 * ensemble(members, { classes: 2, method: 'hardVote' }).predictions; // [0]: two votes of three
 * ensemble(members, { classes: 2, method: 'softVote' }).predictions; // [1]: 1.7 against 1.3
 * ```
 */
export function ensemble(
  members: readonly ArrayLike<number>[],
  { classes, method = 'softVote', weights }: EnsembleOptions,
): EnsembleAnswer {
  checkMembers('ensemble', members, classes);
  const shares = checkedWeights(weights, members.length);
  const combine = methods[method];
  if (!combine)
    throw new WeftError(
      `ensemble: there is no method '${method}'; there are ${Object.keys(methods).join(', ')}`,
    );
  return combine(members, shares, classes);
}

/**
 * Rows of every member.
 * @throws ShapeError, WeftError; see `ensemble`
 */
export function checkMembers(op: string, members: readonly ArrayLike<number>[], classes: number): number {
  checkNumber(op, 'classes', classes, { from: 2, whole: true });
  if (members.length === 0) throw new ShapeError(op, 'at least 1 member', '0');
  const [first] = members;
  members.forEach((member, m) => {
    countRows(`${op}, member ${m}`, member, classes);
    if (member.length !== first.length)
      throw new ShapeError(op, `${first.length} values of each member`, `${member.length} of member ${m}`);
  });
  return first.length / classes;
}

type Combine = (
  members: readonly ArrayLike<number>[],
  weights: readonly number[],
  classes: number,
) => EnsembleAnswer;

const methods: Readonly<Record<EnsembleMethod, Combine>> = {
  softVote(members, weights, classes) {
    const sums = weightedSums(members, weights, (probability) => probability);
    return { predictions: predictedClasses(sums, classes), probabilities: overSums(sums, classes) };
  },
  logitAverage(members, weights, classes) {
    const sums = weightedSums(members, weights, logProbability);
    const total = weights.reduce((sum, weight) => sum + weight, 0);
    // The largest of a row is taken away first, so that no exponential is too large or all are 0.
    const means = mapRows(sums, classes, (row) => {
      const largest = Math.max(...row);
      return row.map((value) => Math.exp((value - largest) / total));
    });
    return { predictions: predictedClasses(sums, classes), probabilities: overSums(means, classes) };
  },
  hardVote(members, weights, classes) {
    const votes = new Float64Array(members[0].length);
    members.forEach((member, m) => {
      predictedClasses(member, classes).forEach((chosen, n) => {
        votes[n * classes + chosen] += weights[m];
      });
    });
    const sums = weightedSums(members, weights, (probability) => probability);
    const predictions = new Uint32Array(votes.length / classes);
    for (let n = 0; n < predictions.length; n++) {
      let best = 0;
      for (let c = 1; c < classes; c++) {
        const [here, there] = [n * classes + c, n * classes + best];
        if (votes[here] > votes[there] || (votes[here] === votes[there] && sums[here] > sums[there]))
          best = c;
      }
      predictions[n] = best;
    }
    return { predictions, probabilities: overSums(votes, classes) };
  },
};

function weightedSums(
  members: readonly ArrayLike<number>[],
  weights: readonly number[],
  of: (probability: number) => number,
): Float64Array {
  return Float64Array.from({ length: members[0].length }, (_, i) =>
    members.reduce((sum, member, m) => sum + weights[m] * of(member[i]), 0),
  );
}

function mapRows(
  values: Float64Array,
  classes: number,
  change: (row: Float64Array) => Float64Array,
): Float64Array {
  const changed = new Float64Array(values.length);
  for (let at = 0; at < values.length; at += classes)
    changed.set(change(values.subarray(at, at + classes)), at);
  return changed;
}

/** Each row over its sum. */
const overSums = (values: Float64Array, classes: number): Float32Array =>
  Float32Array.from(
    mapRows(values, classes, (row) => {
      const total = row.reduce((sum, value) => sum + value, 0);
      return row.map((value) => value / total);
    }),
  );

function checkedWeights(weights: readonly number[] | undefined, members: number): readonly number[] {
  if (weights === undefined) return new Array<number>(members).fill(1);
  if (weights.length !== members)
    throw new ShapeError('ensemble', `a weight for each of ${members} members`, `${weights.length}`);
  if (
    !weights.every((weight) => Number.isFinite(weight) && weight >= 0) ||
    !weights.some((weight) => weight > 0)
  )
    throw new WeftError(`ensemble: weights must be at least 0, and one above it, got ${weights.join(', ')}`);
  return weights;
}
