import { join } from 'node:path';
import * as v from 'valibot';
import { normalizeConfusion } from '../analysis/classification.ts';
import { type Answer, firstRightAndWrong, mostConfidentMistakes } from '../analysis/mistakes.ts';
import type { ImageSet } from '../data/batchSource.ts';
import { atomicWrite } from '../node/files.ts';
import { threeDigits } from '../report/numbers.ts';
import type { Section } from '../report/page.ts';
import { gallerySection } from '../report/sections/gallery.ts';
import { object, type Schema, wholeNumber } from '../schema.ts';
import { classesIn, type ExperimentSet, numberIn } from './experimentSet.ts';
import { byClasses, classNumber, images, isSquare, list, notNegative, share, text } from './fields.ts';
import { json, readJson } from './jsonFile.ts';
import { versions } from './manifest.ts';
import { anyTest, isClassified } from './results.ts';
import type { Speed } from './speed.ts';
import { type Tested, testIndices } from './testing.ts';

/*
 * evaluation.json, beside a network's weights: what `weft evaluate` found.
 */

export const EVALUATION = 'evaluation.json';

const answer: Schema<Answer> = object({
  index: images(),
  label: classNumber,
  predicted: classNumber,
  probability: share,
});
/** Pictures that a page shows of each kind of answer, at most. */
const someAnswers = list(answer, 1000);

const answersSchema = object({
  /** Shares of the true class's images, by true class (row) and predicted class (column). */
  confusionByTrueClass: byClasses(share),
  mostConfidentMistakes: someAnswers,
  firstRight: someAnswers,
  firstWrong: someAnswers,
});

/** What is found of a classifier beside its scores. An answer's `index` is the image's number in the data set's file, from 0. */
export type Answers = Readonly<v.InferOutput<typeof answersSchema>>;

const areOf = (
  { confusionByTrueClass, mostConfidentMistakes, firstRight, firstWrong }: Answers,
  classes: number,
): boolean =>
  isSquare(confusionByTrueClass, classes) &&
  [...mostConfidentMistakes, ...firstRight, ...firstWrong].every(
    ({ label, predicted }) => label < classes && predicted < classes,
  );

const speed: Schema<Speed> = object({
  batch: images(1),
  msPerImage: notNegative,
  imagesPerSecond: notNegative,
  runs: wholeNumber({ max: 1_000_000 }),
});

const evaluationSchema = v.pipe(
  object({
    format: v.literal(1, '1, the format that this version of weft reads'),
    made: text,
    versions,
    adapter: text,
    test: anyTest,
    /** One image at a time, and a batch. */
    speed: object({ single: speed, batch: speed }),
    /** Of a network that gives images back there are none. */
    answers: v.optional(answersSchema),
  }),
  v.check(
    ({ test, answers }) => !answers || (isClassified(test) && areOf(answers, test.classes.length)),
    'an object whose answers name classes of its test alone',
  ),
);

export type Evaluation = Readonly<v.InferOutput<typeof evaluationSchema>>;

/** Mistakes, and right and wrong answers, that are kept of each. */
const SHOWN_MISTAKES = 16;
const SHOWN_FIRST = 9;

/** What a classifier's answers to test images come to beside its scores. */
export function answersOf({ result, probabilities }: Tested, set: ExperimentSet): Answers {
  const indices = testIndices(classesIn(set), result.samples);
  const labels = Array.from(indices, (i) => set.labels[i]);
  const shown = (answer: Answer): Answer => ({ ...answer, index: numberIn(set, indices[answer.index]) });
  const { right, wrong } = firstRightAndWrong(labels, probabilities, SHOWN_FIRST);
  return {
    confusionByTrueClass: normalizeConfusion(result.confusion, 'true'),
    mostConfidentMistakes: mostConfidentMistakes(labels, probabilities, SHOWN_MISTAKES).map(shown),
    firstRight: right.map(shown),
    firstWrong: wrong.map(shown),
  };
}

export const writeEvaluation = (folder: string, evaluation: Evaluation): Promise<void> =>
  atomicWrite(join(folder, EVALUATION), json(evaluation));

/** What `weft evaluate` wrote in a folder; undefined where it hasn't. */
export async function readEvaluation(folder: string): Promise<Evaluation | undefined> {
  return readJson(join(folder, EVALUATION), evaluationSchema);
}

/** A classifier's mistakes and right answers as pictures. @param test the whole test set */
export const galleriesSection = (
  answers: Answers,
  test: ImageSet,
  classNames: readonly string[],
  title: string,
): Section =>
  gallerySection(
    test,
    [
      { caption: 'The most confident mistakes, the surest first', answers: answers.mostConfidentMistakes },
      { caption: 'The first right answers', answers: answers.firstRight },
      { caption: 'The first wrong answers', answers: answers.firstWrong },
    ],
    { title, classNames },
  );

/** What an evaluation knows and a test doesn't: how fast the network answers. */
export function evaluationSection({ made, adapter, speed, versions }: Evaluation): Section {
  const figures = ({ imagesPerSecond, msPerImage, runs }: Speed) =>
    `${threeDigits(imagesPerSecond)} images/s, ${threeDigits(msPerImage)} ms an image (median of ${runs} runs)`;
  return {
    title: 'Speed of inference',
    blocks: [
      {
        kind: 'facts',
        facts: [
          ['one image at a time', figures(speed.single)],
          [`${speed.batch.batch} at a time`, figures(speed.batch)],
          ['adapter', adapter],
          ['measured', `${made.slice(0, 10)}, weft ${versions.weft}, Node ${versions.node}`],
        ],
      },
      {
        kind: 'text',
        text: 'From pixels in the program’s memory to answers there: each run brings its images to the GPU and reads what the network says. The first runs, in which kernels are compiled, don’t count.',
      },
    ],
  };
}
