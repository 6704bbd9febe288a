import { describeAugmentation } from '../data/augmentation.ts';
import type { ClassGroups } from '../data/classGroups.ts';
import { WeftError } from '../errors.ts';
import type { Experiment } from './experiment.ts';
import { MOST } from './fields.ts';
import type { Overrides, PresetName } from './manifest.ts';
import { describeOptimizer } from './optimizer.ts';
import type { Plan, Preset } from './plan.ts';
import { withNetworkSettings, withRecipeSettings } from './settings.ts';

/** A preset whose sizes may still be to measure. */
export type OpenPreset = Omit<Preset, 'trainingImages' | 'epochs'> & {
  readonly trainingImages: number | 'measured';
  readonly epochs: number | 'measured';
};

/** Images of each class in Fashion-MNIST's training set and in its test set. */
const CLASS_SIZES = { training: 6_000, test: 1_000 } as const;

/** Images of some groups of classes, by default of all ten classes, in the training set and in the test set. */
export function setSizes(groups?: ClassGroups): { training: number; test: number } {
  const classes = groups ? groups.flat().length : 10;
  return { training: classes * CLASS_SIZES.training, test: classes * CLASS_SIZES.test };
}

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

/** An experiment's preset: its recipe, or what suits some ten minutes on a machine without a GPU. */
export function presetOf({ recipe }: Pick<Experiment, 'recipe'>, name: PresetName): OpenPreset {
  const whole: OpenPreset = {
    repeats: 1,
    batches: 'whole',
    pixelScale: 1,
    tested: 'best',
    frozenLayers: 0,
    ...recipe,
    testImages: setSizes(recipe.classes).test,
    stratified: false,
    statisticsImages: 0,
  };
  if (name === 'recipe') return whole;
  return {
    batchSize: 64,
    optimizer: { name: 'Adam', learningRate: 1e-3 },
    epochs: 'measured',
    repeats: 1,
    batches: 'whole',
    trainingImages: 'measured',
    validationImages: 1000,
    testImages: 2000,
    classes: whole.classes,
    stratified: true,
    pixelScale: whole.pixelScale,
    tested: 'best',
    frozenPhase: whole.frozenPhase,
    frozenLayers: whole.frozenLayers,
    // So few steps that moving averages would still hold much of their start.
    statisticsImages: 1024,
  };
}

/**
 * @throws WeftError where an experiment can't be trained like this: frozen layers need weights to begin with, and settings a network that
 * has what they set
 */
export function checkStart(experiment: Experiment, { weights, unfrozen, set }: Overrides): void {
  const { name, recipe } = experiment;
  if (recipe.frozenPhase && weights === undefined && !unfrozen)
    throw new WeftError(
      `${name} begins with ${recipe.frozenPhase.frozenLayers} frozen layers, which must hold weights that were trained before; here they would be random. Give them with --weights FILE, or train all layers from random weights with --unfrozen`,
    );
  withNetworkSettings(experiment, set).network(0);
}

/** A preset with what a user said put over it. */
export function withOverrides(preset: OpenPreset, overrides: Overrides): OpenPreset {
  const { limit = Number.POSITIVE_INFINITY, fullTest, noAugment, unfrozen, learningRate } = overrides;
  const bounded = (images: number) => Math.min(images, limit);
  const { augment, replicate, frozenPhase, ...rest } = preset;
  const overridden: OpenPreset = {
    ...rest,
    ...(noAugment ? {} : { augment, replicate }),
    ...(unfrozen || !frozenPhase
      ? {}
      : { frozenPhase: { ...frozenPhase, epochs: overrides.epochs ?? frozenPhase.epochs } }),
    frozenLayers: unfrozen ? 0 : preset.frozenLayers,
    batchSize: overrides.batchSize ?? preset.batchSize,
    optimizer: learningRate === undefined ? preset.optimizer : { ...preset.optimizer, learningRate },
    trainingImages: preset.trainingImages === 'measured' ? 'measured' : bounded(preset.trainingImages),
    validationImages: bounded(preset.validationImages),
    testImages: fullTest ? setSizes(preset.classes).test : bounded(preset.testImages),
    epochs: overrides.epochs ?? preset.epochs,
    repeats: overrides.repeats ?? preset.repeats,
  };
  return withRecipeSettings(overridden, overrides.set);
}

/**
 * Settles a run: preset, what the user said, and where sizes are to measure, whole batches that the training gets through in
 * `QUICK_SECONDS` altogether: one pass over as many images as fit, and more epochs once all of them do. With a limit it is one
 * pass, too, unless the user says otherwise.
 */
export function settle(
  experiment: Pick<Experiment, 'recipe'>,
  name: PresetName,
  overrides: Overrides,
  secondsPerImage: number,
): Plan {
  const preset = withOverrides(presetOf(experiment, name), overrides);
  const { batchSize, validationImages, repeats } = preset;
  const available = setSizes(preset.classes).training - validationImages;
  const most = Math.min(available, overrides.limit ?? available);
  const affordable = QUICK_SECONDS / secondsPerImage / repeats;
  const frozen = preset.frozenPhase?.epochs ?? 0;
  const fit = Math.min(most, affordable / (frozen + (overrides.epochs ?? 1)));
  const batches = Math.max(1, Math.floor(fit / batchSize));
  const trainingImages =
    preset.trainingImages === 'measured' ? Math.min(most, batches * batchSize) : preset.trainingImages;
  const passes =
    overrides.limit === undefined ? Math.max(1, Math.floor(affordable / trainingImages) - frozen) : 1;
  const epochs = preset.epochs === 'measured' ? Math.min(passes, MOST.epochs) : preset.epochs;
  return { ...preset, preset: name, trainingImages, epochs };
}

