import { checkNumber, checkOneOf, checkOptions } from '../../checks.ts';
import { type AdamForm, adamRates, adamUpdates } from '../../kernels/adam.ts';
import type { Update, UpdatesOptions } from '../../kernels/shared/updates.ts';
import type { Tensor } from '../../tensor/tensor.ts';
import type { LearningRate } from '../schedules.ts';
import type { OptimizerConfig } from './optimizer.ts';
import { type ClipOptions, RuleOptimizer, type StepCount } from './ruleOptimizer.ts';

/** Options of `Adam`. */
export interface AdamOptions extends ClipOptions {
  /** Where epsilon stands, and its default: uncorrected as in Keras, or after the correction for bias as in PyTorch. Default 'keras'. */
  form?: AdamForm;
  /** Default 1e-3. */
  learningRate?: LearningRate;
  /** Default 0.9. */
  beta1?: number;
  /** Default 0.999. */
  beta2?: number;
  /** Default 1e-7 in Keras' form, 1e-8 in PyTorch's. */
  epsilon?: number;
  /**
   * Coupled, as PyTorch's Adam has it: this times the weights is added to their gradients, after clipping, and passes through the
   * moments. Not an L2 penalty, which is part of the loss (and twice as strong for the same number). Default 0.
   */
  weightDecay?: number;
}

/**
 * Adam (D. Kingma and J. Ba, 2015). The formulas are in `src/kernels/adam.ts`.
 *
 * @example
 * ```ts
 * import { Adam, layers, sequential, softmaxCrossEntropy, tensor } from 'weft-gpu';
 *
 * const model = sequential([layers.dense({ units: 2 })], { inputShape: [2] });
 * const optimizer = new Adam({ learningRate: 1e-3, clipNorm: 1 });
 * const loss = softmaxCrossEntropy(model.logits(tensor([[1, 0]]), { training: true }), tensor(Int32Array.of(1)));
 * optimizer.minimize(loss, model.trainableParameters);
 * console.log(optimizer.iterations); // 1
 * ```
 */
export class Adam extends RuleOptimizer {
  protected readonly options;

  /** @throws WeftError for numbers out of their range */
  constructor(options: AdamOptions = {}, name = 'Adam') {
    checkOptions(name, options, '{ learningRate: 0.001 }');
    const { form = 'keras', learningRate = 1e-3, beta1 = 0.9, beta2 = 0.999, weightDecay = 0 } = options;
    const { epsilon = form === 'keras' ? 1e-7 : 1e-8, clipNorm, globalClipNorm } = options;
    super(name, learningRate, ['m', 'v'], { clipNorm, globalClipNorm });
    checkOneOf(name, 'form', form, ['keras', 'pytorch']);
    checkNumber(name, 'beta1', beta1, { from: 0, below: 1 });
    checkNumber(name, 'beta2', beta2, { from: 0, below: 1 });
    checkNumber(name, 'epsilon', epsilon, { from: 0 });
    checkNumber(name, 'weightDecay', weightDecay, { from: 0 });
    this.options = { form, beta1, beta2, epsilon, weightDecay };
  }

  protected get ownConfig(): OptimizerConfig {
    return { name: this.name, ...this.options };
  }

  /** Whether the weight decay acts on the weights themselves, past the moments. */
  protected readonly decoupled: boolean = false;

  protected ratesAt(step: StepCount, learningRate: number): Float32Array {
    const { form, beta2, weightDecay } = this.options;
    const beta1 = this.momentumAt(step, this.options.beta1);
    const decoupledWeightDecay = this.decoupled ? weightDecay : 0;
    return adamRates(step.own + 1, { form, learningRate, beta1, beta2, decoupledWeightDecay });
  }

  protected update(
    updates: readonly Update[],
    rates: Tensor,
    given: Pick<UpdatesOptions, 'halt' | 'gradientScales'>,
  ): void {
    const { beta2, epsilon, weightDecay } = this.options;
    adamUpdates(updates, rates, { beta2, epsilon, weightDecay: this.decoupled ? 0 : weightDecay }, given);
  }
}

/** Options of `AdamW`. */
export interface AdamWOptions extends Omit<AdamOptions, 'weightDecay'> {
  /** Decoupled: in each step the weights shrink by `learningRate` times this. Default 0.01, as in PyTorch. */
  weightDecay?: number;
}

/** Adam with decoupled weight decay (I. Loshchilov and F. Hutter, 2019), as PyTorch has it: `w *= 1 - learningRate * weightDecay`, then Adam. */
export class AdamW extends Adam {
  protected override readonly decoupled = true;

  /** @throws WeftError for numbers out of their range */
  constructor(options: AdamWOptions = {}) {
    super({ weightDecay: 0.01, ...checkOptions('AdamW', options, '{ learningRate: 0.001 }') }, 'AdamW');
  }
}
