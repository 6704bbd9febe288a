import { WeftError } from '../errors.ts';
import { type FunctionalConfig, graphConfig } from './functional.ts';
import { Model } from './model.ts';

/** A model that gives what layers inside another one give. The layers, with their weights, stay the other one's. */
export class Extractor extends Model {
  /** @param calls numbers of the other model's calls */
  constructor(of: Model, calls: readonly number[]) {
    const { inputs, seed } = of;
    super({
      inputs,
      calls: of.calls.slice(0, Math.max(...calls) + 1),
      outputs: calls.map((call) => inputs.length + call),
      seed,
    });
  }

  toConfig(): FunctionalConfig {
    return graphConfig(this);
  }

  /** Frees what `predict` recorded; the weights are the other model's to free. */
  override dispose(): void {
    this.disposePlans();
  }
}

/**
 * What layers inside a model give, as a model of its own: `keras.Model(model.inputs, [layer.output, ...])`. It shares the model's
 * layers and weights, which stay the model's to free.
 *
 * @param names of layers; each is an output, after the layer's activation, [N, ...the layer's output shape]
 * @throws WeftError where there is no layer of a name, or it is called more than once: which output is meant, nobody could know
 * @example
 * ```ts
 * import { extractor, layers, ones, sequential } from 'weft-gpu';
 *
 * const { conv2d, flatten, dense } = layers;
 * const model = sequential([conv2d({ filters: 4 }), conv2d({ filters: 8 }), flatten(), dense({ units: 3 })], {
 *   inputShape: [8, 8, 1],
 * });
 * const inside = extractor(model, ['conv2d', 'conv2d_1']);
 * const [first, second] = await inside.predict([ones([2, 8, 8, 1])]);
 * console.log(first.shape, second.shape); // [ 2, 6, 6, 4 ] [ 2, 4, 4, 8 ]
 * ```
 */
export function extractor(model: Model, names: readonly string[]): Model {
  if (!Array.isArray(names) || names.length === 0)
    throw new WeftError('extractor: it takes the name of at least one layer');
  const calls = names.map((name) => {
    const layer = model.layer(name);
    const own = model.calls.flatMap((call, i) => (call.layer === layer ? i : []));
    if (own.length === 1) return own[0];
    throw new WeftError(`extractor: layer '${name}' is called ${own.length} times: it has as many outputs`);
  });
  return new Extractor(model, calls);
}
