import { imageDataGenerator } from '../../data/augmentation.ts';
import { type Activation, layers } from '../../nn/layers/index.ts';

/* What the project's networks have in common. */

/** Shifts by up to two pixels, and flips: an integer range of 3 never shifts by 3. */
export const shiftsAndFlips = imageDataGenerator({
  widthShiftRange: 3,
  heightShiftRange: 3,
  horizontalFlip: true,
  fillMode: 'constant',
});

/** The activation of v3, v4 and of v7's dense layers. */
export const leaky = () => layers.leakyReLU({ alpha: 0.01 });

const activated = (activation: 'relu' | 'leaky') =>
  activation === 'relu'
    ? { own: { activation: 'relu' as Activation }, after: [] }
    : { own: {}, after: [leaky()] };

/** A 3x3 convolution that keeps the size. */
export const conv = (filters: number, activation: 'relu' | 'leaky' = 'relu') => {
  const { own, after } = activated(activation);
  return [layers.conv2d({ filters, kernelSize: 3, padding: 'same', ...own }), ...after];
};

export const pool = () => layers.maxPooling2d({ poolSize: 2 });
export const drop = (rate: number) => layers.dropout({ rate });
export const norm = () => layers.batchNormalization();

/** A hidden dense layer with dropout. */
export const hidden = (units: number, activation: 'relu' | 'leaky' = 'relu', rate = 0.5) => {
  const { own, after } = activated(activation);
  return [layers.dense({ units, ...own }), ...after, drop(rate)];
};

/** Class probabilities; v5 and later penalise the kernel. */
export const classes = (l2?: number) =>
  layers.dense({ units: 10, activation: 'softmax', ...(l2 && { kernelRegularizer: { l2 } }) });
