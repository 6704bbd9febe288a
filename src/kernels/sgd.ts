import { WeftError } from '../errors.ts';
import type { Tensor } from '../tensor/tensor.ts';
import { expectTensor } from './shared/expectTensor.ts';
import { launchUpdates, type Rule, type Update, type UpdatesOptions } from './shared/updates.ts';

/*
 * Stochastic gradient descent with momentum.
 *
 * p parameters, g their gradient, v velocity, mu momentum, lr learning rate, wd weight decay
 *   g <- g + wd * p
 *   Keras' form
 *     v <- mu * v - lr * g
 *     p <- p + v               or, with nesterov, p + mu * v - lr * g
 *   PyTorch's form, without dampening (from a velocity of 0 its first step gives v = g)
 *     v <- mu * v + g
 *     p <- p - lr * v          or, with nesterov, p - lr * (g + mu * v)
 * Both take the same steps while lr stays as it is; a new lr acts in Keras' form on the gradients from now on, in PyTorch's on
 * the whole velocity. Without momentum p <- p - lr * g, and no velocity is needed.
 */

const shared = {
  name: 'sgd',
  scalars: ['learningRate', 'momentum'],
  uniforms: { weightDecay: 'f32' },
} as const;
const slope = 'let slope = g + u.weightDecay * p;';

const plain: Rule = { ...shared, kinds: [], body: `${slope} p -= learningRate * slope;` };

const withVelocity = (form: SgdForm, nesterov: boolean): Rule => ({
  ...shared,
  kinds: ['velocity'],
  body:
    form === 'keras'
      ? `
  ${slope}
  velocity = momentum * velocity - learningRate * slope;
  p += ${nesterov ? 'momentum * velocity - learningRate * slope' : 'velocity'};`
      : `
  ${slope}
  velocity = momentum * velocity + slope;
  p -= learningRate * ${nesterov ? '(slope + momentum * velocity)' : 'velocity'};`,
});

/** Whose formula: they differ in whether the velocity holds the learning rate. */
export type SgdForm = 'keras' | 'pytorch';

/** A parameter, its gradient and its velocity, all of one shape. All but the gradient are updated in place. */
export interface SgdTensors {
  parameter: Tensor;
  gradient: Tensor;
  /** Left out: there is no momentum. */
  velocity?: Tensor;
}

/** Constants of `sgdUpdate`. */
export interface SgdUpdateOptions {
  /** Default 'keras'. */
  form?: SgdForm;
  /** Looks one step of momentum ahead (Sutskever et al. 2013); default false. */
  nesterov?: boolean;
  /** Coupled: this times the parameter is added to its gradient. Default 0. */
  weightDecay?: number;
}

/**
 * One step of stochastic gradient descent, in place.
 *
 * @param rates f32 [2]: learning rate and momentum
 * @param halt u32 [1]: where it isn't 0, nothing changes
 * @throws ShapeError; WeftError for `nesterov` without a velocity
 */
export function sgdUpdate(
  { parameter, gradient, velocity }: SgdTensors,
  rates: Tensor,
  options: SgdUpdateOptions = {},
  halt?: Tensor,
): void {
  if (options.nesterov && !velocity)
    throw new WeftError("sgdUpdate: nesterov momentum needs a velocity, of the parameter's shape");
  expectTensor('sgdUpdate', 'parameter', parameter, 'f32');
  expectTensor('sgdUpdate', 'gradient', gradient, 'f32', parameter.shape);
  if (velocity) expectTensor('sgdUpdate', 'velocity', velocity, 'f32', parameter.shape);
  expectTensor('sgdUpdate', 'rates', rates, 'f32', [shared.scalars.length]);
  if (halt) expectTensor('sgdUpdate', 'halt', halt, 'u32', [1]);
  const state = velocity && { velocity };
  sgdUpdates([{ parameter, gradient, state, offset: 0 }], rates, options, { halt });
}

/** One step for many parameters, whose velocities lie in segments of `state.velocity`, or which all have none. */
export function sgdUpdates(
  updates: readonly Update[],
  rates: Tensor,
  { form = 'keras', nesterov = false, weightDecay = 0 }: SgdUpdateOptions,
  options: Pick<UpdatesOptions, 'halt' | 'gradientScales'> = {},
): void {
  const moving = updates[0]?.state?.velocity !== undefined;
  launchUpdates(moving ? withVelocity(form, nesterov) : plain, updates, {
    ...options,
    scalars: rates,
    uniforms: { weightDecay },
  });
}
