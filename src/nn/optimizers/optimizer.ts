import { showValue } from '../../checks.ts';
import { ShapeError } from '../../errors.ts';
import { expectIsTensor, type Tensor } from '../../tensor/tensor.ts';
import type { CallOptions } from '../layer.ts';
import type { Parameter } from '../parameter.ts';
import type { LearningRate } from '../schedules.ts';
import type { Slot } from '../slots.ts';

/** What a loss is computed under: to be passed on to the model with the other options of its call. */
export type Pass = Required<Pick<CallOptions, 'updateStatistics'>>;

/** Computes a loss, once for each pass of a step: `(pass) => meanSquaredError(model.call(x, { training: true, ...pass }), y)`. */
export type LossFunction = (pass: Pass) => Tensor;

/** An optimizer's name and options as plain data, as a manifest shows them. */
export interface OptimizerConfig {
  readonly name: string;
  readonly [option: string]: unknown;
}

/** @throws ShapeError unless `minimize` is given a loss and a list of weights */
export function checkMinimize(loss: Tensor | LossFunction, parameters: readonly Parameter[]): void {
  if (typeof loss !== 'function') expectIsTensor('minimize', 'the loss', loss);
  if (!Array.isArray(parameters))
    throw new ShapeError('minimize', 'parameters, as model.trainableParameters', showValue(parameters));
}

/**
 * Changes weights so that a loss falls. Its state lives in GPU memory and in counts of steps. It goes on for the weights whose state it
 * has, as where a model is fitted again, and begins anew for others.
 */
export abstract class Optimizer {
  /** Steps made so far. Setting it moves the schedule alone: Adam's correction for bias goes by `stepsOf`. */
  abstract iterations: number;
  /** May be set between steps, also of a recorded step. */
  abstract learningRate: LearningRate;
  abstract readonly config: OptimizerConfig;

  /**
   * Makes one step.
   *
   * @param loss a scalar on the tape, or what computes it, which every optimizer takes and one of several passes needs
   * @param halt a u32 [1]: where it isn't 0, weights and state stay as they are. Raised where a gradient, or what the step would make of a
   * weight or its state, isn't finite: a loop of one's own that gives one, and reads it now and then, never takes a NaN into its weights.
   * Without it nothing is looked at.
   * @returns the loss, of the first pass where there are several
   */
  abstract minimize(loss: Tensor | LossFunction, parameters: readonly Parameter[], halt?: Tensor): Tensor;

  /** The optimizer's state for these parameters, by name: `m of conv2d.kernel`. Part of a checkpoint. */
  abstract state(parameters: readonly Parameter[]): Map<string, Slot>;

  /** Steps that a parameter took part in: what Adam's correction for bias goes by. Part of a checkpoint. */
  abstract stepsOf(parameter: Parameter): number;

  /** Takes back what `stepsOf` gave to a checkpoint. */
  abstract setSteps(parameter: Parameter, steps: number): void;

  /** Frees its state. */
  abstract dispose(): void;
}
