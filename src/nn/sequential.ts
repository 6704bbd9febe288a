import { checkOptions, showValue } from '../checks.ts';
import { WeftError } from '../errors.ts';
import type { Shape } from '../tensor/shape.ts';
import type { Layer } from './layer.ts';
import { joinModel, type LayerCall, Model } from './model.ts';
import { checkInputShape } from './symbolic.ts';

/** What a stack of layers takes, and its seed. */
export interface SequentialOptions {
  /** Shape of one input, without the batch. */
  inputShape: Shape;
  /** Decides the initial weights and what dropout drops. Default 0. */
  seed?: number;
}

/** A stack of layers, each fed with the output of the one before. */
export class Sequential extends Model {
  /** @throws ShapeError naming the layer that the shapes don't fit; WeftError where there is no layer, or what is none */
  constructor(layers: readonly Layer[], options: SequentialOptions) {
    const { inputShape, seed = 0 } = checkOptions('sequential', options, '{ inputShape: [28, 28, 1] }');
    if (!Array.isArray(layers) || layers.length === 0)
      throw new WeftError(`sequential: expected a list of layers, got ${showValue(layers)}`);
    checkInputShape('sequential', 'inputShape', inputShape);
    joinModel(layers, seed);
    let shape: Shape = [...inputShape];
    const calls = layers.map((layer, i): LayerCall => {
      const inputShapes = [shape];
      shape = layer.build(inputShapes);
      return { layer, inputs: [i], inputShapes, outputShape: shape };
    });
    super({ inputs: [{ shape: [...inputShape], name: 'input' }], calls, outputs: [layers.length], seed });
  }

  toConfig(): SequentialConfig {
    return { inputShape: this.inputShape, seed: this.seed, layers: this.layers.map(describeLayer) };
  }
}

/** A layer as plain data. */
export interface LayerDescription {
  readonly kind: string;
  readonly config: object;
  /** False for a frozen layer; default true. */
  readonly trainable?: boolean;
}

/** A stack of layers as plain data. */
export interface SequentialConfig {
  inputShape: Shape;
  seed: number;
  layers: LayerDescription[];
}

export const describeLayer = ({ kind, config, trainable }: Layer): LayerDescription => ({
  kind,
  config,
  ...(trainable ? {} : { trainable }),
});

/**
 * Makes a stack of layers.
 *
 * @throws ShapeError naming the layer that the shapes don't fit; WeftError where there is no layer, or what is none
 * @example
 * ```ts
 * import { layers, sequential } from 'weft-gpu';
 *
 * const { conv2d, maxPooling2d, flatten, dense } = layers;
 * const model = sequential(
 *   [conv2d({ filters: 8, activation: 'relu' }), maxPooling2d(), flatten(), dense({ units: 10, activation: 'softmax' })],
 *   { inputShape: [28, 28, 1] },
 * );
 * console.log(model.outputShape, model.parameters.length); // [ 10 ] 4
 * ```
 */
export const sequential = (layers: readonly Layer[], options: SequentialOptions): Sequential =>
  new Sequential(layers, options);
