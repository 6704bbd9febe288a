import { WeftError } from '../errors.ts';
import type { Tensor } from '../tensor/tensor.ts';
import { expectTensor } from './shared/expectTensor.ts';
import { launchUpdates, type Update } from './shared/updates.ts';

/*
 * Stochastic gradient descent with momentum, in Keras' form.
 *
 * p parameters, g their gradient, v velocity, mu momentum, lr learning rate
 *   v <- mu * v - lr * g
 *   p <- p + v               or, with nesterov, p + mu * v - lr * g
 * Without momentum p <- p - lr * g, and no velocity is needed.
 */

const plain = { name: 'sgd', kinds: [], uniforms: {}, body: 'p -= scalar * g;' };

const withVelocity = (nesterov: boolean) =>
  ({
    name: 'sgd',
    kinds: ['velocity'],
    uniforms: { momentum: 'f32' },
    body: `
  velocity = u.momentum * velocity - scalar * g;
  p += ${nesterov ? 'u.momentum * velocity - scalar * g' : 'velocity'};`,
  }) as const;

/** A parameter, its gradient and its velocity, all of one shape. All but the gradient are updated in place. */
export interface SgdTensors {
  parameter: Tensor;
  gradient: Tensor;
  /** May be left out where there is no momentum. */
  velocity?: Tensor;
}

export interface SgdUpdateOptions {
  /** Default 0. */
  momentum?: number;
  /** Looks one step of momentum ahead (Sutskever et al. 2013); default false. */
  nesterov?: boolean;
}

/**
 * One step of stochastic gradient descent, in place.
 *
 * @param learningRate f32 [1]
 * @param halt u32 [1]: where it isn't 0, nothing changes
 * @throws ShapeError; WeftError for momentum without a velocity
 */
export function sgdUpdate(
  { parameter, gradient, velocity }: SgdTensors,
  learningRate: Tensor,
  { momentum = 0, nesterov = false }: SgdUpdateOptions = {},
  halt?: Tensor,
): void {
  if (momentum !== 0 && !velocity)
    throw new WeftError(`sgdUpdate: momentum ${momentum} needs a velocity, of the parameter's shape`);
  expectTensor('sgdUpdate', 'parameter', parameter, 'f32');
  expectTensor('sgdUpdate', 'gradient', gradient, 'f32', parameter.shape);
  if (velocity) expectTensor('sgdUpdate', 'velocity', velocity, 'f32', parameter.shape);
  expectTensor('sgdUpdate', 'learningRate', learningRate, 'f32', [1]);
  if (halt) expectTensor('sgdUpdate', 'halt', halt, 'u32', [1]);
  const state = velocity && { velocity };
  sgdUpdates([{ parameter, gradient, state, offset: 0 }], learningRate, { momentum, nesterov }, halt);
}

/** One step for many parameters, whose velocities lie in segments of `state.velocity`, or which all have none. */
export function sgdUpdates(
  updates: readonly Update[],
  learningRate: Tensor,
  { momentum = 0, nesterov = false }: SgdUpdateOptions,
  halt?: Tensor,
): void {
  const moving = updates[0]?.state?.velocity !== undefined;
  launchUpdates(
    moving ? withVelocity(nesterov) : plain,
    updates,
    learningRate,
    moving ? { momentum } : {},
    halt,
  );
}
