import { WeftError } from '../../errors.ts';
import { type Sequential, sequential } from '../../nn/sequential.ts';
import { layerFromKeras, layerToKeras } from './layers.ts';
import { isObject, type KerasLayerConfig } from './options.ts';

/*
 * Keras' model_config, the JSON that describes a model. A Sequential's config is the list of its layers (before Keras 2.2.3) or
 * {name, layers}; the shape of the input is the first layer's batch_input_shape.
 */

/** More would be no model, but a file made to keep us busy. */
const MAX_LAYERS = 10_000;

export interface FromKeras {
  readonly model: Sequential;
  /** Keras' name for each layer that has weights, in the model's order. */
  readonly layerNames: string[];
}

/**
 * Puts together the model that a model_config describes, with weights of its own.
 * @throws WeftError naming what it holds that there is nothing for here
 */
export function modelFromKeras(text: string, name: string, onNote: (note: string) => void): FromKeras {
  const fail = (why: string): never => {
    throw new WeftError(`${name}: its model_config ${why}`);
  };
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch (error) {
    fail(`is no JSON (${(error as Error).message})`);
  }
  const { class_name: className, config } = isObject(parsed) ? parsed : fail('is no object');
  if (className !== 'Sequential') fail(`describes a ${JSON.stringify(className)}; known: Sequential`);
  const list = isObject(config) ? config.layers : config;
  if (!Array.isArray(list) || list.length === 0 || list.length > MAX_LAYERS)
    return fail('has no list of layers');
  const entries = list.map((entry): KerasLayerConfig => {
    if (!isObject(entry) || typeof entry.class_name !== 'string' || !isObject(entry.config))
      return fail(`has a layer without class_name and config: ${JSON.stringify(entry)?.slice(0, 200)}`);
    return entry as unknown as KerasLayerConfig;
  });
  const inputShape = inputShapeOf(entries[0]) ?? fail('names no batch_input_shape in its first layer');
  const real = entries.filter(({ class_name }) => class_name !== 'InputLayer');
  const layers = real.map((entry) => layerFromKeras(entry, onNote));
  const model = sequential(layers, { inputShape });
  for (const [i, layer] of layers.entries()) checkAxis(real[i], layer.inputShape.length, name);
  const layerNames = real.map(({ config }) => String(config.name));
  return { model, layerNames: layerNames.filter((_, i) => layers[i].parameters.length > 0) };
}

/** Channels are the last axis here, counted from 0 at the batch or from the end. */
function checkAxis({ class_name, config }: KerasLayerConfig, last: number, name: string): void {
  const [axis] = [config.axis].flat();
  if (axis !== undefined && axis !== null && axis !== -1 && axis !== last)
    throw new WeftError(
      `${name}: Keras layer ${class_name} '${config.name}': axis is ${axis}; known: the last one, ${last} or -1`,
    );
}

/** Without the batch, which must be free. */
function inputShapeOf({ config }: KerasLayerConfig): number[] | undefined {
  const shape = config.batch_input_shape;
  const isShape =
    Array.isArray(shape) &&
    shape.length >= 2 &&
    shape.length <= 5 &&
    shape.slice(1).every((size) => Number.isSafeInteger(size) && size >= 1 && size <= 2 ** 20);
  return isShape ? shape.slice(1) : undefined;
}

/** The model_config of a model, as Keras 2.3 writes it. @throws WeftError where Keras has no such layer */
export function modelToKeras(model: Sequential): string {
  const layers = model.layers.map(layerToKeras);
  const [first, ...others] = layers;
  const { name, ...options } = first.config;
  const shape = { batch_input_shape: [null, ...model.inputShape], dtype: 'float32' };
  return JSON.stringify({
    class_name: 'Sequential',
    config: {
      name: 'sequential',
      layers: [{ ...first, config: { name, ...shape, ...options } }, ...others],
    },
  });
}
