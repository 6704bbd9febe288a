import type { Layer } from '../../nn/layer.ts';
import type { Model } from '../../nn/model.ts';
import { layerAfter, layerBefore, layerToKeras } from './layers.ts';
import type { KerasLayerConfig } from './options.ts';
import type { Graph } from './order.ts';

/** One of Keras' layers that a model is written as. */
export interface KerasLayer {
  readonly name: string;
  /** The layer whose weights it has: none for what comes before or after a layer of ours. */
  readonly of?: Layer;
  /** @throws WeftError where Keras has no such layer */
  readonly describe: () => KerasLayerConfig;
}

/** A model as a graph of Keras' layers, which are more where Keras has a padding or an activation only as a layer. */
export function kerasGraph({ inputs, layers, calls, outputs }: Model): Graph<KerasLayer> {
  const taken = new Set([...layers, ...inputs].map(({ name }) => name));
  const extra = (name: string, described: KerasLayerConfig | undefined): KerasLayer[] => {
    if (!described) return [];
    let unique = name;
    for (let n = 1; taken.has(unique); n++) unique = `${name}_${n}`;
    taken.add(unique);
    const { class_name, config } = described;
    return [{ name: unique, describe: () => ({ class_name, config: { name: unique, ...config } }) }];
  };
  const parts = new Map(
    layers.map((layer): [Layer, KerasLayer[]] => {
      const { name } = layer;
      const shapes = calls.filter((call) => call.layer === layer).map(({ inputShapes }) => inputShapes[0]);
      return [
        layer,
        [
          ...extra(`${name}_padding`, layerBefore(layer, shapes)),
          { name, of: layer, describe: () => layerToKeras(layer, shapes) },
          ...extra(`${name}_activation`, layerAfter(layer)),
        ],
      ];
    }),
  );
  const written: { layer: KerasLayer; inputs: number[] }[] = [];
  /** The numbers that the model's values have in the graph. */
  const numbers = inputs.map((_, i) => i);
  for (const { layer, inputs: values } of calls) {
    let given = values.map((value) => numbers[value]);
    for (const part of parts.get(layer)!) {
      written.push({ layer: part, inputs: given });
      given = [inputs.length + written.length - 1];
    }
    numbers.push(given[0]);
  }
  return {
    inputs,
    layers: layers.flatMap((layer) => parts.get(layer)!),
    calls: written,
    outputs: outputs.map((value) => numbers[value]),
  };
}
