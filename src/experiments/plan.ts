import * as v from 'valibot';
import { type Augmentation, checked } from '../data/augmentation.ts';
import type { ClassGroups } from '../data/classGroups.ts';
import { WeftError } from '../errors.ts';
import { object, type Schema, wholeNumber } from '../schema.ts';
import { classNumber, epochs, flag, images, list, MOST, notNegative, positive } from './fields.ts';
import { optimizerPlan } from './optimizer.ts';

/*
 * What decides a training, as plain data: a recipe is as much of it as a project says, a plan all of it. A run's manifest holds its plan.
 */

const augmentation: Schema<Augmentation> = v.pipe(
  v.unknown(),
  v.rawTransform(({ dataset, addIssue, NEVER }) => {
    try {
      return checked(dataset.value as Augmentation);
    } catch (error) {
      if (!(error instanceof WeftError)) throw error;
      addIssue({ message: `an augmentation (${error.message})` });
      return NEVER;
    }
  }),
);

const classGroups: Schema<ClassGroups> = list(list(classNumber, MOST.classes), MOST.classes);
const patience = wholeNumber({ max: MOST.epochs });
const frozenLayers = wholeNumber({ max: MOST.layers });

export const presetName = v.picklist(['recipe', 'quick'], "'recipe' or 'quick'");

const planEntries = {
  batchSize: images(1),
  optimizer: optimizerPlan,
  epochs: epochs(),
  /** Times that all of it is done, each with its own seed and split. */
  repeats: v.optional(wholeNumber({ min: 1, max: MOST.repeats }), 1),
  /** Repeats after the first split the training images of the one before, in the same proportion, and take so many epochs. */
  nested: v.optional(object({ epochs: epochs() })),
  /** Batches of an epoch: whole ones, what is left of a pass begins the next epoch; or all, the last one smaller. */
  batches: v.optional(v.picklist(['whole', 'all'], "'whole' or 'all'"), 'whole'),
  trainingImages: images(1),
  /** Taken from the 60,000 training images, apart from those trained on. 0: there is no validation. */
  validationImages: images(),
  /** Stratified where they aren't all of the 10,000. */
  testImages: images(1),
  /** Whether training and validation images have the same share of every class. */
  stratified: flag,
  /** What each output of the network stands for: groups of the data set's classes, of which others are left out. Default: each class. */
  classes: v.optional(classGroups),
  /** What happens to training batches, anew each time. */
  augment: v.optional(augmentation),
  /** What is done once, to a copy of each training image that is then trained on beside it. */
  replicate: v.optional(augmentation),
  /** What a byte of 255 becomes. */
  pixelScale: v.optional(positive, 1),
  /** Epochs without a better validation accuracy after which training stops. Default: it goes through all epochs. */
  patience: v.optional(patience),
  /** Multiplies the learning rate by `factor` after `patience` epochs without a lower validation loss (Keras' ReduceLROnPlateau). */
  reduceOnPlateau: v.optional(object({ factor: positive, patience, minLearningRate: notNegative })),
  /** Which weights are tested: those of the lowest validation loss, or those of the last epoch. */
  tested: v.optional(v.picklist(['best', 'last'], "'best' or 'last'"), 'best'),
  /** Transfer: the first `frozenLayers` layers, which hold loaded weights, stay as they are in this phase before all else. */
  frozenPhase: v.optional(object({ frozenLayers, optimizer: optimizerPlan, epochs: epochs() })),
  /** So many of the first layers stay frozen after that phase, too. */
  frozenLayers: v.optional(frozenLayers, 0),
  /** Training images over which batch-norm statistics are computed anew after each epoch; 0: the moving averages stay. */
  statisticsImages: v.optional(images(), 0),
  preset: presetName,
};

/** A preset with everything settled: with the seed, it decides a run. */
export type Plan = Readonly<v.InferOutput<ReturnType<typeof object<typeof planEntries>>>>;

/** A recipe with every option said. */
export type Preset = Omit<Plan, 'preset'>;

/** What a recipe leaves to a default: those of the plan. */
type Defaulted = 'repeats' | 'batches' | 'pixelScale' | 'tested' | 'frozenLayers';
/** What a plan has beside its recipe. */
type Settled = 'testImages' | 'stratified' | 'statisticsImages' | 'preset';

/** How a network is trained, as its project has it. */
export type Recipe = Omit<Plan, Defaulted | Settled> & Partial<Pick<Plan, Defaulted>>;

/** Manifests from before optimizers were plain data have Adam's learning rate alone, and null for what isn't there. */
function ofToday(plan: unknown): unknown {
  if (typeof plan !== 'object' || plan === null || Array.isArray(plan) || 'optimizer' in plan) return plan;
  const { learningRate, ...rest } = plan as Record<string, unknown>;
  const there = Object.entries(rest).filter(([, value]) => value !== null);
  return { ...Object.fromEntries(there), optimizer: { name: 'Adam', learningRate } };
}

/** What a manifest holds of a plan. */
export const planSchema: Schema<Plan> = v.pipe(v.unknown(), v.transform(ofToday), object(planEntries));
