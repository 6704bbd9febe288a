import { describeAugmentation } from '../data/augmentation.ts';
import type { Experiment, Preset, PresetName } from './experiment.ts';

/** What a user may say about a run beside its preset. */
export interface Overrides {
  preset?: PresetName;
  epochs?: number;
  repeats?: number;
  /** Bounds training, validation and test images alike. */
  limit?: number;
  batchSize?: number;
  learningRate?: number;
  noAugment?: boolean;
  /** Kernels are chosen by predicted cost alone. */
  noTune?: boolean;
  fullTest?: boolean;
}

/** A preset with everything settled: with the seed, it decides a run. */
export interface Plan extends Preset {
  readonly preset: PresetName;
  readonly trainingImages: number;
  readonly epochs: number;
}

/** Images in Fashion-MNIST's training set and in its test set. */
export const SET_SIZES = { training: 60_000, test: 10_000 } as const;

/** What the quick preset's training may take, in seconds. */
export const QUICK_SECONDS = 600;

/** A forward pass is a third of a training step: the backward pass computes two products where it computes one. */
const FORWARD_SHARE = 1 / 3;

/** The preset for an adapter, and why. */
export function choosePreset(
  asked: PresetName | undefined,
  isSoftware: boolean,
): { preset: PresetName; why: string } {
  if (asked) return { preset: asked, why: 'as --preset says' };
  return isSoftware
    ? { preset: 'quick', why: 'the default on a software adapter' }
    : { preset: 'recipe', why: 'the default on a hardware GPU' };
}

/** A preset with what a user said put over it; sizes may still be to measure. */
export function withOverrides(preset: Preset, overrides: Overrides): Preset {
  const { limit = Number.POSITIVE_INFINITY, fullTest, noAugment } = overrides;
  const bounded = (images: number) => Math.min(images, limit);
  return {
    ...preset,
    batchSize: overrides.batchSize ?? preset.batchSize,
    learningRate: overrides.learningRate ?? preset.learningRate,
    augment: noAugment ? null : preset.augment,
    trainingImages: preset.trainingImages === 'measured' ? 'measured' : bounded(preset.trainingImages),
    validationImages: bounded(preset.validationImages),
    testImages: fullTest ? SET_SIZES.test : bounded(preset.testImages),
    epochs: overrides.epochs ?? preset.epochs,
    repeats: overrides.repeats ?? preset.repeats,
  };
}

/**
 * Settles a run: preset, what the user said, and where sizes are to measure, whole batches that the training gets through in
 * `QUICK_SECONDS` altogether: one pass over as many images as fit, and more epochs once all of them do. With a limit it is one
 * pass, too, unless the user says otherwise.
 */
export function settle(
  experiment: Experiment,
  name: PresetName,
  overrides: Overrides,
  secondsPerImage: number,
): Plan {
  const preset = withOverrides(experiment.presets[name], overrides);
  const { batchSize, validationImages, repeats } = preset;
  const available = SET_SIZES.training - validationImages;
  const most = Math.min(available, overrides.limit ?? available);
  const affordable = QUICK_SECONDS / secondsPerImage / repeats;
  const fit = Math.min(most, affordable / (overrides.epochs ?? 1));
  const batches = Math.max(1, Math.floor(fit / batchSize));
  const trainingImages =
    preset.trainingImages === 'measured' ? Math.min(most, batches * batchSize) : preset.trainingImages;
  const passes = overrides.limit === undefined ? Math.max(1, Math.floor(affordable / trainingImages)) : 1;
  const epochs = preset.epochs === 'measured' ? passes : preset.epochs;
  return { ...preset, preset: name, trainingImages, epochs };
}

/** Sizes of the batches that a run's work comes in. */
export interface BatchSizes {
  readonly training: readonly number[];
  readonly inference: readonly number[];
}

/** Images that a trained network is validated and tested with at a time. */
export const inferenceBatch = (batchSize: number): number => Math.min(2 * batchSize, 256);

export function batchSizes(preset: Preset, limit = Number.POSITIVE_INFINITY): BatchSizes {
  const { batchSize, trainingImages, validationImages, testImages, statisticsImages } = preset;
  const available = Math.min(limit, trainingImages === 'measured' ? limit : trainingImages);
  const whole = inferenceBatch(batchSize);
  const parts = (images: number) => [Math.min(images, whole), images % whole];
  const inference = [...parts(validationImages), ...parts(testImages)];
  inference.push(Math.min(batchSize, statisticsImages, available));
  return {
    training: [Math.min(batchSize, available)],
    inference: [...new Set(inference)].filter((size) => size > 0),
  };
}

/** Whole batches; what is left of a pass over the images begins the next epoch. */
export function stepsPerEpoch({ trainingImages, batchSize }: Plan): number {
  return Math.max(1, Math.floor(trainingImages / batchSize));
}

/** Seconds that a plan takes, without early stopping: training steps alone, and with all that is run forward. */
export function estimate(plan: Plan, secondsPerImage: number): { training: number; total: number } {
  const { batchSize, epochs, repeats, validationImages, testImages, statisticsImages } = plan;
  const perEpoch = stepsPerEpoch(plan) * Math.min(batchSize, plan.trainingImages);
  const forward = epochs * validationImages + testImages + statisticsImages;
  const training = repeats * epochs * perEpoch * secondsPerImage;
  return { training, total: training + repeats * forward * secondsPerImage * FORWARD_SHARE };
}

/** A preset in words. */
export function describePlan(plan: Plan): string {
  const number = (n: number) => n.toLocaleString('en-US');
  const { trainingImages, validationImages, testImages, epochs, repeats, batchSize, learningRate, augment } =
    plan;
  return [
    `${number(trainingImages)} training, ${number(validationImages)} validation and ${number(testImages)} test images`,
    `batch ${batchSize}, Adam ${learningRate}`,
    augment ? describeAugmentation(augment) : 'no augmentation',
    `${epochs === 1 ? '1 epoch' : `${plan.patience === null ? '' : 'at most '}${epochs} epochs`}`,
    repeats === 1 ? '1 repeat' : `${repeats} repeats`,
  ].join(', ');
}
