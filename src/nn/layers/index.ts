import { explainedTable } from '../../otherNames.ts';
import type { Layer, LayerConfig } from '../layer.ts';
import {
  type Activation,
  type ActivationConfig,
  ActivationLayer,
  LeakyReLU,
  type LeakyReLUConfig,
} from './activation.ts';
import { AveragePooling2d, type AveragePooling2dConfig } from './averagePooling2d.ts';
import { BatchNormalization, type BatchNormalizationConfig } from './batchNormalization.ts';
import { Conv2d, type Conv2dConfig } from './conv2d.ts';
import { Conv2dTranspose, type Conv2dTransposeConfig } from './conv2dTranspose.ts';
import { Dense, type DenseConfig } from './dense.ts';
import { Dropout, type DropoutConfig } from './dropout.ts';
import { Flatten } from './flatten.ts';
import { GlobalAveragePooling2d } from './globalAveragePooling2d.ts';
import { MaxPooling2d, type MaxPooling2dConfig } from './maxPooling2d.ts';
import { Add, type AddConfig, Concatenate } from './merge.ts';
import { Rescaling, type RescalingConfig } from './rescaling.ts';
import { Reshape, type ReshapeConfig } from './reshape.ts';
import { Resizing, type ResizingConfig } from './resizing.ts';
import { UpSampling2d, type UpSampling2dConfig } from './upSampling2d.ts';

/**
 * The layers, with Keras' names and defaults. A layer's kind is its name here; another name is an error.
 * @namespace
 */
export const layers = /* @__PURE__ */ explainedTable('layers', {
  /** Convolution over images. */
  conv2d: (config: Conv2dConfig): Layer => new Conv2d('conv2d', config),
  /** Transposed convolution: enlarges images. */
  conv2dTranspose: (config: Conv2dTransposeConfig): Layer => new Conv2dTranspose('conv2dTranspose', config),
  /** Batch normalisation over all axes but the last. */
  batchNormalization: (config: BatchNormalizationConfig = {}): Layer =>
    new BatchNormalization('batchNormalization', config),
  /** Largest value of each window. */
  maxPooling2d: (config: MaxPooling2dConfig = {}): Layer => new MaxPooling2d('maxPooling2d', config),
  /** Mean of each window. */
  averagePooling2d: (config: AveragePooling2dConfig = {}): Layer =>
    new AveragePooling2d('averagePooling2d', config),
  /** Mean of each channel over an image. */
  globalAveragePooling2d: (config: LayerConfig = {}): Layer =>
    new GlobalAveragePooling2d('globalAveragePooling2d', config),
  /** Images at another size, by bilinear interpolation. */
  resizing: (config: ResizingConfig): Layer => new Resizing('resizing', config),
  /** Images enlarged by whole factors: pixels repeat. */
  upSampling2d: (config: UpSampling2dConfig = {}): Layer => new UpSampling2d('upSampling2d', config),
  /** Sets a random share of the elements to zero, in training only. */
  dropout: (config: DropoutConfig): Layer => new Dropout('dropout', config),
  /** Rows from images, in (height, width, channel) order. */
  flatten: (config: LayerConfig = {}): Layer => new Flatten('flatten', config),
  /** The same elements under another shape. */
  reshape: (config: ReshapeConfig): Layer => new Reshape('reshape', config),
  /** Inputs times a number, plus another. */
  rescaling: (config: RescalingConfig): Layer => new Rescaling('rescaling', config),
  /** Fully connected layer. */
  dense: (config: DenseConfig): Layer => new Dense('dense', config),
  /** An activation function as a layer. */
  activation: (config: ActivationConfig): Layer => new ActivationLayer('activation', config),
  /** The leaky rectifier as a layer. */
  leakyReLU: (config: LeakyReLUConfig = {}): Layer => new LeakyReLU('leakyReLU', config),
  /** The sum of several inputs of one shape. */
  add: (config: AddConfig = {}): Layer => new Add('add', config),
  /** Several inputs side by side, along their channels. */
  concatenate: (config: LayerConfig = {}): Layer => new Concatenate('concatenate', config),
});

export type {
  Activation,
  ActivationConfig,
  AddConfig,
  AveragePooling2dConfig,
  BatchNormalizationConfig,
  Conv2dConfig,
  Conv2dTransposeConfig,
  DenseConfig,
  DropoutConfig,
  LeakyReLUConfig,
  MaxPooling2dConfig,
  RescalingConfig,
  ReshapeConfig,
  ResizingConfig,
  UpSampling2dConfig,
};
