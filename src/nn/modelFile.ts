import * as v from 'valibot';
import { showValue } from '../checks.ts';
import { WeftError } from '../errors.ts';
import { check, object, parseJson } from '../schema.ts';
import { Functional, type FunctionalConfig } from './functional.ts';
import type { Layer } from './layer.ts';
import { layers as layerMakers } from './layers/index.ts';
import type { Model } from './model.ts';
import { functionalSchema, sequentialSchema } from './modelSchema.ts';
import { decodeSafetensors } from './safetensors.ts';
import { stateLimits } from './savedState.ts';
import { type LayerDescription, Sequential, type SequentialConfig } from './sequential.ts';
import { input, type SymbolicTensor } from './symbolic.ts';

/** What `model.toConfig()` gives. */
export type ModelConfig = SequentialConfig | FunctionalConfig;

/**
 * Makes a model from its description.
 * @throws WeftError naming the place in it that is no such description: a layer of unknown kind, an option of another kind
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
  const what = "the model's description";
  if (!isFunctional(config)) {
    check(what, config, sequentialSchema);
    return new Sequential(config.layers.map(makeLayer), config);
  }
  check(what, config, functionalSchema);
  const { seed, layers, calls, outputs } = config;
  const inputs = config.inputs.map(input);
  const made = new Map<string, Layer>();
  for (const layer of layers) {
    const { name } = layer.config;
    if (name === undefined || made.has(name))
      throw new WeftError(`${what}: each layer must have a name of its own, got ${showValue(name)}`);
    made.set(name, makeLayer(layer));
  }
  const values: SymbolicTensor[] = [...inputs];
  const valueAt = (number: number): SymbolicTensor => {
    if (values[number]) return values[number];
    throw new WeftError(`${what} uses a value ${number} before a layer gives it`);
  };
  for (const { layer, inputs: taken } of calls) {
    const found = made.get(layer);
    if (!found) throw new WeftError(`${what} calls a layer ${showValue(layer)} that it doesn't have`);
    values.push(found.apply(taken.map(valueAt)));
  }
  return new Functional({ inputs, outputs: outputs.map(valueAt), seed });
}

const isFunctional = (config: ModelConfig): config is FunctionalConfig =>
  typeof config === 'object' && config !== null && 'calls' in config;

function makeLayer({ kind, config, trainable = true }: LayerDescription): Layer {
  const make = layerMakers[kind as keyof typeof layerMakers] as (config: object) => Layer;
  const layer = make(config);
  layer.trainable = trainable;
  return layer;
}

const modelFile = object({ model: v.unknown() });

/**
 * Makes the model that a file by `model.save()` describes, with its weights.
 * @throws WeftError where the file describes none, or is damaged; it names the place in the description that is wrong
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
  // A checkpoint has the state of a training there, too.
  const { model: config } = parseJson(
    "the file's description",
    metadata.weft,
    modelFile,
    stateLimits(metadata.weft),
  );
  const model = modelFromConfig(config as ModelConfig);
  model.setWeights(tensors);
  return model;
}
