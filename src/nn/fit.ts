import { BatchSampler } from '../data/sampler.ts';
import { WeftError } from '../errors.ts';
import { add } from '../kernels/binary.ts';
import { haltUnlessFinite } from '../kernels/shared/updates.ts';
import { noteHalt, noteNonFinite, stepMetrics } from '../kernels/stepMetrics.ts';
import { zeros } from '../tensor/create.ts';
import { type Recorded, record } from '../tensor/record.ts';
import { keep } from '../tensor/scope.ts';
import { sameShape, showShape } from '../tensor/shape.ts';
import { hostTensor, type Tensor, tensor } from '../tensor/tensor.ts';
import { type AveragingOptions, WeightAverage } from './averaging.ts';
import type { Callback, Weights } from './callbacks.ts';
import { type Scores, thresholdOf } from './classifier.ts';
import {
  classLoss,
  type Evaluation,
  Evaluator,
  type Loss,
  type LossEvaluation,
  type LossOperand,
  lossOperand,
  type Metric,
} from './evaluate.ts';
import { BATCH_SIZE, CHECKPOINT_SECONDS, checkedFit } from './fitOptions.ts';
import type { Model } from './model.ts';
import { keepStatistics } from './movingStatistics.ts';
import { type Finding, findNonFinite, type HaltedStep, NonFiniteError } from './nonFinite.ts';
import type { Optimizer } from './optimizers/index.ts';
import { type Parameter, readParameters } from './parameter.ts';
import { decodeSafetensors, encodeSafetensors, type NamedTensors } from './safetensors.ts';
import type { Samples } from './samples.ts';
import { readSavedState, type SavedState } from './savedState.ts';
import type { Slot } from './slots.ts';

/** The figures of one epoch: means over its samples, weighted by batch. */
export interface EpochLogs {
  /** From 1. */
  readonly epoch: number;
  readonly loss: number;
  /** Where the run's metrics have it; so for validation. */
  readonly accuracy?: number;
  readonly valLoss?: number;
  readonly valAccuracy?: number;
}

/** What `fit` trains on and how: the arguments of Keras' `compile` and `fit`. */
export interface FitOptions {
  readonly train: Samples;
  readonly validation?: Samples;
  readonly optimizer: Optimizer;
  /** The number of the last epoch. */
  readonly epochs: number;
  /** Epochs that an earlier training of the same model made: this one counts on from there. Default 0. */
  readonly initialEpoch?: number;
  /** Default 32. */
  readonly batchSize?: number;
  /** Default: one pass over the samples. */
  readonly stepsPerEpoch?: number;
  /** Default `softmaxCrossEntropy`. The layers' L2 penalties are added to it. */
  readonly loss?: Loss;
  /** What the loss is given: default 'logits'. */
  readonly lossOf?: LossOperand;
  /** What is computed beside the loss. Default `['accuracy']`; `[]` for a model that classifies nothing. */
  readonly metrics?: readonly Metric[];
  /**
   * Keeps an exponential moving average of the weights. Validation, callbacks at the end of an epoch (and so the files that they
   * write) and, when `fit` is done, the model have the averaged weights; checkpoints hold both.
   */
  readonly averaging?: AveragingOptions;
  /** Decides the order of the samples. Default: the model's. */
  readonly seed?: number;
  readonly callbacks?: readonly Callback[];
  /** Keeps the whole state of the run: called after every epoch and at least every `seconds` (default 60), and when the run stops early. */
  readonly checkpoint?: {
    /** Keeps the file, in place of the one before. */
    save: (file: Uint8Array, logs: readonly EpochLogs[]) => Promise<void>;
    seconds?: number;
    /** What error messages call the file that `resume` has. Default 'the checkpoint'. */
    name?: string;
  };
  /** A file from `checkpoint`: the run goes on from there, bit for bit. */
  readonly resume?: Uint8Array;
  /** Asked after every step, and within validations (which a resumed run begins anew): a reason to stop here and checkpoint. */
  readonly shouldStop?: (during: 'steps' | 'validation') => string | undefined;
}

