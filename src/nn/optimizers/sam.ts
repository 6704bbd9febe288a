import { checkNumber, checkOptions, showValue } from '../../checks.ts';
import { WeftError } from '../../errors.ts';
import { perturbationScale } from '../../kernels/gradientScales.ts';
import { perturbWeights, restoreWeights } from '../../kernels/weightCopies.ts';
import { gradients } from '../../tensor/autograd.ts';
import { scope } from '../../tensor/scope.ts';
import { empty, type Tensor } from '../../tensor/tensor.ts';
import type { Parameter } from '../parameter.ts';
import type { LearningRate } from '../schedules.ts';
import { layOut, type Slot } from '../slots.ts';
import { type LossFunction, Optimizer, type OptimizerConfig } from './optimizer.ts';
import { RuleOptimizer } from './ruleOptimizer.ts';

/** Options of `SAM`. */
export interface SamOptions {
  /** How far from the weights the gradient is taken. Default 0.05. */
  rho?: number;
}

/**
 * Sharpness-aware minimization (P. Foret et al., 2021): the gradient that the base optimizer follows is taken where the loss is
 * nearly highest within `rho` of the weights.
 *
 *   eps = rho * g / (||g||_2 + 1e-12),  g the gradient at the weights w, the norm over all parameters
 *   the base optimizer makes its step from w with the gradient at w + eps
 *
 * A step computes the loss twice, so `minimize` needs a function. The passes are forward passes of their own, as in common
 * implementations: dropout draws a new mask in each, and only the first updates moving statistics. The weights come back from copies,
 * bit by bit; clipping and weight decay are the base's, and act on the second gradient.
 */
export class SAM extends Optimizer {
  private readonly rho: number;

  /** @throws WeftError for a base that is no optimizer, or a `rho` that isn't above 0 */
  constructor(
    readonly base: RuleOptimizer,
    options: SamOptions = {},
  ) {
    super();
    if (!(base instanceof RuleOptimizer))
      throw new WeftError(
        `SAM takes the optimizer that it is put around, as new SAM(new SGD()), got ${showValue(base)}`,
      );
    const { rho = 0.05 } = checkOptions('SAM', options, '{ rho: 0.05 }');
    this.rho = checkNumber('SAM', 'rho', rho, { above: 0 });
  }

  get iterations(): number {
    return this.base.iterations;
  }

  set iterations(steps: number) {
    this.base.iterations = steps;
  }

  get learningRate(): LearningRate {
    return this.base.learningRate;
  }

  set learningRate(rate: LearningRate) {
    this.base.learningRate = rate;
  }

  get config(): OptimizerConfig {
    return { name: 'SAM', rho: this.rho, base: this.base.config };
  }

  /** @throws WeftError when `loss` is a tensor */
  minimize(loss: Tensor | LossFunction, parameters: readonly Parameter[], halt?: Tensor): Tensor {
    if (typeof loss !== 'function')
      throw new WeftError(
        'SAM computes the loss twice in a step: give minimize() a function, (pass) => loss, that calls the model with { training: true, ...pass }',
      );
    const tensors = parameters.map((parameter) => parameter.tensor);
    const atWeights = loss({ updateStatistics: true });
    scope(() => {
      const segments = layOut(parameters, ['kept'], (size) => empty([size]));
      const ascent = gradients(atWeights, tensors);
      const updates = parameters.map((parameter, i) => ({
        parameter: tensors[i],
        gradient: ascent[i],
        ...segments.get(parameter)!,
      }));
      perturbWeights(updates, perturbationScale(ascent, this.rho, halt));
      for (const gradient of ascent) gradient.dispose();
      const descent = gradients(loss({ updateStatistics: false }), tensors);
      restoreWeights(updates);
      this.base.apply(parameters, descent, halt);
    });
    return atWeights;
  }

  state(parameters: readonly Parameter[]): Map<string, Slot> {
    return this.base.state(parameters);
  }

  stepsOf(parameter: Parameter): number {
    return this.base.stepsOf(parameter);
  }

  setSteps(parameter: Parameter, steps: number): void {
    this.base.setSteps(parameter, steps);
  }

  dispose(): void {
    this.base.dispose();
  }
}
