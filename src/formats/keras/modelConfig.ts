import * as v from 'valibot';
import { WeftError } from '../../errors.ts';
import { functional } from '../../nn/functional.ts';
import type { Layer } from '../../nn/layer.ts';
import type { Model } from '../../nn/model.ts';
import { Sequential, sequential } from '../../nn/sequential.ts';
import { input, type SymbolicTensor } from '../../nn/symbolic.ts';
import { object, parseJson } from '../../schema.ts';
import { kerasGraph } from './graph.ts';
import { layerFromKeras } from './layers.ts';
import { isObject, type KerasLayerConfig } from './options.ts';
import { withZeros } from './padding.ts';

/*
 * Keras' model_config, the JSON that describes a model.
 *
 * A Sequential's config is the list of its layers (before Keras 2.2.3) or {name, layers}; the shape of the input is the first layer's
 * batch_input_shape. A functional model's (class Model, or Functional since tf.keras 2.3) is {name, layers, input_layers,
 * output_layers}: a layer has inbound_nodes, a list of its calls, each the list of what it takes as [layer, call of it, output,
 * arguments].
 */

/** More would be no model, but a file made to keep us busy. */
const MAX_LAYERS = 10_000;

const modelConfig = object({ class_name: v.unknown(), config: v.unknown() });

type Fail = (why: string) => never;

/**
 * Puts together the model that a model_config describes, with weights of its own. Layers keep their names.
 * @throws WeftError naming what it holds that there is nothing for here
 */
export function modelFromKeras(text: string, name: string, onNote: (note: string) => void): Model {
  const fail: Fail = (why) => {
    throw new WeftError(`${name}: its model_config ${why}`);
  };
  const { class_name: className, config } = parseJson(`${name}: its model_config`, text, modelConfig);
  const list = isObject(config) ? config.layers : config;
  if (className !== 'Sequential' && className !== 'Model' && className !== 'Functional')
    fail(`describes a ${JSON.stringify(className)}; known: Sequential, Model, Functional`);
  if (!Array.isArray(list) || list.length === 0 || list.length > MAX_LAYERS)
    return fail('has no list of layers');
  const entries = list.map((entry): KerasLayerConfig => {
    if (!isObject(entry) || typeof entry.class_name !== 'string' || !isObject(entry.config))
      return fail(`has a layer without class_name and config: ${JSON.stringify(entry)?.slice(0, 200)}`);
    const { class_name, config, inbound_nodes } = entry;
    return { class_name, config, inbound_nodes };
  });
  if (className === 'Sequential') return stack(entries, onNote, fail);
  return graph(entries, config as Record<string, unknown>, onNote, fail);
}

function stack(entries: readonly KerasLayerConfig[], onNote: (note: string) => void, fail: Fail): Model {
  const inputShape = inputShapeOf(entries[0], fail);
  const real: KerasLayerConfig[] = [];
  let zeros: KerasLayerConfig | undefined;
  for (const entry of entries) {
    if (entry.class_name === 'InputLayer') continue;
    const isZeros: boolean = entry.class_name === 'ZeroPadding2D' && !zeros;
    if (!isZeros) real.push(zeros ? withZeros(zeros, entry, fail) : entry);
    zeros = isZeros ? entry : undefined;
  }
  if (zeros)
    fail(`ends with a ZeroPadding2D '${zeros.config.name}'; known: before a Conv2D of padding valid`);
  const layers = real.map((entry) => layerFromKeras(entry, onNote));
  const model = sequential(layers, { inputShape });
  for (const [i, layer] of layers.entries()) checkAxis(real[i], layer.inputShape.length, fail);
  return model;
}

/** Convolutions with the zeros that layers of their own put before them, each layer called once. */
function takeZeros(entries: readonly KerasLayerConfig[], fail: Fail): KerasLayerConfig[] {
  const paddings = new Map(
    entries.flatMap((entry) =>
      entry.class_name === 'ZeroPadding2D' ? [[String(entry.config.name), entry] as const] : [],
    ),
  );
  return entries.flatMap((entry) => {
    if (paddings.has(String(entry.config.name))) return [];
    const nodes = Array.isArray(entry.inbound_nodes) ? entry.inbound_nodes.flat() : [];
    const [before] = nodes.flatMap((node) => (Array.isArray(node) && paddings.get(node[0])) || []);
    if (!before) return entry;
    const { inbound_nodes } = before;
    if (nodes.length !== 1 || !Array.isArray(inbound_nodes) || inbound_nodes.length !== 1)
      return fail(`calls the ZeroPadding2D '${before.config.name}' or what takes it more than once`);
    return { ...withZeros(before, entry, fail), inbound_nodes };
  });
}

