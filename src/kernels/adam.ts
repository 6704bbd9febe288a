import type { Tensor } from '../tensor/tensor.ts';
import { expectTensor } from './shared/expectTensor.ts';
import { launchUpdates, type Update } from './shared/updates.ts';

/*
 * Adam in TensorFlow's form, whose epsilon isn't corrected for bias (Kingma and Ba 2015, the note at the end
 * of section 2).
 *
 * p parameters, g their gradient, m and v first and second moment, b1 and b2 their decays, t the step from 1,
 * lr the learning rate
 *   m <- b1 * m + (1 - b1) * g
 *   v <- b2 * v + (1 - b2) * g^2
 *   p <- p - stepSize * m / (sqrt(v) + epsilon),  stepSize = lr * sqrt(1 - b2^t) / (1 - b1^t)
 *
 * 1 - b1 and 1 - b2 come from the CPU: an f32 difference would be off by 1e-5 for b2 = 0.999.
 */

const rule = {
  name: 'adam',
  kinds: ['m', 'v'],
  uniforms: { beta1: 'f32', beta2: 'f32', renewal1: 'f32', renewal2: 'f32', epsilon: 'f32' },
  body: `
  m = u.beta1 * m + u.renewal1 * g;
  v = u.beta2 * v + u.renewal2 * g * g;
  p -= scalar * m / (sqrt(v) + u.epsilon);`,
} as const;

/** A parameter, its gradient and its moments, all of one shape. All but the gradient are updated in place. */
export interface AdamTensors {
  parameter: Tensor;
  gradient: Tensor;
  m: Tensor;
  v: Tensor;
}

export interface AdamUpdateOptions {
  beta1: number;
  beta2: number;
  /** Added to the root of the second moment. */
  epsilon: number;
}

/**
 * One step of Adam, in place.
 *
 * @param stepSize f32 [1]: `learningRate * sqrt(1 - beta2^t) / (1 - beta1^t)` at step t, counted from 1
 * @param halt u32 [1]: where it isn't 0, nothing changes
 * @throws ShapeError
 */
export function adamUpdate(
  { parameter, gradient, m, v }: AdamTensors,
  stepSize: Tensor,
  { beta1, beta2, epsilon }: AdamUpdateOptions,
  halt?: Tensor,
): void {
  for (const [name, tensor] of Object.entries({ parameter, gradient, m, v }))
    expectTensor('adamUpdate', name, tensor, 'f32', parameter.shape);
  expectTensor('adamUpdate', 'stepSize', stepSize, 'f32', [1]);
  if (halt) expectTensor('adamUpdate', 'halt', halt, 'u32', [1]);
  adamUpdates(
    [{ parameter, gradient, state: { m, v }, offset: 0 }],
    stepSize,
    { beta1, beta2, epsilon },
    halt,
  );
}

/** One step of Adam for many parameters, whose moments lie in segments of `state.m` and `state.v`. */
export function adamUpdates(
  updates: readonly Update[],
  stepSize: Tensor,
  { beta1, beta2, epsilon }: AdamUpdateOptions,
  halt?: Tensor,
): void {
  const uniforms = { beta1, beta2, renewal1: 1 - beta1, renewal2: 1 - beta2, epsilon };
  launchUpdates(rule, updates, stepSize, uniforms, halt);
}
