import * as v from 'valibot';
import { dictionary, object, type Schema, wholeNumber } from '../schema.ts';
import type { ParameterValue } from '../search/space.ts';
import { epochs, flag, images, list, MOST, positive, seconds, text } from './fields.ts';
import { planSchema, presetName } from './plan.ts';

/*
 * A run's manifest: what decides it. Its choices and its adapter come once they are known.
 */

export const MANIFEST = 'manifest.json';

export type PresetName = v.InferOutput<typeof presetName>;

/** Which candidate ops take, by what is decided; see `tune`. */
export type Kernels = Readonly<Record<string, string>>;
const kernels: Schema<Kernels> = dictionary(text);

const choices = object({
  plan: planSchema,
  why: text,
  /** Seconds a training image takes, by which sizes were chosen. */
  secondsPerImage: v.pipe(seconds, positive),
  /** The kernels that the run is made with. */
  kernels: v.optional(kernels, {}),
});

/** What was chosen when the run began, on what grounds. */
export type Choices = Readonly<v.InferOutput<typeof choices>>;

/** What a parameter, or a setting, is. */
export const parameterValue: Schema<ParameterValue> = v.union(
  [v.pipe(v.number(), v.finite()), v.string(), v.boolean()],
  'a number, a text, true or false',
);

/** Parameters, or settings, by name. */
export const parameters: Schema<Readonly<Record<string, ParameterValue>>> = dictionary(parameterValue);

const overrideEntries = {
  preset: v.optional(presetName),
  epochs: v.optional(epochs()),
  repeats: v.optional(wholeNumber({ min: 1, max: MOST.repeats })),
  /** Bounds training, validation and test images alike. */
  limit: v.optional(wholeNumber({ min: 1 })),
  batchSize: v.optional(images(1)),
  learningRate: v.optional(positive),
  noAugment: v.optional(flag),
  /** More of the recipe and of the network, by name: see settings.ts. */
  set: v.optional(parameters),
  /** Every layer trains from the beginning, from random weights where none are given: there is no frozen phase. */
  unfrozen: v.optional(flag),
  /** A file with weights to begin with. */
  weights: v.optional(text),
  /** Kernels are chosen by predicted cost alone. */
  noTune: v.optional(flag),
  fullTest: v.optional(flag),
};

const flags = object({ ...overrideEntries, data: v.optional(text), adapter: v.optional(text) });

/** What a user said about a run. */
export type Flags = v.InferOutput<typeof flags>;
/** What of it decides the run beside its preset. */
export type Overrides = Omit<Flags, 'data' | 'adapter'>;

export const versions = object({ weft: text, node: text, webgpu: text });
export type Versions = Readonly<v.InferOutput<typeof versions>>;

/** What the manifests of all work that can be gone on with hold. */
export const begun = {
  format: v.literal(1, '1, the format that this version of weft reads'),
  experiment: text,
  seed: wholeNumber(),
  created: text,
  flags,
  versions,
  adapter: v.nullable(text),
  dataFrom: v.nullable(text),
  choices: v.nullable(choices),
  /** Each time that the work was gone on with. */
  resumed: list(object({ at: text, adapter: text, versions }), MOST.resumed),
};

export const manifestSchema = object({
  ...begun,
  /** The manifest that this run repeats. */
  like: v.optional(text),
});

export type Manifest = Readonly<v.InferOutput<typeof manifestSchema>>;
