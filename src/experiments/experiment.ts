import type { Augmentation } from '../data/augmentation.ts';
import type { ClassGroups } from '../data/classGroups.ts';
import type { Model } from '../nn/model.ts';
import type { OptimizerPlan } from './optimizer.ts';
import type { Task } from './task.ts';

/*
 * An experiment is a network with its recipe: one file each, in the folder of the project that it comes from. Recipes are plain data, so
 * that a run's manifest holds all of them.
 */

/** A project whose networks and recipes are rebuilt here. */
export type Project = 'czerny' | 'icdss' | 'rasiaq' | 'quah';

/** How a network is trained, as its project has it. */
export interface Recipe {
  readonly batchSize: number;
  readonly optimizer: OptimizerPlan;
  readonly epochs: number;
  /** Times that all of it is done, each with its own seed and split. Default 1. */
  readonly repeats?: number;
  /** Repeats after the first split the training images of the one before, in the same proportion, and take so many epochs. */
  readonly nested?: { readonly epochs: number };
  /** Batches of an epoch: whole ones, what is left of a pass begins the next epoch (default); or all, the last one smaller. */
  readonly batches?: 'whole' | 'all';
  readonly trainingImages: number;
  /** Taken from the 60,000 training images, apart from those trained on. 0: there is no validation. */
  readonly validationImages: number;
  /** What each output of the network stands for: groups of the data set's classes, of which others are left out. Default: each class. */
  readonly classes?: ClassGroups;
  /** What happens to training batches, anew each time. */
  readonly augment?: Augmentation;
  /** What is done once, to a copy of each training image that is then trained on beside it. */
  readonly replicate?: Augmentation;
  /** What a byte of 255 becomes. Default 1. */
  readonly pixelScale?: number;
  /** Epochs without a better validation accuracy after which training stops. Default: it goes through all epochs. */
  readonly patience?: number;
  /** Multiplies the learning rate by `factor` after `patience` epochs without a lower validation loss (Keras' ReduceLROnPlateau). */
  readonly reduceOnPlateau?: {
    readonly factor: number;
    readonly patience: number;
    readonly minLearningRate: number;
  };
  /** Which weights are tested: those of the lowest validation loss (default), or those of the last epoch. */
  readonly tested?: 'best' | 'last';
  /** Transfer: the first `frozenLayers` layers, which hold loaded weights, stay as they are in this phase before all else. */
  readonly frozenPhase?: {
    readonly frozenLayers: number;
    readonly optimizer: OptimizerPlan;
    readonly epochs: number;
  };
  /** So many of the first layers stay frozen after that phase, too. Default 0. */
  readonly frozenLayers?: number;
}

/** A figure that was published. */
export interface Reported {
  /** From 0 to 1; of an autoencoder there is none. */
  readonly test?: number;
  readonly validation?: number;
  /** Where no layout was found that has as many. */
  readonly parameters?: number;
}

/** A network and how it is trained on Fashion-MNIST. */
export interface Experiment {
  /** As on the command line; case doesn't matter there. */
  readonly name: string;
  /** What it is, in a few words. */
  readonly title: string;
  readonly project: Project;
  /**
   * @param seed decides initial weights and dropout
   * @param width filters of the first convolution (of DenseNets, the growth): a narrow network is checked against references. Default: as
   *   published
   */
  readonly network: (seed: number, width?: number) => Model;
  /** What the network gives: class probabilities (default), or its input again. */
  readonly task?: Task;
  readonly recipe: Recipe;
  /** Parameters of this layout, counted as its framework does: Keras with moving statistics, PyTorch without. Undefined: none were published. */
  readonly parameters: number | undefined;
  readonly reported: Reported;
  /** What the specification leaves open, and what was chosen. */
  readonly chosen?: readonly string[];
}