/** What `fit` gives: Keras' `History`. */
export interface FitResult {
  readonly history: readonly EpochLogs[];
  /** Why the run ended before its last epoch by a callback's word, if it did. */
  readonly finished?: string;
  /** Why the run was stopped by `shouldStop`: it can be resumed from its checkpoint. */
  readonly stopped?: string;
}

/** Loss, correct predictions (null: nothing was classified) and size of a batch. */
export type BatchFigures = [loss: number, correct: number | null, size: number];

/** Thrown between the last step of an epoch and the end of its validation, where `shouldStop` gave a reason. */
class Stopped {
  constructor(readonly reason: string) {}
}

/** A step that was issued and whose figures weren't read yet. */
interface IssuedStep {
  readonly batch: Uint32Array;
  /** What it was to change. */
  readonly trained: readonly Parameter[];
  /** Of the sources of randomness, before it. */
  readonly positions: readonly number[];
}

/** Models that are being trained. */
const inTraining = new WeakSet<Model>();

/** Progress is read from the GPU at most this often. */
const READ_EVERY_MS = 1000;
/** What a checkpoint holds beside weights, by the beginning of its name. */
const OPTIMIZER = 'optimizer ';
const AVERAGING = 'averaging ';
const CALLBACK = 'callback ';
const BESIDE_WEIGHTS = [OPTIMIZER, AVERAGING, CALLBACK];

/** A training run: what `fit` does, as an object that callbacks can look at. */
export class Training {
  readonly history: EpochLogs[] = [];
  private readonly options: FitOptions;
  /** Undefined where nothing is classified. */
  private readonly scores: Scores | undefined;
  private readonly sampler: BatchSampler;
  private readonly stepsPerEpoch: number;
  private readonly log: Tensor;
  private readonly halt: Tensor;
  private step: Recorded<[Tensor], Record<string, never>>;
  /** What the step was recorded for. */
  private trained: readonly Parameter[];
  private readonly averages: WeightAverage | undefined;
  private readonly evaluator: Evaluator | undefined;
  private epoch = 0;
  private stepInEpoch = 0;
  private batches: BatchFigures[] = [];
  private unread: IssuedStep[] = [];
  private finished: string | undefined;

  /** @throws WeftError naming the option, the index or the label that is wrong */
  constructor(
    readonly model: Model,
    given: FitOptions,
  ) {
    const { options, scores } = checkedFit(model, given);
    this.options = options;
    this.scores = scores;
    const {
      train,
      validation,
      batchSize = BATCH_SIZE,
      loss = classLoss,
      metrics,
      averaging,
      seed = model.seed,
      initialEpoch = 0,
    } = options;
    this.epoch = initialEpoch;
    this.sampler = new BatchSampler(train.indices, batchSize, seed);
    this.stepsPerEpoch = options.stepsPerEpoch ?? this.sampler.batchesPerPass;
    // Checks its options, so it comes before what would have to be freed.
    this.averages = averaging && new WeightAverage(model.parameters, averaging);
    this.log = keep(zeros([2 * this.stepsPerEpoch]));
    this.halt = keep(tensor(Uint32Array.of(0)));
    this.trained = model.trainableParameters;
    this.step = this.recordStep();
    if (validation) {
      const onProgress = (done: number, total: number) => {
        for (const callback of options.callbacks ?? []) callback.onValidation?.(done, total);
        if (done < total) this.stopIfAsked();
      };
      this.evaluator = new Evaluator(model, validation, {
        batchSize: Math.min(batchSize * 2, 256),
        loss,
        lossOf: options.lossOf,
        metrics,
        onProgress,
      });
    }
  }

  /** What changes the weights. */
  get optimizer(): Optimizer {
    return this.options.optimizer;
  }

  /** The batches of the running epoch, as far as they were read: in `onEpochEnd`, all of them. */
  get epochBatches(): readonly BatchFigures[] {
    return this.batches;
  }

