import { ArraySource } from '../data/batchSource.ts';
import { ShapeError, WeftError } from '../errors.ts';
import { fit } from '../nn/fit.ts';
import { layers } from '../nn/layers/index.ts';
import type { Model } from '../nn/model.ts';
import { Adam } from '../nn/optimizers/index.ts';
import { schedules } from '../nn/schedules.ts';
import { sequential } from '../nn/sequential.ts';
import { tensor } from '../tensor/tensor.ts';
import { checkClasses, predictedClasses } from './classification.ts';
import { checkMembers, type EnsembleAnswer, logProbability } from './ensemble.ts';

/*
 * Letters: M members, N samples, C classes.
 *
 * The meta-learner is a softmax regression on x[n] = the M · C logarithms of the members' probabilities for sample n, each member's less
 * their mean: y[n] = softmax(x[n] · W + b). With W = M identities one below the other, each over M, and b = 0, that is the members'
 * `logitAverage`: it begins there, and learns from samples that no member has learnt how far to trust whom on which class.
 */

/** What a meta-learner is fitted to, and how. */
export interface StackingOptions {
  /** The members' probabilities for samples that none of them was trained on: [samples, classes] row-major each. */
  readonly members: readonly ArrayLike<number>[];
  /** Those samples' classes. */
  readonly labels: ArrayLike<number>;
  readonly classes: number;
  /** Keras' L2 factor on the meta-learner's kernel: it keeps few samples from deciding much. Default 1e-3. */
  readonly l2?: number;
  /** Steps of Adam, each on all samples at once, its rate going down to 0 along a cosine. Default 300. */
  readonly steps?: number;
  /** The rate of the first step. Default 0.05. */
  readonly learningRate?: number;
  readonly seed?: number;
}

/** A meta-learner that was fitted to members' answers. */
export interface Stacking {
  /** From the members' log-probabilities, [M · C], to class probabilities [C]. */
  readonly model: Model;
  /** Loss with the penalty, and accuracy, on the samples that it was fitted to, in its last step. */
  readonly fitted: { readonly samples: number; readonly loss: number; readonly accuracy: number };
  /**
   * @param members the members' probabilities for other samples, in the order in which they were fitted
   * @throws ShapeError where there are other than as many members, or they differ in size
   */
  predict(members: readonly ArrayLike<number>[]): Promise<EnsembleAnswer>;
  /** Frees the meta-learner. */
  dispose(): void;
}

/**
 * Fits a meta-learner to members' answers (D. Wolpert, Stacked generalization, 1992): a softmax regression on their log-probabilities,
 * trained on the GPU. Give it answers to samples that no member was trained on, or it learns to trust whoever overfits.
 * @throws ShapeError where members or labels differ in size; WeftError where a label is no class, or a probability NaN
 * @example
 * ```ts
 * import { init, stacking } from 'weft-gpu';
 *
 * await init();
 * // Two members that have learnt: the first knows class 0, the second one takes each class for the other.
 * const first = [0.9, 0.1, 0.5, 0.5, 0.9, 0.1, 0.5, 0.5];
 * const second = [0.2, 0.8, 0.7, 0.3, 0.3, 0.7, 0.8, 0.2];
 * const stacked = await stacking({ members: [first, second], labels: [0, 1, 0, 1], classes: 2, steps: 50 });
 * const { predictions } = await stacked.predict([[0.5, 0.5], [0.9, 0.1]]);
 * console.log(predictions); // [1]
 * stacked.dispose();
 * ```
 */
export async function stacking(options: StackingOptions): Promise<Stacking> {
  const { members, labels, classes, l2 = 1e-3, steps = 300, learningRate = 0.05, seed = 0 } = options;
  const samples = checkMembers('stacking', members, classes);
  if (labels.length !== samples)
    throw new ShapeError(
      'stacking',
      `as many labels as the members have samples, ${samples}`,
      `${labels.length}`,
    );
  if (samples === 0) throw new WeftError('stacking: there are no samples to fit a meta-learner to');
  checkClasses('stacking: labels', labels, classes);
  const model = sequential(
    [layers.dense({ units: classes, activation: 'softmax', kernelRegularizer: { l2 } })],
    { inputShape: [members.length * classes], seed },
  );
  const [kernel] = model.parameters;
  kernel.set(averagingKernel(members.length, classes));
  const source = new ArraySource(features(members, classes), labels, [members.length * classes]);
  const optimizer = new Adam({ learningRate: schedules.cosine({ learningRate, decaySteps: steps }) });
  try {
    const indices = Uint32Array.from({ length: samples }, (_, i) => i);
    const { history } = await fit(model, {
      train: { source, indices },
      optimizer,
      epochs: steps,
      batchSize: samples,
      seed,
    });
    const { loss, accuracy = Number.NaN } = history[history.length - 1];
    return {
      model,
      fitted: { samples, loss, accuracy },
      predict: (others) => predict(model, others, members.length, classes),
      dispose: () => model.dispose(),
    };
  } catch (error) {
    model.dispose();
    throw error;
  } finally {
    optimizer.dispose();
    source.dispose();
  }
}

async function predict(
  model: Model,
  members: readonly ArrayLike<number>[],
  fitted: number,
  classes: number,
): Promise<EnsembleAnswer> {
  const samples = checkMembers('stacking.predict', members, classes);
  if (members.length !== fitted)
    throw new ShapeError('stacking.predict', `${fitted} members, as fitted`, `${members.length}`);
  if (samples === 0) return { predictions: new Uint32Array(), probabilities: new Float32Array() };
  const x = tensor(features(members, classes), [samples, members.length * classes]);
  const y = await model.predict(x, { batchSize: 4096 }).finally(() => x.dispose());
  const probabilities = (await y.data()) as Float32Array;
  y.dispose();
  return { predictions: predictedClasses(probabilities, classes), probabilities };
}

/** [N, M · C]: logarithms of probabilities, each member's less their mean, which a softmax doesn't see. */
function features(members: readonly ArrayLike<number>[], classes: number): Float32Array {
  const samples = members[0].length / classes;
  const x = new Float32Array(samples * members.length * classes);
  for (let n = 0; n < samples; n++)
    members.forEach((member, m) => {
      const logs = Float64Array.from({ length: classes }, (_, c) => logProbability(member[n * classes + c]));
      const mean = logs.reduce((sum, value) => sum + value, 0) / classes;
      x.set(
        logs.map((value) => value - mean),
        (n * members.length + m) * classes,
      );
    });
  return x;
}

/** [M · C, C]: identities, each over M. */
function averagingKernel(members: number, classes: number): Float32Array {
  const kernel = new Float32Array(members * classes * classes);
  for (let row = 0; row < members * classes; row++) kernel[row * classes + (row % classes)] = 1 / members;
  return kernel;
}
