import * as v from 'valibot';
import { finiteNumber, object, type Schema, wholeNumber } from '../schema.ts';
import { type Activation, activationNames, isActivation } from './activations.ts';
import { type InitializerName, initializers } from './initializers.ts';
import type { LayerConfig } from './layer.ts';
import type { layers } from './layers/index.ts';

/*
 * What describes a model in files. The layers check what their options mean; here is of what kind they are.
 */

type Kind = keyof typeof layers;
type ConfigOf<K extends Kind> = NonNullable<Parameters<(typeof layers)[K]>[0]>;
/** A schema for each option, those with a default, too: an option without one would be lost with the file. */
type Options<Config> = { readonly [Option in keyof Required<Config>]: Schema<Config[Option]> };

const MAX_SIZE = 2 ** 31 - 1;
const size = wholeNumber({ min: 1, max: MAX_SIZE });
const zeros = wholeNumber({ max: MAX_SIZE });
const flag = v.optional(v.boolean());
const pairOf = <T>(one: Schema<T>) => v.strictTuple([one, one], 'two values');
const sizes = v.union([size, pairOf(size)], 'a whole number from 1, or two');
const padding = v.union(
  [v.picklist(['same', 'valid']), zeros, pairOf(zeros), pairOf(pairOf(zeros))],
  "'same', 'valid', a number of zeros, [rows, columns] or [[top, bottom], [left, right]]",
);
const activation = v.custom<Activation>(
  isActivation,
  `an activation of ${activationNames.join(', ')} or { leakyRelu: slope }`,
);
const initializer = v.optional(v.picklist(Object.keys(initializers) as InitializerName[]));

const layer: Options<LayerConfig> = { name: v.optional(v.string()) };
const kernelLayer = {
  ...layer,
  activation: v.optional(activation),
  kernelInitializer: initializer,
  kernelRegularizer: v.optional(object({ l2: finiteNumber })),
  biasInitializer: initializer,
  useBias: flag,
};
const convolution = {
  ...kernelLayer,
  filters: size,
  kernelSize: v.optional(sizes),
  strides: v.optional(sizes),
  padding: v.optional(padding),
};
const pool = {
  ...layer,
  poolSize: v.optional(sizes),
  strides: v.optional(sizes),
  padding: v.optional(padding),
  ceilMode: flag,
};

const configs: { readonly [K in Kind]: Options<ConfigOf<K>> } = {
  conv2d: convolution,
  conv2dTranspose: {
    ...convolution,
    outputPadding: v.optional(v.union([zeros, pairOf(zeros)], 'a number of zeros, or two')),
  },
  batchNormalization: {
    ...layer,
    convention: v.optional(v.picklist(['keras', 'pytorch'])),
    momentum: v.optional(finiteNumber),
    epsilon: v.optional(finiteNumber),
    scale: flag,
    center: flag,
  },
  maxPooling2d: pool,
  averagePooling2d: { ...pool, countIncludePad: flag },
  globalAveragePooling2d: layer,
  resizing: { ...layer, height: size, width: size, alignCorners: flag },
  upSampling2d: { ...layer, size: v.optional(sizes) },
  dropout: { ...layer, rate: finiteNumber },
  flatten: layer,
  reshape: { ...layer, targetShape: v.array(v.union([v.literal(-1), size], 'a whole number from 1, or -1')) },
  rescaling: { ...layer, scale: finiteNumber, offset: v.optional(finiteNumber) },
  dense: { ...kernelLayer, units: size },
  activation: { ...layer, activation },
  leakyReLU: { ...layer, alpha: v.optional(finiteNumber) },
  add: { ...layer, activation: v.optional(activation) },
  concatenate: layer,
};

const layerDescription = v.variant(
  'kind',
  Object.entries(configs).map(([kind, options]) =>
    v.object({ kind: v.literal(kind), config: object(options), trainable: flag }),
  ),
  `a layer of a known kind: ${Object.keys(configs).join(', ')}`,
);

/** More would be no model, but a file made to keep us busy. */
const MAX_LAYERS = 2 ** 16;

const shape = v.array(size);
const layerList = v.pipe(v.array(layerDescription), v.maxLength(MAX_LAYERS, `at most ${MAX_LAYERS} layers`));
const value = wholeNumber();
const seed = wholeNumber();

export const sequentialSchema = object({ seed, inputShape: shape, layers: layerList });

export const functionalSchema = object({
  seed,
  inputs: v.pipe(v.array(object({ shape, name: v.string() })), v.minLength(1, 'one or more')),
  layers: layerList,
  calls: v.pipe(
    v.array(object({ layer: v.string(), inputs: v.pipe(v.array(value), v.minLength(1, 'one or more')) })),
    v.maxLength(MAX_LAYERS, `at most ${MAX_LAYERS} calls`),
  ),
  outputs: v.pipe(v.array(value), v.minLength(1, 'one or more')),
});
