import { checkFunction, checkNumber, checkOptions, showValue } from '../checks.ts';
import { WeftError } from '../errors.ts';
import { checkLabels, type Scores, scoresOf } from './classifier.ts';
import type { FitOptions } from './fit.ts';
import { Model } from './model.ts';
import { checkedSamples } from './samples.ts';

/** Where none is given. */
export const BATCH_SIZE = 32;
/** A run is kept at least this often, where nothing else is given. */
export const CHECKPOINT_SECONDS = 60;
/** An epoch's figures lie in one buffer. */
const MOST_STEPS = 2 ** 24;

/** What a run is given, checked. */
export interface CheckedFit {
  readonly options: FitOptions;
  /** Undefined where nothing is classified. */
  readonly scores: Scores | undefined;
}

/** @throws WeftError naming what isn't what `fit` takes, or a label that is no class of the model */
export function checkedFit(model: Model, options: FitOptions): CheckedFit {
  if (!(model instanceof Model))
    throw new WeftError(`fit: its first argument must be a model, got ${showValue(model)}`);
  checkOptions('fit', options, '{ train, optimizer, epochs }');
  const { optimizer, loss, callbacks = [], checkpoint, shouldStop } = options;
  const { initialEpoch = 0, batchSize = BATCH_SIZE, stepsPerEpoch = 1 } = options;
  checkNumber('fit', 'initialEpoch', initialEpoch, { from: 0, whole: true });
  checkNumber('fit', 'epochs', options.epochs, { from: initialEpoch + 1, whole: true });
  checkNumber('fit', 'batchSize', batchSize, { from: 1, whole: true });
  checkNumber('fit', 'stepsPerEpoch', stepsPerEpoch, { from: 1, to: MOST_STEPS, whole: true });
  checkNumber('fit', 'checkpoint.seconds', checkpoint?.seconds ?? CHECKPOINT_SECONDS, {
    from: 0,
    to: Number.POSITIVE_INFINITY,
  });
  if (typeof optimizer?.minimize !== 'function')
    throw new WeftError(
      `fit: optimizer must be one, as new Adam({ learningRate: 0.001 }), got ${showValue(optimizer)}`,
    );
  if (!Array.isArray(callbacks))
    throw new WeftError(
      `fit: callbacks must be a list, as [new EarlyStopping()], got ${showValue(callbacks)}`,
    );
  callbacks.forEach((callback, i) => {
    if (typeof callback !== 'object' || callback === null)
      throw new WeftError(`fit: callback ${i} must be an object with methods, got ${showValue(callback)}`);
  });
  if (checkpoint !== undefined)
    checkFunction('fit', 'checkpoint.save', checkpoint?.save, 'async (file) => {…}');
  if (shouldStop !== undefined) checkFunction('fit', 'shouldStop', shouldStop, '() => undefined');
  const scores = scoresOf('fit', model, options);
  const samplesOf = (name: 'train' | 'validation') => {
    const samples = checkedSamples('fit', name, options[name]!);
    if (scores || loss === undefined) checkLabels('fit', name, model, samples);
    return samples;
  };
  const validation = options.validation === undefined ? undefined : samplesOf('validation');
  return { options: { ...options, train: samplesOf('train'), validation }, scores };
}
