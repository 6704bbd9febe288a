import * as v from 'valibot';
import { checkFunction, checkNumber, checkOneOf, checkOptions } from '../checks.ts';
import { WeftError } from '../errors.ts';
import { check, finiteNumber, object, wholeNumber } from '../schema.ts';
import type { Shape } from '../tensor/shape.ts';
import type { EpochLogs, Training } from './fit.ts';
import { figure } from './savedState.ts';
import { baseRate, withBaseRate } from './schedules.ts';

/** Where a running epoch stands. */
export interface StepProgress {
  /** From 1. */
  readonly epoch: number;
  readonly epochs: number;
  /** Steps of this epoch that are done. */
  readonly step: number;
  readonly stepsPerEpoch: number;
  /** Means over the epoch so far. */
  readonly loss: number;
  /** Where the run's metrics have it. */
  readonly accuracy?: number;
  readonly imagesPerSecond: number;
}

/**
 * What wants to know about a training run, or to steer it.
 *
 * @example
 * ```ts
 * import type { Callback } from 'weft-gpu';
 *
 * const printLoss: Callback = { onEpochEnd: ({ epoch, loss }) => console.log(`epoch ${epoch}: loss ${loss}`) };
 * ```
 */
export interface Callback {
  /** When a run begins, before `restore` where it is a resumed one: a callback that was used before forgets what it knows. */
  onBegin?(training: Training): void;
  /** After steps, about once a second. */
  onStep?(progress: StepProgress): void;
  /** After the last step of an epoch, before its validation. */
  onStepsEnd?(training: Training): void | Promise<void>;
  /** After each batch of a validation, with the samples done. */
  onValidation?(done: number, total: number): void;
  /** After an epoch and its validation, before the checkpoint. */
  onEpochEnd?(logs: EpochLogs, training: Training): void | Promise<void>;
  /** When the run is over, not when it is stopped to be resumed; also when a run that was over is resumed. */
  onEnd?(training: Training): void | Promise<void>;
  /** What a checkpoint must keep of this callback, as plain data. */
  state?(): unknown;
  /** Weights that a checkpoint must keep for this callback, by name. */
  weights?(): Weights;
  /** Takes back what `state` and `weights` gave to a checkpoint, when a run is resumed. */
  restore?(state: unknown, training: Training, weights: Weights): void;
}

/** Values by a weight's name. */
export type Weights = ReadonlyMap<string, { shape: Shape; data: Float32Array }>;

/** The figure of an epoch that a callback watches. */
export type Monitor = 'loss' | 'accuracy' | 'valLoss' | 'valAccuracy';

const MONITORS: readonly Monitor[] = ['loss', 'accuracy', 'valLoss', 'valAccuracy'];
/** Epochs to wait: Infinity for ever. */
const EPOCHS = { from: 0, to: Number.POSITIVE_INFINITY, whole: true };

/**
 * Follows one figure: keeps the best value, lower for losses, higher for accuracies. Only an improvement by more than `minDelta` counts,
 * and none to NaN.
 */
class Best {
  value: number | undefined;
  constructor(
    owner: string,
    readonly monitor: Monitor,
    private readonly minDelta = 0,
    private readonly initial?: number,
  ) {
    checkOneOf(owner, 'monitor', monitor, MONITORS);
    checkNumber(owner, 'minDelta', minDelta, { from: 0 });
    if (initial !== undefined) checkNumber(owner, 'initialBest', initial);
    this.value = initial;
  }

  /** Forgets what an earlier run had. */
  reset(): void {
    this.value = this.initial;
  }

  improves(logs: EpochLogs): boolean {
    const value = logs[this.monitor];
    if (value === undefined)
      throw new WeftError(
        `'${this.monitor}' was to be watched, but this run has no such figure: it lacks validation samples or the metric`,
      );
    const { minDelta, value: best = Number.NaN } = this;
    const better = Number.isNaN(best)
      ? !Number.isNaN(value)
      : /loss/i.test(this.monitor)
        ? value < best - minDelta
        : value > best + minDelta;
    if (better) this.value = value;
    return better;
  }
}

const best = v.optional(figure);
const earlyStoppingState = object({ best, wait: wholeNumber(), ended: v.boolean() });
const reduceLROnPlateauState = object({
  best,
  wait: wholeNumber(),
  cooling: wholeNumber(),
  learningRate: v.optional(finiteNumber),
});
const bestCheckpointState = object({ best, epoch: wholeNumber() });

