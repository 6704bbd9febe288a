import * as v from 'valibot';
import type { EpochLogs } from '../nn/fit.ts';
import { object, type Schema, wholeNumber } from '../schema.ts';
import { figureOrNaN, images, list, MOST, notNegative, share, testResult, text } from './fields.ts';

/*
 * What a run comes to, as history.json and result.json hold it.
 */

export const RESULT = 'result.json';

/** A first phase, with layers frozen, has epochs of its own. */
const MOST_EPOCHS = 2 * MOST.epochs;
/** Stretches of an epoch that history.json holds at most. */
export const STRETCHES = 20;

const epochLogs: Schema<EpochLogs> = object({
  epoch: wholeNumber({ min: 1, max: MOST_EPOCHS }),
  loss: figureOrNaN,
  accuracy: v.optional(figureOrNaN),
  valLoss: v.optional(figureOrNaN),
  valAccuracy: v.optional(figureOrNaN),
});

const stretch = object({ epoch: notNegative, loss: figureOrNaN, accuracy: v.optional(figureOrNaN) });

/** Training loss and accuracy over stretches within epochs; `epoch` says where a stretch ends: 0.5 is half of the first. */
export const stretches = list(stretch, STRETCHES * MOST_EPOCHS);

export const history = object({ epochs: list(epochLogs, MOST_EPOCHS), stretches });

/** What is in the history of one repeat. */
export type History = Readonly<v.InferOutput<typeof history>>;

/** How a network, or several together, did on test images. The loss has the L2 penalty; null for an ensemble, which is no network. */
export type TestResult = Readonly<v.InferOutput<typeof testResult>>;

/** How well an autoencoder gives test images back. */
const reconstructionResult = object({
  samples: images(),
  /** Mean squared error, of pixels from 0 to 1 unless they are scaled otherwise. */
  loss: figureOrNaN,
});
export type ReconstructionResult = Readonly<v.InferOutput<typeof reconstructionResult>>;

export type AnyTest = TestResult | ReconstructionResult;

/** Whether a test was one of a classifier. */
export const isClassified = (test: AnyTest | undefined): test is TestResult =>
  test !== undefined && 'accuracy' in test;

/** A test of a classifier, by its accuracy, or of an autoencoder. */
export const anyTest: Schema<AnyTest> = v.lazy(
  (test): Schema<AnyTest> =>
    typeof test === 'object' && test !== null && 'accuracy' in test ? testResult : reconstructionResult,
);

/** A finished repeat. */
export interface RepeatResult<T extends AnyTest = AnyTest> {
  readonly repeat: number;
  readonly seed: number;
  readonly epochs: number;
  /** Why training ended before its last epoch, if so. */
  readonly endedEarly?: string;
  /** The epoch whose weights were tested. */
  readonly tested: EpochLogs;
  readonly test: T;
}

/** Results from before it was said which weights are tested have those of the best epoch. */
const ofToday = (result: unknown): unknown =>
  typeof result === 'object' && result !== null && 'best' in result
    ? { tested: result.best, ...result }
    : result;

export const repeatResult: Schema<RepeatResult> = v.pipe(
  v.unknown(),
  v.transform(ofToday),
  object({
    repeat: wholeNumber({ min: 1, max: MOST.repeats }),
    seed: wholeNumber(),
    epochs: wholeNumber({ max: MOST_EPOCHS }),
    endedEarly: v.optional(text),
    tested: epochLogs,
    test: anyTest,
  }),
);

/** Of a single value there is no deviation. */
const mean = object({ mean: figureOrNaN, deviation: v.nullable(notNegative) });

export const summary = object({
  accuracies: list(share, MOST.repeats),
  accuracy: mean,
  loss: mean,
  ensemble: testResult,
});

/** What several repeats come to together, each with its network. */
export type Summary = Readonly<v.InferOutput<typeof summary>>;
