import type { Tensor } from '../tensor/tensor.ts';
import { expectTensor } from './shared/expectTensor.ts';
import { launchUpdates, type Update, type UpdatesOptions } from './shared/updates.ts';

/*
 * Adam (Kingma and Ba 2015), with weight decay of either kind.
 *
 * p parameters, g their gradient, m and v first and second moment, b1 and b2 their decays, t the step from 1,
 * lr the learning rate, wd the weight decay
 *   g <- g + wd * p                          where the decay is coupled
 *   m <- b1 * m + (1 - b1) * g
 *   v <- b2 * v + (1 - b2) * g^2
 *   p <- keep * p - stepSize * m / (rootScale * sqrt(v) + epsilon)
 *
 *   Keras' form: epsilon isn't corrected for bias (the note at the end of the paper's section 2)
 *     stepSize = lr * sqrt(1 - b2^t) / (1 - b1^t),  rootScale = 1
 *   PyTorch's form: epsilon is added to the root of the corrected moment (the paper's algorithm 1)
 *     stepSize = lr / (1 - b1^t),  rootScale = 1 / sqrt(1 - b2^t)
 *   keep = 1 - lr * wd where the decay is decoupled (AdamW, Loshchilov and Hutter 2019), else 1
 *
 * 1 - b1 and 1 - b2 come from the CPU: an f32 difference would be off by 1e-5 for b2 = 0.999.
 */

const rule = {
  name: 'adam',
  kinds: ['m', 'v'],
  scalars: ['stepSize', 'rootScale', 'keep', 'beta1', 'renewal1'],
  uniforms: { beta2: 'f32', renewal2: 'f32', epsilon: 'f32', weightDecay: 'f32' },
  body: `
  let slope = g + u.weightDecay * p;
  m = beta1 * m + renewal1 * slope;
  v = u.beta2 * v + u.renewal2 * slope * slope;
  p = keep * p - stepSize * m / (rootScale * sqrt(v) + u.epsilon);`,
} as const;

/** Whose formula: they differ in where epsilon stands. */
export type AdamForm = 'keras' | 'pytorch';

/** A parameter, its gradient and its moments, all of one shape. All but the gradient are updated in place. */
export interface AdamTensors {
  parameter: Tensor;
  gradient: Tensor;
  m: Tensor;
  v: Tensor;
}

/** Constants of `adamUpdate`. */
export interface AdamUpdateOptions {
  beta2: number;
  /** Added to the root of the second moment. */
  epsilon: number;
  /** Coupled: this times the parameter is added to its gradient. Default 0. */
  weightDecay?: number;
}

/** What the rates of a step follow from. */
export interface AdamRatesOptions {
  /** Default 'keras'. */
  form?: AdamForm;
  learningRate: number;
  beta1: number;
  beta2: number;
  /** Decoupled: the parameter shrinks by `learningRate` times this. Default 0. */
  decoupledWeightDecay?: number;
}

/** What `adamUpdate` takes as `rates` at a step, counted from 1. */
export function adamRates(step: number, options: AdamRatesOptions): Float32Array {
  const { form = 'keras', learningRate, beta1, beta2, decoupledWeightDecay = 0 } = options;
  const [correction1, root2] = [1 - beta1 ** step, Math.sqrt(1 - beta2 ** step)];
  const keep = 1 - learningRate * decoupledWeightDecay;
  const [stepSize, rootScale] =
    form === 'keras' ? [(learningRate * root2) / correction1, 1] : [learningRate / correction1, 1 / root2];
  return Float32Array.of(stepSize, rootScale, keep, beta1, 1 - beta1);
}

/**
 * One step of Adam, in place.
 *
 * @param rates f32 [5], by `adamRates`
 * @param halt u32 [1]: where it isn't 0, nothing changes
 * @throws ShapeError
 */
export function adamUpdate(
  { parameter, gradient, m, v }: AdamTensors,
  rates: Tensor,
  options: AdamUpdateOptions,
  halt?: Tensor,
): void {
  for (const [name, tensor] of Object.entries({ parameter, gradient, m, v }))
    expectTensor('adamUpdate', name, tensor, 'f32', parameter.shape);
  expectTensor('adamUpdate', 'rates', rates, 'f32', [rule.scalars.length]);
  if (halt) expectTensor('adamUpdate', 'halt', halt, 'u32', [1]);
  adamUpdates([{ parameter, gradient, state: { m, v }, offset: 0 }], rates, options, { halt });
}

/** One step of Adam for many parameters, whose moments lie in segments of `state.m` and `state.v`. */
export function adamUpdates(
  updates: readonly Update[],
  rates: Tensor,
  { beta2, epsilon, weightDecay = 0 }: AdamUpdateOptions,
  options: Pick<UpdatesOptions, 'halt' | 'gradientScales'> = {},
): void {
  const uniforms = { beta2, renewal2: 1 - beta2, epsilon, weightDecay };
  launchUpdates(rule, updates, { ...options, scalars: rates, uniforms });
}