  /** Leaves an `onStepsEnd` where the run is asked to stop; it is called again when the run is resumed. */
  stopIfAsked(): void {
    const reason = this.options.shouldStop?.('validation');
    if (reason !== undefined) throw new Stopped(reason);
  }

  /** Ends the run after this epoch. */
  finish(reason: string): void {
    this.finished ??= reason;
  }

  /** Trains to the last epoch, or until a callback or `shouldStop` ends it. */
  async run(): Promise<FitResult> {
    const { epochs, callbacks = [], checkpoint, shouldStop, resume } = this.options;
    for (const callback of callbacks) callback.onBegin?.(this);
    if (resume) this.goOnFrom(resume);
    // Of the weights that no step changes, too, none may be infinite or NaN: activations hide it.
    haltUnlessFinite(
      this.model.parameters.map(({ tensor }) => tensor),
      this.halt,
    );
    let lastSave = performance.now();
    const save = async () => {
      await checkpoint?.save(await this.snapshot(), this.history);
      lastSave = performance.now();
    };
    while (this.epoch < epochs && this.finished === undefined) {
      let lastRead = performance.now();
      let samplesSince = 0;
      while (this.stepInEpoch < this.stepsPerEpoch) {
        samplesSince += await this.makeStep();
        const due = performance.now() - lastRead >= READ_EVERY_MS;
        if (due) {
          await this.readBatches();
          const seconds = (performance.now() - lastRead) / 1000;
          const means = meansOf(this.batches);
          const progress = {
            epoch: this.epoch + 1,
            epochs,
            step: this.stepInEpoch,
            stepsPerEpoch: this.stepsPerEpoch,
            ...means,
            imagesPerSecond: samplesSince / seconds,
          };
          for (const callback of callbacks) callback.onStep?.(progress);
          samplesSince = 0;
          lastRead = performance.now();
        }
        const stopped = shouldStop?.('steps');
        if (stopped !== undefined) {
          await this.readBatches();
          await save();
          return { history: this.history, stopped };
        }
        if (performance.now() - lastSave >= (checkpoint?.seconds ?? CHECKPOINT_SECONDS) * 1000) {
          await this.readBatches();
          await save();
        }
      }
      await this.readBatches();
      const stopped = await this.withAverages(() => this.endEpoch());
      // All steps of the epoch are done: a resumed run begins with its validation.
      if (stopped === undefined) {
        this.epoch++;
        this.stepInEpoch = 0;
        this.batches = [];
      }
      await save();
      if (stopped !== undefined) return { history: this.history, stopped };
    }
    this.averages?.swap();
    try {
      for (const callback of callbacks) await callback.onEnd?.(this);
    } catch (error) {
      this.averages?.swap();
      throw error;
    }
    return { history: this.history, finished: this.finished };
  }

  /** Validates and tells the callbacks; or says why the run is to stop before that. */
  private async endEpoch(): Promise<string | undefined> {
    const validation = await this.validate();
    if (validation instanceof Stopped) return validation.reason;
    const logs: EpochLogs = {
      epoch: this.epoch + 1,
      ...meansOf(this.batches),
      ...(validation && { valLoss: validation.loss }),
      ...(validation && 'accuracy' in validation && { valAccuracy: validation.accuracy }),
    };
    this.history.push(logs);
    for (const callback of this.options.callbacks ?? []) await callback.onEpochEnd?.(logs, this);
    return undefined;
  }

  /** Runs `what` while the model has its averaged weights, where there are such. */
  private async withAverages<T>(what: () => Promise<T>): Promise<T> {
    this.averages?.swap();
    try {
      return await what();
    } finally {
      this.averages?.swap();
    }
  }

