import { join } from 'node:path';
import { normalizeConfusion } from '../analysis/classification.ts';
import { type Answer, firstRightAndWrong, mostConfidentMistakes } from '../analysis/mistakes.ts';
import { atomicWrite } from '../node/files.ts';
import { classesIn, type ExperimentSet, numberIn } from './experimentSet.ts';
import { parseJson, readIfThere } from './folder.ts';
import type { Versions } from './run.ts';
import type { Speed } from './speed.ts';
import { type ReconstructionResult, type Tested, type TestResult, testIndices } from './testing.ts';

/*
 * evaluation.json, beside a network's weights: what `weft evaluate` found.
 */

export const EVALUATION = 'evaluation.json';

/** An image of the test set, and what a network took it for. */
export interface ShownAnswer {
  /** Its number in the data set's file, from 0. */
  readonly image: number;
  /** Numbers of classes, whose names are in the report. */
  readonly label: number;
  readonly predicted: number;
  /** Of the predicted class. */
  readonly probability: number;
}

/** What is found of a classifier beside its scores. */
export interface Answers {
  /** Shares of the true class's images, by true class (row) and predicted class (column). */
  readonly confusionByTrueClass: readonly (readonly number[])[];
  readonly mostConfidentMistakes: readonly ShownAnswer[];
  readonly firstRight: readonly ShownAnswer[];
  readonly firstWrong: readonly ShownAnswer[];
}

export interface Evaluation {
  readonly format: 1;
  readonly made: string;
  readonly versions: Versions;
  readonly adapter: string;
  readonly test: TestResult | ReconstructionResult;
  /** One image at a time, and a batch. */
  readonly speed: { readonly single: Speed; readonly batch: Speed };
  /** Of a network that gives images back there are none. */
  readonly answers?: Answers;
}

/** Mistakes, and right and wrong answers, that are kept of each. */
const SHOWN_MISTAKES = 16;
const SHOWN_FIRST = 9;

/** What a classifier's answers to test images come to beside its scores. */
export function answersOf({ result, probabilities }: Tested, set: ExperimentSet): Answers {
  const indices = testIndices(classesIn(set), result.samples);
  const labels = Array.from(indices, (i) => set.labels[i]);
  const shown = ({ index, ...answer }: Answer): ShownAnswer => ({
    image: numberIn(set, indices[index]),
    ...answer,
  });
  const { right, wrong } = firstRightAndWrong(labels, probabilities, SHOWN_FIRST);
  return {
    confusionByTrueClass: normalizeConfusion(result.confusion, 'true'),
    mostConfidentMistakes: mostConfidentMistakes(labels, probabilities, SHOWN_MISTAKES).map(shown),
    firstRight: right.map(shown),
    firstWrong: wrong.map(shown),
  };
}

export const writeEvaluation = (folder: string, evaluation: Evaluation): Promise<void> =>
  atomicWrite(join(folder, EVALUATION), `${JSON.stringify(evaluation, null, 2)}\n`);

/** What `weft evaluate` wrote in a folder; undefined where it hasn't. */
export async function readEvaluation(folder: string): Promise<Evaluation | undefined> {
  const path = join(folder, EVALUATION);
  const file = await readIfThere(path);
  return file && parseJson<Evaluation>(path, file);
}
