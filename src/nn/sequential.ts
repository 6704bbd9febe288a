import { WeftError } from '../errors.ts';
import { add } from '../kernels/binary.ts';
import { l2 } from '../kernels/l2.ts';
import type { RandomStream } from '../tensor/random.ts';
import { type Shape, sameShape, showShape } from '../tensor/shape.ts';
import type { Tensor } from '../tensor/tensor.ts';
import type { CallOptions, Layer } from './layer.ts';
import { layers as layerMakers } from './layers/index.ts';
import type { Parameter } from './parameter.ts';
import { checkBatch, type PredictOptions, Predictor } from './predictor.ts';
import { decodeSafetensors, encodeSafetensors } from './safetensors.ts';

export interface SequentialOptions {
  /** Shape of one input, without the batch. */
  inputShape: Shape;
  /** Decides the initial weights and what dropout drops. Default 0. */
  seed?: number;
}

/** A stack of layers, each fed with the output of the one before. It is put together and described without a GPU. */
export class Sequential {
  readonly inputShape: Shape;
  readonly seed: number;
  private readonly predictor = new Predictor(this);

  /** @throws ShapeError naming the layer that the shapes don't fit. */
  constructor(
    readonly layers: readonly Layer[],
    { inputShape, seed = 0 }: SequentialOptions,
  ) {
    this.inputShape = [...inputShape];
    this.seed = seed;
    const counts = new Map<string, number>();
    let shape: Shape = inputShape;
    for (const layer of layers) {
      const kind = layer.kind.replace(/([a-z])([A-Z])/g, '$1_$2').toLowerCase();
      const count = counts.get(kind) ?? 0;
      counts.set(kind, count + 1);
      shape = layer.build(shape, { name: count === 0 ? kind : `${kind}_${count}`, seed });
    }
  }

  /** Shape of one output, without the batch. */
  get outputShape(): Shape {
    return this.layers[this.layers.length - 1]?.outputShape ?? this.inputShape;
  }

  /** All weights, in the order of the layers. */
  get parameters(): Parameter[] {
    return this.layers.flatMap((layer) => layer.parameters);
  }

  get trainableParameters(): Parameter[] {
    return this.parameters.filter((parameter) => parameter.trainable);
  }

  /** The layers' sources of randomness: their positions belong to a checkpoint. */
  get randomStreams(): RandomStream[] {
    return this.layers.flatMap((layer) => layer.randomStream ?? []);
  }

  /** The outputs for a batch [N, ...inputShape]. */
  call(x: Tensor, options: CallOptions = {}): Tensor {
    return this.run(x, options, (last, input) => last.call(input, options));
  }

  /** The outputs before a softmax of the last layer: what a cross-entropy on logits takes. */
  logits(x: Tensor, options: CallOptions = {}): Tensor {
    return this.run(x, options, (last, input) =>
      last.activation === 'softmax' ? last.linear(input, options) : last.call(input, options),
    );
  }

  /**
   * The outputs in inference mode, off the tape, for one sample as well as for many: batch after batch through a step that is
   * recorded once for each batch size. Weights are taken as they are when the call's turn comes, after the calls before it.
   *
   * @param x samples [N, ...inputShape]
   * @returns [N, ...outputShape], the caller's to dispose of
   * @throws ShapeError when x is anything else, a single sample for one; WeftError inside `record()`, where `call` belongs
   */
  predict(x: Tensor, options: PredictOptions = {}): Promise<Tensor> {
    return this.predictor.run(x, options);
  }

  /** The sum of the layers' L2 penalties, a scalar; undefined where no layer has one. */
  regularization(): Tensor | undefined {
    const terms = this.layers.flatMap((layer) =>
      layer.penalties.map((penalty) => l2(penalty.parameter.tensor, penalty.l2)),
    );
    return terms.length > 0 ? terms.reduce((total, term) => add(total, term)) : undefined;
  }

  /** Runs the layers, fused where they can be, and the last one by `callLast`. */
  private run(x: Tensor, options: CallOptions, callLast: (layer: Layer, x: Tensor) => Tensor): Tensor {
    checkBatch('model', x, this.inputShape);
    const { layers } = this;
    let current = x;
    for (let i = 0; i < layers.length; ) {
      const layer = layers[i];
      const fused = i + 1 < layers.length ? layer.fuse(layers[i + 1]) : undefined;
      i += fused ? 2 : 1;
      const given = { ...options, gatherMoments: layers[i]?.needsMoments(options) };
      const otherwise = () => (i < layers.length ? layer.call(current, given) : callLast(layer, current));
      const next = fused ? fused(current, given) : otherwise();
      // What the backward pass needs, the tape holds; the rest goes at once.
      if (current !== x && current !== next) current.dispose();
      current = next;
    }
    return current;
  }