  /** The whole state of the run: weights, optimizer, random counters, data cursor, history, callbacks. */
  async snapshot(): Promise<Uint8Array> {
    const { optimizer, callbacks = [] } = this.options;
    const ofCallbacks = callbacks.flatMap((callback, i) =>
      [...(callback.weights?.() ?? [])].map(([name, weight]) => [`${CALLBACK}${i} ${name}`, weight] as const),
    );
    const state: SavedState = {
      epoch: this.epoch,
      step: this.stepInEpoch,
      iterations: optimizer.iterations,
      steps: Object.fromEntries(
        this.model.trainableParameters.map((parameter) => [parameter.name, optimizer.stepsOf(parameter)]),
      ),
      sampler: this.sampler.state,
      streams: Object.fromEntries(this.streams.map(({ name, position }) => [name, position])),
      history: this.history,
      batches: this.batches,
      averaged: this.averages?.updates,
      callbacks: callbacks.map((callback) => callback.state?.() ?? null),
      finished: this.finished,
    };
    const weft = JSON.stringify({ model: this.model.toConfig(), training: state });
    // All is of one moment, this: what is on the GPU is copied there before anything is waited for.
    const { parameters } = this.model;
    const slots = [...this.slots];
    const views = slots.map(([, slot]) => slot.view());
    const reading = readParameters(parameters, views);
    for (const view of views) view.dispose();
    const values = await reading;
    const named = [
      ...parameters.map(({ name, shape }) => ({ name, shape })),
      ...slots.map(([name, { shape }]) => ({ name, shape })),
    ];
    const tensors: NamedTensors['tensors'] = new Map([
      ...named.map(({ name, shape }, i) => [name, { shape, data: values[i] }] as const),
      ...ofCallbacks,
    ]);
    return encodeSafetensors(tensors, { weft });
  }

  /** Frees what the run recorded; model and optimizer stay. */
  dispose(): void {
    this.step.dispose();
    this.evaluator?.dispose();
    this.averages?.dispose();
    this.log.dispose();
    this.halt.dispose();
  }

  /** What is kept for each weight, by its name in a checkpoint. */
  private get slots(): Map<string, Slot> {
    const named = (prefix: string, slots: Map<string, Slot> | undefined) =>
      [...(slots ?? [])].map(([name, slot]) => [prefix + name, slot] as const);
    return new Map([
      ...named(OPTIMIZER, this.optimizer.state(this.model.trainableParameters)),
      ...named(AVERAGING, this.averages?.state()),
    ]);
  }

  private get streams() {
    return [...this.model.randomStreams, ...this.options.train.source.randomStreams];
  }

  /** Restores a checkpoint: what is wrong with it is said with its name before it. */
  private goOnFrom(file: Uint8Array): void {
    const { checkpoint: { name } = {} } = this.options;
    try {
      this.restore(file);
    } catch (error) {
      if (name === undefined || !(error instanceof WeftError)) throw error;
      throw new WeftError(`${name}: ${error.message}`, { cause: error });
    }
  }

  private restore(file: Uint8Array): void {
    const { optimizer, callbacks = [] } = this.options;
    const { tensors, metadata } = decodeSafetensors(file);
    const saved = readSavedState(metadata);
    this.sampler.state = saved.sampler;
    if (saved.batches.length !== saved.step || saved.step > this.stepsPerEpoch)
      throw new WeftError(
        `the checkpoint is ${saved.step} steps into an epoch and has the figures of ${saved.batches.length}; an epoch has ${this.stepsPerEpoch} here`,
      );
    for (const [name, { data }] of tensors)
      if (!(data instanceof Float32Array))
        throw new WeftError(
          `the checkpoint holds a ${data.constructor.name} '${name}'; all are Float32Array`,
        );
    /** The arrays whose names begin so, under the rest of their names. */
    const under = (prefix: string): Weights =>
      new Map(
        [...(tensors as Weights)]
          .filter(([name]) => name.startsWith(prefix))
          .map(([name, array]) => [name.slice(prefix.length), array]),
      );
    const isBeside = (name: string) => BESIDE_WEIGHTS.some((prefix) => name.startsWith(prefix));
    const { slots } = this;
    for (const [name, slot] of slots) {
      const found = tensors.get(name);
      if (!found || !sameShape(found.shape, slot.shape))
        throw new WeftError(
          `the checkpoint holds no '${name}' of shape ${showShape(slot.shape)}: it was made with another optimizer, model or averaging`,
        );
    }
    this.model.setWeights(new Map([...under('')].filter(([name]) => !isBeside(name))));
    for (const [name, slot] of slots) slot.set(under('').get(name)!.data);
    if (this.averages) this.averages.updates = saved.averaged ?? 0;
    optimizer.iterations = saved.iterations;
    const steps = new Map(Object.entries(saved.steps ?? {}));
    for (const parameter of this.model.trainableParameters)
      optimizer.setSteps(parameter, steps.get(parameter.name) ?? saved.iterations);
    for (const stream of this.streams) stream.position = saved.streams[stream.name] ?? 0;
    this.history.length = 0;
    for (const logs of saved.history) this.history.push(logs);
    this.batches = saved.batches;
    this.epoch = saved.epoch;
    this.stepInEpoch = saved.step;
    this.finished = saved.finished;
    callbacks.forEach((callback, i) => {
      callback.restore?.(saved.callbacks[i], this, under(`${CALLBACK}${i} `));
    });
  }

