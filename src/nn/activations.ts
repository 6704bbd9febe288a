import { relu } from '../kernels/relu.ts';
import { softmax } from '../kernels/softmax.ts';
import { leakyRelu, sigmoid, tanh } from '../kernels/unary.ts';
import type { Tensor } from '../tensor/tensor.ts';

/** The slope below 0 where none is given, as of Keras' LeakyReLU layer; PyTorch's is 0.01. */
export const LEAKY_RELU_SLOPE = 0.3;

/** An activation function by its name. */
export type ActivationName = 'linear' | 'relu' | 'leakyRelu' | 'sigmoid' | 'tanh' | 'softmax';

const byName: Record<ActivationName, (x: Tensor) => Tensor> = {
  linear: (x) => x,
  relu,
  leakyRelu: (x) => leakyRelu(x, LEAKY_RELU_SLOPE),
  sigmoid,
  tanh,
  softmax,
};

/**
 * What a layer applies to its output: a function by name, or the slope of a leaky rectifier: `{ leakyRelu: 0.01 }`. By its name
 * alone it has a slope of 0.3.
 */
export type Activation = ActivationName | { readonly leakyRelu: number };

export const isActivation = (value: unknown): value is Activation =>
  typeof value === 'string'
    ? Object.hasOwn(byName, value)
    : Number.isFinite((value as { leakyRelu?: number } | null)?.leakyRelu) &&
      (value as { leakyRelu: number }).leakyRelu >= 0;

/** Their names, for messages. */
export const activationNames: readonly string[] = Object.keys(byName);

/** The function of an activation; the linear one hands on the tensor that it is given. */
export const activationFunction = (activation: Activation): ((x: Tensor) => Tensor) =>
  typeof activation === 'string' ? byName[activation] : (x) => leakyRelu(x, activation.leakyRelu);

/** Whether it makes probabilities, which a cross-entropy computes itself, from the logits. */
export const makesProbabilities = (activation: Activation): boolean =>
  activation === 'softmax' || activation === 'sigmoid';

/** Whether it never falls as an element rises, and depends on no other: it may then come after a max-pool as well as before. */
export const isMonotonic = (activation: Activation): boolean => activation !== 'softmax';

/** As it stands in a summary. */
export const showActivation = (activation: Activation): string =>
  typeof activation === 'string' ? activation : `leakyRelu ${activation.leakyRelu}`;
