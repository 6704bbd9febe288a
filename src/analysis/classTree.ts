import { type ClassGroups, checkGroups } from '../data/classGroups.ts';
import { ShapeError, WeftError } from '../errors.ts';
import { countRows, predictedClasses } from './classification.ts';
import type { EnsembleAnswer } from './ensemble.ts';

/** A classifier's answers by groups of classes. */
export interface GroupAnswers {
  /** The classes that each of its outputs stands for. */
  readonly groups: ClassGroups;
  /** [samples, groups], row-major. */
  readonly probabilities: ArrayLike<number>;
}

/**
 * How specialists are asked.
 *
 * - `product`: p(class) = p(group) · p(class | group), the general classifier's probability times the specialist's.
 * - `hard`: only the specialist of the general classifier's most probable group is heard: its p(class | group), all others are 0.
 */
export type Routing = 'product' | 'hard';

/** What a `classTree` is made of. */
export interface ClassTreeOptions {
  /** Which group a sample belongs to. */
  readonly general: GroupAnswers;
  /** For each group of several classes, a classifier that tells its classes apart; asked about all samples. */
  readonly specialists: readonly GroupAnswers[];
  /** Default 'product'. */
  readonly routing?: Routing;
}

/**
 * Puts a classifier of groups of classes and specialists together to one of all classes.
 * @throws ShapeError where answers differ in their number of samples; WeftError where the groups aren't all classes from 0 on, a group of
 *   several has no specialist, or a specialist isn't one for any
 * @example
 * ```ts
 * import { classTree } from 'weft-gpu';
 *
 * // Classes 0 and 2 are hard to tell apart: one network takes them for one, another knows nothing else.
 * const general = { groups: [[0, 2], [1]], probabilities: [0.7, 0.3] };
 * const specialist = { groups: [[0], [2]], probabilities: [0.4, 0.6] };
 * classTree({ general, specialists: [specialist] }); // probabilities [0.28, 0.3, 0.42]: class 2
 * ```
 */
export function classTree({ general, specialists, routing = 'product' }: ClassTreeOptions): EnsembleAnswer {
  const { groups } = general;
  const classes = groups.flat().length;
  checkGroups('classTree', groups, classes);
  const samples = countRows('classTree, general', general.probabilities, groups.length);
  if (routing !== 'product' && routing !== 'hard')
    throw new WeftError(`classTree: routing must be 'product' or 'hard', got '${routing}'`);
  const branches = groups.map((group) => branchOf(group, specialists, samples));
  const unused = specialists.findIndex((specialist) => !branches.includes(specialist));
  if (unused >= 0)
    throw new WeftError(
      `classTree: specialist ${unused} tells ${showGroup(specialists[unused].groups.flat())} apart, which is no group`,
    );
  const chosen = predictedClasses(general.probabilities, groups.length);
  const probabilities = new Float32Array(samples * classes);
  for (let n = 0; n < samples; n++)
    groups.forEach((group, g) => {
      const share =
        routing === 'product' ? general.probabilities[n * groups.length + g] : Number(chosen[n] === g);
      const branch = branches[g];
      if (!branch) probabilities[n * classes + group[0]] = share;
      else
        branch.groups.forEach(([label], k) => {
          probabilities[n * classes + label] = share * branch.probabilities[n * branch.groups.length + k];
        });
    });
  return { predictions: predictedClasses(probabilities, classes), probabilities };
}

/** Who tells a group's classes apart; of a single class nobody needs to. */
function branchOf(
  group: readonly number[],
  specialists: readonly GroupAnswers[],
  samples: number,
): GroupAnswers | undefined {
  if (group.length === 1) return undefined;
  const found = specialists.find(({ groups }) => showGroup(groups.flat()) === showGroup(group));
  if (!found) throw new WeftError(`classTree: no specialist tells ${showGroup(group)} apart`);
  if (found.groups.length !== group.length)
    throw new WeftError(
      `classTree: the specialist for ${showGroup(group)} has groups of several classes itself`,
    );
  const answered = countRows(
    `classTree, specialist for ${showGroup(group)}`,
    found.probabilities,
    group.length,
  );
  if (answered !== samples)
    throw new ShapeError('classTree', `${samples} samples of each classifier`, `${answered} of a specialist`);
  return found;
}

const showGroup = (group: readonly number[]): string =>
  `classes ${[...group].sort((a, b) => a - b).join(', ')}`;
