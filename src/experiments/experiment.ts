import type { Model } from '../nn/model.ts';
import type { Recipe } from './plan.ts';
import type { Task } from './task.ts';

/*
 * An experiment is a network with its recipe: one file each, in the folder of the project that it comes from. Recipes are plain data, so
 * that a run's manifest holds all of them.
 */

/** A project whose networks and recipes are rebuilt here. */
export type Project = 'czerny' | 'icdss' | 'rasiaq' | 'quah';

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