/** What `EarlyStopping` watches, and how long it waits. */
export interface EarlyStoppingOptions {
  /** Default `valLoss`. */
  monitor?: Monitor;
  /** Epochs in a row without improvement after which training ends. Default 0, which is as 1. */
  patience?: number;
  /** What counts as an improvement is larger than this. Default 0. */
  minDelta?: number;
  /** Whether the model gets the weights of the best epoch back when this ends the run. Default false: it keeps the last ones. */
  restoreBestWeights?: boolean;
}

/**
 * Ends training after `patience` epochs in a row without improvement.
 *
 * @example
 * ```ts
 * import { EarlyStopping } from 'weft-gpu';
 *
 * // In the `callbacks` of `fit`: ends after 5 epochs without a lower validation loss, with the weights of the best.
 * const callback = new EarlyStopping({ monitor: 'valLoss', patience: 5, restoreBestWeights: true });
 * ```
 */
export class EarlyStopping implements Callback {
  private readonly best: Best;
  private readonly patience: number;
  private readonly restoresBest: boolean;
  private kept: Weights = new Map();
  private wait = 0;
  private ended = false;

  /** @throws WeftError for a monitor that is none, or numbers out of their range */
  constructor(options: EarlyStoppingOptions = {}) {
    checkOptions('EarlyStopping', options, '{ patience: 5 }');
    const { monitor = 'valLoss', patience = 0, minDelta = 0, restoreBestWeights = false } = options;
    this.best = new Best('EarlyStopping', monitor, minDelta);
    this.patience = checkNumber('EarlyStopping', 'patience', patience, EPOCHS);
    this.restoresBest = restoreBestWeights;
  }

  onBegin(): void {
    this.best.reset();
    this.kept = new Map();
    this.wait = 0;
    this.ended = false;
  }

  async onEpochEnd(logs: EpochLogs, training: Training): Promise<void> {
    const improves = this.best.improves(logs);
    this.wait = improves ? 0 : this.wait + 1;
    if (improves && this.restoresBest) this.kept = await training.model.weights();
    if (this.wait === 0 || this.wait < this.patience) return;
    this.ended = true;
    training.finish(`${this.best.monitor} has not improved for ${this.wait} epochs`);
  }

  onEnd({ model }: Training): void {
    if (this.ended && this.kept.size > 0) model.setWeights(this.kept);
  }

  state() {
    return { best: this.best.value, wait: this.wait, ended: this.ended };
  }

  weights(): Weights {
    return this.kept;
  }

  restore(state: unknown, _: Training, weights: Weights): void {
    const saved = check('the checkpoint: EarlyStopping', state, earlyStoppingState);
    ({ best: this.best.value, wait: this.wait, ended: this.ended } = saved);
    this.kept = weights;
  }
}

/** What `ReduceLROnPlateau` watches, and what it does. */
export interface ReduceLROnPlateauOptions {
  /** Default `valLoss`. */
  monitor?: Monitor;
  /** What the learning rate is multiplied with, from 0 to below 1. Default 0.1. */
  factor?: number;
  /** Epochs in a row without improvement after which it is. Default 10. */
  patience?: number;
  /** What counts as an improvement is larger than this. Default 1e-4. */
  minDelta?: number;
  /** Epochs after a reduction that aren't counted. Default 0. */
  cooldown?: number;
  /** The rate doesn't fall below this. Default 0. */
  minLearningRate?: number;
}

/**
 * Reduces the optimizer's learning rate where a figure has stopped improving, with Keras' rules and defaults. Of a schedule that has a
 * base rate, it reduces that. Each run begins anew, at the rate that the optimizer has: one that was reduced stays the optimizer's, as in
 * Keras.
 *
 * @example
 * ```ts
 * import { ReduceLROnPlateau } from 'weft-gpu';
 *
 * // In the `callbacks` of `fit`: a fifth of the rate after 3 epochs without a higher validation accuracy.
 * const callback = new ReduceLROnPlateau({ monitor: 'valAccuracy', factor: 0.2, patience: 3 });
 * ```
 */
export class ReduceLROnPlateau implements Callback {
  private readonly best: Best;
  private readonly options;
  private wait = 0;
  private cooling = 0;
  /** The last that this set. */
  private rate: number | undefined;