/** Puts layers on what their calls take, as soon as all of it is there: a list needn't be in order. */
function graph(
  entries: readonly KerasLayerConfig[],
  config: Record<string, unknown>,
  onNote: (note: string) => void,
  fail: Fail,
): Model {
  const values = new Map<string, SymbolicTensor>();
  let waiting: { entry: KerasLayerConfig; layer: Layer; output: string; inputs: string[] }[] = [];
  const names = new Set<string>();
  for (const entry of takeZeros(entries, fail)) {
    const name = String(entry.config.name);
    if (names.has(name)) fail(`has two layers named '${name}'`);
    names.add(name);
    if (entry.class_name === 'InputLayer') {
      values.set(valueName(name, 0), input({ shape: inputShapeOf(entry, fail), name }));
      continue;
    }
    const layer = layerFromKeras(entry, onNote);
    const nodes = entry.inbound_nodes;
    if (!Array.isArray(nodes) || nodes.length === 0) return fail(`says nothing of what '${name}' takes`);
    for (const [call, node] of nodes.entries())
      waiting.push({ entry, layer, output: valueName(name, call), inputs: references(node, fail) });
    if (waiting.length > MAX_LAYERS) fail(`has more than ${MAX_LAYERS} calls`);
  }
  while (waiting.length > 0) {
    const left = waiting.filter(({ entry, layer, output, inputs }) => {
      const given = inputs.map((value) => values.get(value));
      if (!given.every((value) => value !== undefined)) return true;
      values.set(output, layer.apply(given));
      checkAxis(entry, given[0].shape.length, fail);
      return false;
    });
    if (left.length === waiting.length)
      fail(`has layers that take what no other gives: ${left[0].output} takes ${left[0].inputs.join(', ')}`);
    waiting = left;
  }
  const ends = (key: string) => {
    const given = config[key];
    // One end may be written without the list.
    const list = Array.isArray(given) && typeof given[0] === 'string' ? [given] : given;
    return references(list, fail).map(
      (value) => values.get(value) ?? fail(`has no value ${value} for ${key}`),
    );
  };
  return functional({ inputs: ends('input_layers'), outputs: ends('output_layers') });
}

const valueName = (layer: string, call: number): string => `'${layer}' (call ${call})`;

/** The values that a list of [layer, call, output, arguments] names. */
function references(list: unknown, fail: Fail): string[] {
  if (!Array.isArray(list) || list.length === 0)
    return fail('has a layer or an end without a list of values');
  return list.map((reference) => {
    const [layer, call, output, given = {}] = Array.isArray(reference) ? reference : [];
    const isReference = typeof layer === 'string' && Number.isSafeInteger(call) && output === 0;
    if (!isReference || !isObject(given) || Object.keys(given).length > 0)
      fail(`names a value in a way that is not known here: ${JSON.stringify(reference)?.slice(0, 200)}`);
    return valueName(layer, call);
  });
}

/** Channels are the last axis here, counted from 0 at the batch or from the end. */
function checkAxis({ class_name, config }: KerasLayerConfig, last: number, fail: Fail): void {
  const [axis] = [config.axis].flat();
  if (axis !== undefined && axis !== null && axis !== -1 && axis !== last)
    fail(`has a ${class_name} '${config.name}' along axis ${axis}; known: the last one, ${last} or -1`);
}

/** Without the batch. */
function inputShapeOf({ config }: KerasLayerConfig, fail: Fail): number[] {
  const shape = config.batch_input_shape;
  const isShape =
    Array.isArray(shape) &&
    shape.length >= 2 &&
    shape.length <= 5 &&
    shape.slice(1).every((size) => Number.isSafeInteger(size) && size >= 1 && size <= 2 ** 20);
  return isShape ? shape.slice(1) : fail(`names no whole batch_input_shape in '${config.name}'`);
}

/** The model_config of a model, as Keras 2.3 writes it. @throws WeftError where Keras has no such layer */
export function modelToKeras(model: Model): string {
  return JSON.stringify(model instanceof Sequential ? stackToKeras(model) : graphToKeras(model));
}

const inputOptions = (shape: readonly number[]) => ({
  batch_input_shape: [null, ...shape],
  dtype: 'float32',
});

function stackToKeras(model: Model): object {
  const [first, ...others] = kerasGraph(model).layers.map(({ describe }) => describe());
  const { name, ...options } = first.config;
  const config = { name, ...inputOptions(model.inputShape), ...options };
  return {
    class_name: 'Sequential',
    config: { name: 'sequential', layers: [{ ...first, config }, ...others] },
  };
}

function graphToKeras(model: Model): object {
  const { inputs } = model;
  const { layers, calls, outputs } = kerasGraph(model);
  const callsOf = (layer: (typeof layers)[number]) => calls.filter((call) => call.layer === layer);
  const reference = (value: number) => {
    if (value < inputs.length) return [inputs[value].name, 0, 0];
    const call = calls[value - inputs.length];
    return [call.layer.name, callsOf(call.layer).indexOf(call), 0];
  };
  const inputLayers = inputs.map(({ name, shape }) => ({
    name,
    class_name: 'InputLayer',
    config: { ...inputOptions(shape), sparse: false, name },
    inbound_nodes: [],
  }));
  const others = layers.map((layer) => ({
    name: layer.name,
    ...layer.describe(),
    inbound_nodes: callsOf(layer).map((call) => call.inputs.map((value) => [...reference(value), {}])),
  }));
  return {
    class_name: 'Model',
    config: {
      name: 'model',
      layers: [...inputLayers, ...others],
      input_layers: inputs.map((_, i) => reference(i)),
      output_layers: outputs.map(reference),
    },
  };
}