  private async validate(): Promise<Evaluation | LossEvaluation | Stopped | undefined> {
    try {
      for (const callback of this.options.callbacks ?? []) await callback.onStepsEnd?.(this);
      return await this.evaluator?.run();
    } catch (error) {
      if (error instanceof Stopped) return error;
      throw error;
    }
  }

  private recordStep(): Recorded<[Tensor], Record<string, never>> {
    const { model, trained } = this;
    const { train, optimizer, loss = classLoss } = this.options;
    const statistics = model.parameters.filter(({ moving }) => moving);
    return record((indices: Tensor) => {
      const { log, halt } = this;
      const { x, labels } = train.source.batch(indices, true);
      const index = hostTensor([1], 'u32', () => Uint32Array.of(this.stepInEpoch));
      const restoreStatistics = keepStatistics(statistics);
      optimizer.minimize(
        (pass) => {
          const output = lossOperand(model, x, this.options.lossOf, { training: true, ...pass });
          const own = loss(output, labels, x);
          const penalty = model.regularization();
          const total = penalty ? add(own, penalty) : own;
          // What a step reports is the loss at its weights, which the first pass computes.
          if (!pass.updateStatistics) noteNonFinite({ loss: total, log, halt, index });
          else if (!this.scores) stepMetrics({ loss: total, log, halt, index });
          else {
            const threshold = thresholdOf(this.scores);
            stepMetrics({ loss: total, logits: output, labels, threshold, log, halt, index });
          }
          haltUnlessFinite(
            statistics.map(({ tensor }) => tensor),
            halt,
          );
          return total;
        },
        trained,
        halt,
      );
      restoreStatistics(halt);
      this.averages?.update(halt);
      noteHalt({ log, halt, index });
      return {};
    });
  }

  /** Records the step anew where other weights are to be trained than it was recorded for. */
  private followTrainability(): void {
    const now = this.model.trainableParameters;
    if (now.length === this.trained.length && now.every((parameter, i) => parameter === this.trained[i]))
      return;
    this.step.dispose();
    this.trained = now;
    this.step = this.recordStep();
  }

  /** Issues one step and returns how many samples it takes. */
  private async makeStep(): Promise<number> {
    this.followTrainability();
    const batch = this.sampler.next();
    const positions = this.streams.map(({ position }) => position);
    const indices = tensor(batch);
    await this.step(indices);
    indices.dispose();
    this.stepInEpoch++;
    this.unread.push({ batch, trained: this.trained, positions });
    return batch.length;
  }

  /** Reads the figures of the batches issued since the last reading. @throws NonFiniteError */
  private async readBatches(): Promise<void> {
    if (this.unread.length === 0) return;
    const log = await this.log.data();
    for (const [i, { batch }] of this.unread.entries()) {
      const step = this.batches.length;
      const [loss, correct] = log.subarray(2 * step, 2 * step + 2);
      // What halts a step is noted so.
      if (correct < 0) throw await this.nonFiniteError(this.unread.slice(i), loss, -correct);
      this.batches.push([loss, this.scores ? correct : null, batch.length]);
    }
    this.unread = [];
  }

