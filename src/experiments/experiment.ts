import type { Augmentation } from '../data/augmentation.ts';
import type { Model } from '../nn/model.ts';

export type PresetName = 'recipe' | 'quick';

/** How an experiment is trained. `'measured'` is settled once, from the time that a step takes here. */
export interface Preset {
  readonly batchSize: number;
  /** Of Adam, with Keras' other defaults. */
  readonly learningRate: number;
  readonly augment: Augmentation | null;
  readonly trainingImages: number | 'measured';
  /** Taken from the 60,000 training images, apart from those trained on. */
  readonly validationImages: number;
  /** Stratified where they aren't all of the 10,000. */
  readonly testImages: number;
  /** Whether training and validation images have the same share of every class. */
  readonly stratified: boolean;
  readonly epochs: number | 'measured';
  /** Times that all of it is done, each with its own seed and split. */
  readonly repeats: number;
  /** Epochs without a better validation accuracy after which training stops; null: it goes through all epochs. */
  readonly patience: number | null;
  /** Training images over which batch-norm statistics are computed anew after each epoch; 0: the moving averages stay. */
  readonly statisticsImages: number;
  /** Which weights are tested: those of the lowest validation loss, or those of the last epoch. */
  readonly tested: 'best' | 'last';
}

/** A network and how it is trained on Fashion-MNIST. */
export interface Experiment {
  readonly name: string;
  /** @param seed decides initial weights and dropout */
  readonly network: (seed: number) => Model;
  readonly presets: Readonly<Record<PresetName, Preset>>;
}