  /** @throws WeftError for a monitor that is none, or numbers out of their range */
  constructor(options: ReduceLROnPlateauOptions = {}) {
    const owner = 'ReduceLROnPlateau';
    checkOptions(owner, options, '{ factor: 0.2 }');
    const { monitor = 'valLoss', factor = 0.1, patience = 10, minDelta = 1e-4 } = options;
    const { cooldown = 0, minLearningRate = 0 } = options;
    checkNumber(owner, 'factor', factor, { from: 0, below: 1 });
    checkNumber(owner, 'patience', patience, EPOCHS);
    checkNumber(owner, 'cooldown', cooldown, EPOCHS);
    checkNumber(owner, 'minLearningRate', minLearningRate, { from: 0 });
    this.best = new Best(owner, monitor, minDelta);
    this.options = { factor, patience, cooldown, minLearningRate };
  }

  /** @throws WeftError where the learning rate is a schedule without a base rate */
  onEpochEnd(logs: EpochLogs, { optimizer }: Training): void {
    const { factor, patience, cooldown, minLearningRate } = this.options;
    const learningRate = baseRate(optimizer.learningRate);
    if (learningRate === undefined)
      throw new WeftError(
        'ReduceLROnPlateau needs a learning rate that is a number, or a schedule with a base rate: constant, step, exponential, inverseTime',
      );
    if (this.cooling > 0) {
      this.cooling--;
      this.wait = 0;
    }
    if (this.best.improves(logs)) {
      this.wait = 0;
      return;
    }
    if (this.cooling > 0 || ++this.wait < patience || learningRate <= minLearningRate) return;
    this.rate = Math.max(learningRate * factor, minLearningRate);
    optimizer.learningRate = withBaseRate(optimizer.learningRate, this.rate);
    this.cooling = cooldown;
    this.wait = 0;
  }

  onBegin(): void {
    this.best.reset();
    this.rate = undefined;
    this.wait = 0;
    this.cooling = 0;
  }

  /** The rate is part of it: a schedule is a function of the step, what this made of the rate is not. */
  state() {
    return { best: this.best.value, wait: this.wait, cooling: this.cooling, learningRate: this.rate };
  }

  restore(state: unknown, { optimizer }: Training): void {
    const saved = check('the checkpoint: ReduceLROnPlateau', state, reduceLROnPlateauState);
    ({ best: this.best.value, wait: this.wait, cooling: this.cooling, learningRate: this.rate } = saved);
    if (saved.learningRate !== undefined)
      optimizer.learningRate = withBaseRate(optimizer.learningRate, saved.learningRate);
  }
}

/** What `BestCheckpoint` watches, and what it does. */
export interface BestCheckpointOptions {
  /** Default `valLoss`. */
  monitor?: Monitor;
  /** Keeps the file, in place of the one before. */
  save: (file: Uint8Array) => Promise<void>;
  /** What the first file must be better than, as of an earlier training of the same model: Keras' `initial_value_threshold`. */
  initialBest?: number;
}

/**
 * Hands the model's file to `save` whenever the watched figure is the best of the run so far.
 *
 * @example
 * ```ts
 * import { BestCheckpoint } from 'weft-gpu';
 * import { atomicWrite } from 'weft-gpu/node';
 *
 * // In the `callbacks` of `fit`: the file always holds the model of the best epoch so far.
 * const callback = new BestCheckpoint({ save: (file) => atomicWrite('best.safetensors', file) });
 * ```
 */
export class BestCheckpoint implements Callback {
  private readonly best: Best;
  private readonly save: (file: Uint8Array) => Promise<void>;
  private epoch = 0;

  /** @throws WeftError for a monitor that is none, or without a function that saves */
  constructor(options: BestCheckpointOptions) {
    const owner = 'BestCheckpoint';
    const { monitor = 'valLoss', save, initialBest } = checkOptions(owner, options, '{ save: keepFile }');
    checkFunction(owner, 'save', save, 'async (file) => { … }');
    this.best = new Best(owner, monitor, 0, initialBest);
    this.save = save;
  }

  onBegin(): void {
    this.best.reset();
    this.epoch = 0;
  }

  async onEpochEnd(logs: EpochLogs, training: Training): Promise<void> {
    if (!this.best.improves(logs)) return;
    this.epoch = logs.epoch;
    await this.save(await training.model.save());
  }

  state() {
    return { best: this.best.value, epoch: this.epoch };
  }

  restore(state: unknown): void {
    const saved = check('the checkpoint: BestCheckpoint', state, bestCheckpointState);
    ({ best: this.best.value, epoch: this.epoch } = saved);
  }
}