  /** The table of layers, output shapes and parameters. */
  summary(): string {
    const rows = this.layers.map((layer) => {
      const activation = layer.activation === 'linear' ? '' : ` (${layer.activation})`;
      return [
        `${layer.name}${activation}`,
        showShape(['N', ...layer.outputShape] as unknown as Shape),
        count(layer.parameters),
      ];
    });
    const total = count(this.parameters);
    const trainable = count(this.trainableParameters);
    const widths = [0, 1].map((column) => Math.max(...rows.map((row) => String(row[column]).length), 12));
    const line = (cells: (string | number)[]) =>
      `${String(cells[0]).padEnd(widths[0])}  ${String(cells[1]).padEnd(widths[1])}  ${(typeof cells[2] === 'number' ? cells[2].toLocaleString('en-US') : cells[2]).padStart(10)}`;
    const rule = '-'.repeat(widths[0] + widths[1] + 14);
    return [
      line(['layer', 'output', 'parameters']),
      rule,
      ...rows.map(line),
      rule,
      `${total.toLocaleString('en-US')} parameters: ${trainable.toLocaleString('en-US')} trainable, ${(total - trainable).toLocaleString('en-US')} not`,
    ].join('\n');
  }

  /** The layers and options as plain data; `Sequential.fromConfig` makes the model again. */
  toConfig(): SequentialConfig {
    return {
      inputShape: this.inputShape,
      seed: this.seed,
      layers: this.layers.map(({ kind, config }) => ({ kind, config })),
    };
  }

  static fromConfig({ inputShape, seed, layers }: SequentialConfig): Sequential {
    const made = layers.map(({ kind, config }) => {
      if (!(kind in layerMakers))
        throw new WeftError(
          `a layer of unknown kind '${kind}'; known: ${Object.keys(layerMakers).join(', ')}`,
        );
      return layerMakers[kind as keyof typeof layerMakers](config as never);
    });
    return new Sequential(made, { inputShape, seed });
  }

  /** The weights and the layers as a safetensors file. */
  async save(): Promise<Uint8Array> {
    return encodeSafetensors(await this.weights(), { weft: JSON.stringify({ model: this.toConfig() }) });
  }

  /** The weights by name, read from the GPU. */
  async weights(): Promise<Map<string, { shape: Shape; data: Float32Array }>> {
    const found = new Map<string, { shape: Shape; data: Float32Array }>();
    for (const parameter of this.parameters)
      found.set(parameter.name, { shape: parameter.shape, data: await parameter.data() });
    return found;
  }

  /**
   * Takes the weights of a safetensors file. Nothing changes unless all of them fit.
   * @throws WeftError naming a weight that is missing, of another shape, or not this model's.
   */
  load(file: Uint8Array): void {
    this.setWeights(decodeSafetensors(file).tensors);
  }

  /** As `load`, from weights by name. */
  setWeights(weights: ReadonlyMap<string, { shape: Shape; data: ArrayLike<number> }>): void {
    for (const { name, shape } of this.parameters) {
      const weight = weights.get(name);
      if (!weight)
        throw new WeftError(
          `the file holds no weight '${name}'; it has ${[...weights.keys()].slice(0, 8).join(', ')}`,
        );
      if (!sameShape(weight.shape, shape))
        throw new WeftError(
          `weight '${name}' has shape ${showShape(weight.shape)} in the file, ${showShape(shape)} in the model`,
        );
    }
    const known = new Set(this.parameters.map(({ name }) => name));
    const stranger = [...weights.keys()].find((name) => !known.has(name));
    if (stranger) throw new WeftError(`the file holds a weight '${stranger}' that this model doesn't have`);
    for (const parameter of this.parameters)
      parameter.set(Float32Array.from(weights.get(parameter.name)!.data));
  }

  /** Frees the weights and what `predict` recorded. */
  dispose(): void {
    this.predictor.dispose();
    for (const parameter of this.parameters) parameter.dispose();
  }
}

export interface SequentialConfig {
  inputShape: Shape;
  seed: number;
  layers: { kind: string; config: object }[];
}

const count = (parameters: readonly Parameter[]): number =>
  parameters.reduce((total, { size }) => total + size, 0);

/** Makes a stack of layers. */
export const sequential = (layers: readonly Layer[], options: SequentialOptions): Sequential =>
  new Sequential(layers, options);

/** Makes the model that a file by `model.save()` describes, with its weights. @throws WeftError where the file describes none. */
export function loadModel(file: Uint8Array): Sequential {
  const { tensors, metadata } = decodeSafetensors(file);
  if (!metadata.weft) throw new WeftError('the file describes no model: it was not written by model.save()');
  const model = Sequential.fromConfig(JSON.parse(metadata.weft).model);
  model.setWeights(tensors);
  return model;
}
