import { checkOptions, showValue } from '../checks.ts';
import { WeftError } from '../errors.ts';
import type { Shape } from '../tensor/shape.ts';
import { joinModel, type LayerCall, Model } from './model.ts';
import { describeLayer, type LayerDescription } from './sequential.ts';
import { SymbolicTensor } from './symbolic.ts';

/** Where a graph of layers begins and ends. */
export interface FunctionalOptions {
  /** What `input()` made. */
  inputs: SymbolicTensor | readonly SymbolicTensor[];
  /** What `layer.apply()` made of them. */
  outputs: SymbolicTensor | readonly SymbolicTensor[];
  /** Decides the initial weights and what dropout drops. Default 0. */
  seed?: number;
}

/** A graph of layers: branches, several inputs and outputs, layers that are called more than once and share their weights. */
export class Functional extends Model {
  /** @throws WeftError where an output needs an input that isn't among the model's, or an input has no output that depends on it. */
  constructor(options: FunctionalOptions) {
    const { inputs, outputs, seed = 0 } = checkOptions('functional', options, '{ inputs, outputs }');
    const from = listOf('inputs', 'input() gives', inputs);
    const to = listOf('outputs', "a layer's apply() gives", outputs);
    from.forEach((symbolic, i) => {
      if (symbolic.from) throw new WeftError(`input ${i} of the model is the output of a layer: use input()`);
    });
    const ordered = inOrder(to);
    const numbers = new Map<SymbolicTensor, number>();
    for (const value of [...from, ...ordered]) numbers.set(value, numbers.size);
    const calls = ordered.map((value): LayerCall => {
      const { layer, inputs: taken } = value.from!;
      return {
        layer,
        inputs: taken.map((input) => {
          const number = numbers.get(input);
          if (number !== undefined) return number;
          throw new WeftError(
            `layer ${layer.name} takes an input${input.name ? ` '${input.name}'` : ''} that isn't among the model's inputs`,
          );
        }),
        inputShapes: taken.map(({ shape }) => shape),
        outputShape: value.shape,
      };
    });
    joinModel([...new Set(calls.map(({ layer }) => layer))], seed);
    from.forEach((symbolic, i) => {
      const isUsed = calls.some((call) => call.inputs.includes(i)) || to.includes(symbolic);
      if (!isUsed) throw new WeftError(`no output depends on input ${i} of the model`);
    });
    super({
      inputs: from.map(({ shape, name }, i) => ({ shape, name: name ?? (i === 0 ? 'input' : `input_${i}`) })),
      calls,
      outputs: to.map((value) => numbers.get(value)!),
      seed,
    });
  }

  toConfig(): FunctionalConfig {
    return graphConfig(this);
  }
}

/** Values are numbered: the inputs first, then what each call gives. */
export interface FunctionalConfig {
  seed: number;
  inputs: { shape: Shape; name: string }[];
  layers: (LayerDescription & { config: { name: string } })[];
  calls: { layer: string; inputs: number[] }[];
  outputs: number[];
}

/** The graph of any model as plain data. */
export const graphConfig = ({ seed, inputs, layers, calls, outputs }: Model): FunctionalConfig => ({
  seed,
  inputs: inputs.map(({ shape, name }) => ({ shape, name })),
  layers: layers.map((layer) => ({ ...describeLayer(layer), config: { ...layer.config, name: layer.name } })),
  calls: calls.map(({ layer, inputs: taken }) => ({ layer: layer.name, inputs: [...taken] })),
  outputs: [...outputs],
});

/**
 * Makes a model of what comes between symbolic inputs and outputs.
 *
 * @example
 * ```ts
 * import { functional, input, layers } from 'weft-gpu';
 *
 * const { conv2d, add, globalAveragePooling2d, dense } = layers;
 * const image = input({ shape: [28, 28, 1] });
 * const stem = conv2d({ filters: 8, padding: 'same' }).apply(image);
 * const sum = add().apply([stem, conv2d({ filters: 8, padding: 'same', activation: 'relu' }).apply(stem)]);
 * const model = functional({ inputs: image, outputs: dense({ units: 10 }).apply(globalAveragePooling2d().apply(sum)) });
 * console.log(model.outputShape); // [ 10 ]
 * ```
 */
export const functional = (options: FunctionalOptions): Functional => new Functional(options);

function listOf(
  name: string,
  wanted: string,
  values: SymbolicTensor | readonly SymbolicTensor[],
): readonly SymbolicTensor[] {
  const list = Array.isArray(values) ? values : [values];
  if (list.length > 0 && list.every((value) => value instanceof SymbolicTensor)) return list;
  throw new WeftError(`functional: ${name} must be what ${wanted}, or several, got ${showValue(values)}`);
}

/** All values that layers give on the way to these, in the order in which they were made. Without recursion: networks are deep. */
function inOrder(outputs: readonly SymbolicTensor[]): SymbolicTensor[] {
  const found = new Set<SymbolicTensor>();
  const open = [...outputs];
  for (let value = open.pop(); value; value = open.pop()) {
    if (!value.from || found.has(value)) continue;
    found.add(value);
    open.push(...value.from.inputs);
  }
  return [...found].sort((a, b) => a.order - b.order);
}