/** Sizes of the batches that a run's work comes in. */
export interface BatchSizes {
  readonly training: readonly number[];
  readonly inference: readonly number[];
}

/** Images that a trained network is validated and tested with at a time. */
export const inferenceBatch = (batchSize: number): number => Math.min(2 * batchSize, 256);

export function batchSizes(preset: OpenPreset, limit = Number.POSITIVE_INFINITY): BatchSizes {
  const { batchSize, trainingImages, validationImages, testImages, statisticsImages, batches } = preset;
  const available = Math.min(limit, trainingImages === 'measured' ? limit : copies(preset) * trainingImages);
  const whole = inferenceBatch(batchSize);
  const parts = (images: number) => [Math.min(images, whole), images % whole];
  const inference = [...parts(validationImages), ...parts(testImages)];
  inference.push(Math.min(batchSize, statisticsImages, available));
  const distinct = (sizes: number[]) => [...new Set(sizes)].filter((size) => size > 0);
  const training = [Math.min(batchSize, available)];
  if (batches === 'all' && Number.isFinite(available)) training.push(available % batchSize);
  return { training: distinct(training), inference: distinct(inference) };
}

/** Times that a training image is trained on in a pass: itself, and its copy. */
const copies = ({ replicate }: Pick<Preset, 'replicate'>): number => (replicate ? 2 : 1);

/** How one repeat, counted from 1, splits and trains: of nested ones, each has the training part of the one before to split. */
export function repeatSizes(
  plan: Plan,
  repeat: number,
): Pick<Plan, 'trainingImages' | 'validationImages' | 'epochs'> {
  const { trainingImages, validationImages, epochs, nested } = plan;
  if (!nested || repeat === 1) return { trainingImages, validationImages, epochs };
  const share = trainingImages / (trainingImages + validationImages);
  const before = repeatSizes(plan, repeat - 1).trainingImages;
  const kept = Math.max(1, Math.floor(before * share));
  return { trainingImages: kept, validationImages: before - kept, epochs: Math.min(epochs, nested.epochs) };
}

/** Steps of an epoch over so many training images. */
export function stepsPerEpoch(plan: Plan, trainingImages = plan.trainingImages): number {
  const steps = (copies(plan) * trainingImages) / plan.batchSize;
  return plan.batches === 'all' ? Math.ceil(steps) : Math.max(1, Math.floor(steps));
}

/** Seconds that a plan takes, without early stopping: training steps alone, and with all that is run forward. */
export function estimate(plan: Plan, secondsPerImage: number): { training: number; total: number } {
  const { batchSize, repeats, testImages, statisticsImages, frozenPhase } = plan;
  let [trained, inferred] = [0, 0];
  for (let repeat = 1; repeat <= repeats; repeat++) {
    const { trainingImages, validationImages, epochs } = repeatSizes(plan, repeat);
    const all = epochs + (frozenPhase?.epochs ?? 0);
    trained += all * stepsPerEpoch(plan, trainingImages) * Math.min(batchSize, copies(plan) * trainingImages);
    inferred += all * validationImages + testImages + statisticsImages;
  }
  const training = trained * secondsPerImage;
  return { training, total: training + inferred * secondsPerImage * FORWARD_SHARE };
}

/** A preset in words. */
export function describePlan(plan: Plan): string {
  const number = (n: number) => n.toLocaleString('en-US');
  const count = (n: number, what: string) => (n === 1 ? `1 ${what}` : `${n} ${what}s`);
  const { trainingImages, validationImages, testImages, epochs, repeats, batchSize, optimizer } = plan;
  const { augment, replicate, frozenPhase, frozenLayers, patience, reduceOnPlateau, pixelScale, nested } =
    plan;
  const { classes } = plan;
  return [
    `${number(trainingImages)} training, ${number(validationImages)} validation and ${number(testImages)} test images`,
    ...(classes ? [`${count(classes.length, 'group')} of classes`] : []),
    ...(pixelScale === 1 ? [] : [`pixels 0 to ${pixelScale}`]),
    ...(replicate ? [`each with a copy: ${describeAugmentation(replicate)}`] : []),
    `batch ${batchSize}`,
    ...(frozenPhase
      ? [
          `${count(frozenPhase.epochs, 'epoch')} with ${frozenPhase.frozenLayers} layers frozen, ${describeOptimizer(frozenPhase.optimizer)}, then`,
        ]
      : []),
    ...(frozenLayers > 0 ? [`${frozenLayers} layers frozen`] : []),
    describeOptimizer(optimizer),
    ...(reduceOnPlateau
      ? [`times ${reduceOnPlateau.factor} after ${count(reduceOnPlateau.patience, 'epoch')} without progress`]
      : []),
    augment ? describeAugmentation(augment) : 'no augmentation',
    epochs === 1 ? '1 epoch' : `${patience === undefined ? '' : 'at most '}${epochs} epochs`,
    `${count(repeats, 'repeat')}${nested && repeats > 1 ? `, nested, of ${nested.epochs} epochs after the first` : ''}`,
  ].join(', ');
}
