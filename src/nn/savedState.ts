import * as v from 'valibot';
import { WeftError } from '../errors.ts';
import { dictionary, finiteNumber, type JsonLimits, object, parseJson, wholeNumber } from '../schema.ts';

/*
 * What a checkpoint of a training run holds beside arrays: the part `training` of the JSON in its metadata.
 */

/** A figure that was measured. JSON writes NaN as null. */
export const figure = v.pipe(
  v.nullable(v.number('a number')),
  v.transform((value) => value ?? Number.NaN),
);

const epochLogs = object({
  epoch: wholeNumber({ min: 1 }),
  loss: figure,
  accuracy: v.optional(figure),
  valLoss: v.optional(figure),
  valAccuracy: v.optional(figure),
});

const batchFigures = v.strictTuple([finiteNumber, v.nullable(finiteNumber), wholeNumber({ min: 1 })]);

const savedState = object({
  epoch: wholeNumber(),
  /** Of the running epoch. */
  step: wholeNumber(),
  /** The optimizer's. */
  iterations: wholeNumber(),
  /** Those of each weight, by its name. Files of before lack it: all are `iterations`. */
  steps: v.optional(dictionary(wholeNumber())),
  /** Files of before lack how many samples there are, and in batches of how many. */
  sampler: object({
    pass: wholeNumber(),
    cursor: wholeNumber(),
    count: v.optional(wholeNumber()),
    batchSize: v.optional(wholeNumber()),
  }),
  /** Positions of the sources of randomness. */
  streams: dictionary(wholeNumber()),
  history: v.array(epochLogs),
  /** Of the running epoch. */
  batches: v.array(batchFigures),
  /** Updates of the weights' average. */
  averaged: v.optional(wholeNumber()),
  /** Each callback's own. */
  callbacks: v.array(v.unknown()),
  finished: v.optional(v.string()),
});

/** A checkpoint's scalars. */
export type SavedState = v.InferOutput<typeof savedState>;

const checkpoint = object({ training: v.optional(savedState) });

/** What is read of a text with a training's state: an epoch of millions of steps has as many arrays, of at least 16 characters. */
export const stateLimits = ({ length }: string): JsonLimits => ({
  maxCharacters: Number.POSITIVE_INFINITY,
  maxContainers: 2 ** 20 + length / 16,
});

/** @throws WeftError where the metadata hold no training state, or a damaged one */
export function readSavedState(metadata: Readonly<Record<string, string>>): SavedState {
  const text = metadata.weft;
  const { training } = text ? parseJson('the checkpoint', text, checkpoint, stateLimits(text)) : {};
  if (training) return training;
  throw new WeftError('the file is no checkpoint of a training run: it holds no training state');
}
