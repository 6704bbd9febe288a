import { checkNumber, checkOneOf, checkOptions } from '../../checks.ts';
import { WeftError } from '../../errors.ts';
import { type SgdForm, sgdUpdates } from '../../kernels/sgd.ts';
import type { Update, UpdatesOptions } from '../../kernels/shared/updates.ts';
import type { Tensor } from '../../tensor/tensor.ts';
import { hasMomentum, type LearningRate } from '../schedules.ts';
import type { OptimizerConfig } from './optimizer.ts';
import { type ClipOptions, RuleOptimizer, type StepCount } from './ruleOptimizer.ts';

/** Options of `SGD`. */
export interface SgdOptions extends ClipOptions {
  /** Whether the velocity holds the learning rate, as in Keras, or not, as in PyTorch: they differ where the rate changes. Default 'keras'. */
  form?: SgdForm;
  /** Default 0.01. */
  learningRate?: LearningRate;
  /** Default 0. */
  momentum?: number;
  /** Default false. */
  nesterov?: boolean;
  /** As PyTorch's SGD has it: this times the weights is added to their gradients, after clipping. Not an L2 penalty, which is part of the loss. Default 0. */
  weightDecay?: number;
}

/**
 * Stochastic gradient descent with momentum. The formulas are in `src/kernels/sgd.ts`.
 *
 * @example
 * ```ts
 * import { SGD, layers, sequential, softmaxCrossEntropy, tensor } from 'weft-gpu';
 *
 * const model = sequential([layers.dense({ units: 2 })], { inputShape: [2] });
 * const optimizer = new SGD({ learningRate: 0.1, momentum: 0.9, nesterov: true });
 * const loss = softmaxCrossEntropy(model.logits(tensor([[1, 0]]), { training: true }), tensor(Int32Array.of(1)));
 * optimizer.minimize(loss, model.trainableParameters);
 * console.log(optimizer.iterations); // 1
 * ```
 */
export class SGD extends RuleOptimizer {
  private readonly options;

  /** @throws WeftError for numbers out of their range, or `nesterov` without momentum */
  constructor(options: SgdOptions = {}) {
    checkOptions('SGD', options, '{ learningRate: 0.01 }');
    const { form = 'keras', learningRate = 0.01, momentum = 0, nesterov = false, weightDecay = 0 } = options;
    const { clipNorm, globalClipNorm } = options;
    const moving = momentum > 0 || hasMomentum(learningRate);
    super('SGD', learningRate, moving ? ['velocity'] : [], { clipNorm, globalClipNorm });
    checkOneOf('SGD', 'form', form, ['keras', 'pytorch']);
    checkNumber('SGD', 'momentum', momentum, { from: 0, to: 1 });
    checkNumber('SGD', 'weightDecay', weightDecay, { from: 0 });
    if (nesterov && !moving) throw new WeftError('SGD: nesterov needs a momentum above 0');
    this.options = { form, momentum, nesterov, weightDecay };
  }

  protected get ownConfig(): OptimizerConfig {
    return { name: this.name, ...this.options };
  }

  protected ratesAt(step: StepCount, learningRate: number): Float32Array {
    return Float32Array.of(learningRate, this.momentumAt(step, this.options.momentum));
  }

  protected update(
    updates: readonly Update[],
    rates: Tensor,
    given: Pick<UpdatesOptions, 'halt' | 'gradientScales'>,
  ): void {
    sgdUpdates(updates, rates, this.options, given);
  }
}
