import { WeftError } from '../errors.ts';
import { Functional, type FunctionalConfig } from './functional.ts';
import type { Layer } from './layer.ts';
import { layers as layerMakers } from './layers/index.ts';
import type { Model } from './model.ts';
import { decodeSafetensors } from './safetensors.ts';
import { type LayerDescription, Sequential, type SequentialConfig } from './sequential.ts';
import { input, type SymbolicTensor } from './symbolic.ts';

/** What `model.toConfig()` gives. */
export type ModelConfig = SequentialConfig | FunctionalConfig;

/**
 * Makes a model from its description.
 * @throws WeftError for a layer of unknown kind
 * @example
 * ```ts
 * import { layers, type ModelConfig, modelFromConfig, sequential } from 'weft-gpu';
 *
 * const model = sequential([layers.dense({ units: 3 })], { inputShape: [4] });
 * const text = JSON.stringify(model.toConfig());
 * const twin = modelFromConfig(JSON.parse(text) as ModelConfig);
 * console.log(twin.outputShape); // [ 3 ]
 * ```
 */
export function modelFromConfig(config: ModelConfig): Model {
  if (!('calls' in config)) return new Sequential(config.layers.map(makeLayer), config);
  const { seed, layers, calls, outputs } = config;
  const inputs = config.inputs.map(input);
  const made = new Map(layers.map((layer) => [layer.config.name, makeLayer(layer)]));
  const values: SymbolicTensor[] = [...inputs];
  const valueAt = (number: number): SymbolicTensor => {
    if (values[number]) return values[number];
    throw new WeftError(`the model's description uses a value ${number} before a layer gives it`);
  };
  for (const { layer, inputs: taken } of calls) {
    const found = made.get(layer);
    if (!found) throw new WeftError(`the model's description calls a layer '${layer}' that it doesn't have`);
    values.push(found.apply(taken.map(valueAt)));
  }
  return new Functional({ inputs, outputs: outputs.map(valueAt), seed });
}

function makeLayer({ kind, config, trainable = true }: LayerDescription): Layer {
  if (!Object.hasOwn(layerMakers, kind))
    throw new WeftError(`a layer of unknown kind '${kind}'; known: ${Object.keys(layerMakers).join(', ')}`);
  const make = layerMakers[kind as keyof typeof layerMakers] as (config: object) => Layer;
  const layer = make(config);
  layer.trainable = trainable;
  return layer;
}

/**
 * Makes the model that a file by `model.save()` describes, with its weights.
 * @throws WeftError where the file describes none.
 * @example
 * ```ts
 * import { layers, loadModel, sequential } from 'weft-gpu';
 *
 * const model = sequential([layers.dense({ units: 3 })], { inputShape: [4] });
 * const file = await model.save(); // bytes, for a file or a download
 * console.log(loadModel(file).parameters.map(({ name }) => name)); // [ 'dense.kernel', 'dense.bias' ]
 * ```
 */
export function loadModel(file: Uint8Array): Model {
  const { tensors, metadata } = decodeSafetensors(file);
  if (!metadata.weft) throw new WeftError('the file describes no model: it was not written by model.save()');
  const model = modelFromConfig(JSON.parse(metadata.weft).model);
  model.setWeights(tensors);
  return model;
}
