import { WeftError } from '../errors.ts';
import { kernelFamily } from '../gpu/kernel.ts';
import { launch, split } from '../tensor/launch.ts';
import type { Tensor } from '../tensor/tensor.ts';
import { expectTensor } from './shared/expectTensor.ts';

/*
 * Stochastic gradient descent with momentum, in Keras' form.
 *
 * p parameters, g their gradient, v velocity, mu momentum, lr learning rate
 *   v <- mu * v - lr * g
 *   p <- p + v               or, with nesterov, p + mu * v - lr * g
 * Without momentum p <- p - lr * g, and no velocity is needed.
 */

interface Variant {
  readonly velocity: boolean;
  readonly nesterov: boolean;
  readonly haltable: boolean;
}

const updateKernel = kernelFamily(({ velocity, nesterov, haltable }: Variant) => ({
  name: 'sgd',
  lanes: 64,
  read: { gradient: 'f32', learningRate: 'f32', ...(haltable ? { halt: 'u32' as const } : {}) },
  write: { parameter: 'f32', ...(velocity ? { velocity: 'f32' as const } : {}) },
  uniforms: { momentum: 'f32' },
  body: `
    if (item >= u.items) { return; }
    ${haltable ? 'if (halt[0] != 0u) { return; }' : ''}
    var change = -learningRate[0] * gradient[item];
    ${
      velocity
        ? `
    let v = u.momentum * velocity[item] + change;
    velocity[item] = v;
    change = ${nesterov ? 'u.momentum * v + change' : 'v'};`
        : ''
    }
    parameter[item] += change;`,
}));

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
  launch(
    updateKernel({
      velocity: velocity !== undefined,
      nesterov: velocity !== undefined && nesterov,
      haltable: halt !== undefined,
    }),
    {
      gradient: split(gradient, 1),
      learningRate,
      ...(halt && { halt }),
      parameter: split(parameter, 1),
      ...(velocity && { velocity: split(velocity, 1) }),
    },
    { items: parameter.size, uniforms: { momentum } },
  );
}