  /** What went wrong in the first of these steps, which changed nothing: they are taken back. */
  private async nonFiniteError(
    halted: readonly IssuedStep[],
    loss: number,
    halt: number,
  ): Promise<NonFiniteError> {
    const { model } = this;
    const { train, optimizer, lossOf, loss: lossFunction = classLoss } = this.options;
    const [{ batch, trained, positions }] = halted;
    for (const { trained } of halted) {
      optimizer.iterations--;
      for (const parameter of trained) optimizer.setSteps(parameter, optimizer.stepsOf(parameter) - 1);
      if (this.averages) this.averages.updates--;
    }
    const setStreams = () =>
      this.streams.forEach((stream, i) => {
        stream.position = positions[i];
      });
    setStreams();
    const failed: HaltedStep = {
      model,
      source: train.source,
      samples: batch,
      trained,
      loss: lossFunction,
      lossOf,
      halt,
    };
    const { what, layer, sample, cause }: Finding = await findNonFinite(failed).catch((error) => ({
      what: `where it arises can't be told (${error.message})`,
      cause: 'given',
    }));
    setStreams();
    const [epoch, step] = [this.epoch + 1, this.batches.length + 1];
    const stopped = Number.isFinite(loss) ? 'training stopped' : `the loss is ${loss}`;
    const isFirst = epoch === 1 && step === 1;
    const mayHelp = cause === 'step' || (cause === 'grown' && !isFirst);
    const hint = mayHelp ? '; a lower learning rate may help' : '';
    return new NonFiniteError(
      `${stopped} at epoch ${epoch}, step ${step}: ${what}. The weights are those before that step${hint}`,
      { epoch, step, layer, sample },
    );
  }
}

/** Means over the samples of batches. */
export function meansOf(batches: readonly BatchFigures[]): { loss: number; accuracy?: number } {
  const samples = batches.reduce((total, [, , size]) => total + size, 0);
  const loss = batches.reduce((total, [loss, , size]) => total + loss * size, 0) / samples;
  if (batches.some(([, correct]) => correct === null)) return { loss };
  return { loss, accuracy: batches.reduce((total, [, correct]) => total + correct!, 0) / samples };
}

/**
 * Trains a model: a classifier, unless `metrics` is empty.
 * @throws NonFiniteError where a loss, a gradient, a weight or a moving statistic isn't a finite number: it names step, layer and sample,
 * and nothing of that step is in the model, the optimizer or a file.
 * @throws WeftError, before anything is computed, naming the option, the index or the label that is wrong; where the model is being
 * trained already
 * @example
 * ```ts
 * import { Adam, ArraySource, fit, layers, sequential } from 'weft-gpu';
 *
 * // Points of the unit square: is the first coordinate the larger one?
 * const points = Float32Array.from({ length: 128 }, (_, i) => (i * 0.618) % 1);
 * const labels = Array.from({ length: 64 }, (_, n) => (points[2 * n] > points[2 * n + 1] ? 1 : 0));
 * const source = new ArraySource(points, labels, [2]);
 *
 * const model = sequential([layers.dense({ units: 2 })], { inputShape: [2] });
 * const { history } = await fit(model, {
 *   train: { source, indices: Uint32Array.from({ length: 48 }, (_, i) => i) },
 *   validation: { source, indices: Uint32Array.from({ length: 16 }, (_, i) => 48 + i) },
 *   optimizer: new Adam({ learningRate: 0.05 }),
 *   epochs: 2,
 *   batchSize: 16,
 * });
 * console.log(history.map(({ epoch }) => epoch)); // [ 1, 2 ]
 * console.log(history[1].loss < history[0].loss); // true
 * ```
 */
export async function fit(model: Model, options: FitOptions): Promise<FitResult> {
  if (inTraining.has(model))
    throw new WeftError('fit: the model is being trained already: await that training first');
  const training = new Training(model, options);
  inTraining.add(model);
  try {
    return await training.run();
  } finally {
    inTraining.delete(model);
    training.dispose();
  }
}
