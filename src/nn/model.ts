import { printable, showValue } from '../checks.ts';
import { ShapeError, WeftError } from '../errors.ts';
import { add } from '../kernels/binary.ts';
import { l2 } from '../kernels/l2.ts';
import { reshape } from '../kernels/reshape.ts';
import { explaining } from '../otherNames.ts';
import { checkSeed, type RandomStream } from '../tensor/random.ts';
import { type Shape, sameShape, showShape, sizeOf } from '../tensor/shape.ts';
import { Tensor } from '../tensor/tensor.ts';
import { makesProbabilities } from './activations.ts';
import { type CallOptions, Layer } from './layer.ts';
import { type LayerTable, layerTable } from './layerTable.ts';
import { type Parameter, readParameters } from './parameter.ts';
import { checkBatch, type PredictOptions, Predictor } from './predictor.ts';
import { decodeSafetensors, encodeSafetensors } from './safetensors.ts';

/** A layer put on values: the model's inputs come first, numbered from 0, then what each call gives, in their order. */
export interface LayerCall {
  readonly layer: Layer;
  readonly inputs: readonly number[];
  /** Without the batch. */
  readonly inputShapes: readonly Shape[];
  readonly outputShape: Shape;
}

/** What a model is put together of. */
export interface ModelParts {
  readonly inputs: readonly { readonly shape: Shape; readonly name: string }[];
  /** Each after those that it takes values of. */
  readonly calls: readonly LayerCall[];
  /** Numbers of the values that come out. */
  readonly outputs: readonly number[];
  readonly seed: number;
}

/**
 * Gives layers names that are unique in their model: those asked for, else the kind, numbered as Keras does.
 * @throws WeftError where two are alike, a layer is none or part of another model, or the seed is none
 */
export function joinModel(layers: readonly Layer[], seed: number): void {
  layers.forEach((layer, i) => {
    if (!(layer instanceof Layer))
      throw new WeftError(
        `layer ${i} of the model must be one, as layers.dense({ units: 10 }), got ${showValue(layer)}`,
      );
  });
  checkSeed('the model', seed);
  const taken = new Set<string>();
  for (const { config } of layers) {
    if (config.name === undefined) continue;
    if (taken.has(config.name)) throw new WeftError(`two layers of one model are named '${config.name}'`);
    taken.add(config.name);
  }
  const counts = new Map<string, number>();
  for (const layer of layers) {
    const { config, kindName } = layer;
    let name = config.name;
    while (name === undefined) {
      const count = counts.get(kindName) ?? 0;
      counts.set(kindName, count + 1);
      const next = count === 0 ? kindName : `${kindName}_${count}`;
      if (!taken.has(next)) name = next;
    }
    layer.join({ name, seed });
  }
}

const FIT = 'write fit(model, { train: { source, indices }, optimizer, loss, metrics, epochs })';

const otherNames = () => ({
  compile: FIT,
  fit: FIT,
  fitDataset: FIT,
  evaluate: 'write evaluate(model, { source, indices })',
  add: 'write sequential([layers.dense({ units: 10 }), …], { inputShape })',
});

/** Layers that form a graph without cycles. It is put together and described without a GPU. */
export abstract class Model extends /* @__PURE__ */ explaining('Model', otherNames) {
  /** Every layer once, in the order of their first calls. */
  readonly layers: readonly Layer[];
  readonly seed: number;
  readonly inputShapes: readonly Shape[];
  readonly outputShapes: readonly Shape[];
  readonly inputs: ModelParts['inputs'];
  readonly calls: readonly LayerCall[];
  /** Numbers of the values that come out; see `LayerCall`. */
  readonly outputs: readonly number[];
  /** By value: the calls that take it, and whether it leaves the model. */
  private readonly uses: readonly { readonly calls: readonly number[]; readonly leaves: boolean }[];
  private readonly predictor = new Predictor(this);

  constructor({ inputs, calls, outputs, seed }: ModelParts) {
    super();
    this.inputs = inputs;
    this.calls = calls;
    this.outputs = outputs;
    this.seed = seed;
    this.layers = [...new Set(calls.map(({ layer }) => layer))];
    this.inputShapes = inputs.map(({ shape }) => shape);
    const shapes = [...this.inputShapes, ...calls.map(({ outputShape }) => outputShape)];
    this.outputShapes = outputs.map((value) => shapes[value]);
    const leaving = new Set(outputs);
    const uses = shapes.map((_, value) => ({ calls: [] as number[], leaves: leaving.has(value) }));
    for (const [i, call] of calls.entries())
      for (const value of new Set(call.inputs)) uses[value].calls.push(i);
    this.uses = uses;
  }

  /** Shape of one input, without the batch; of several inputs the first's. */
  get inputShape(): Shape {
    return this.inputShapes[0];
  }

  /** Shape of one output, without the batch; of several outputs the first's. */
  get outputShape(): Shape {
    return this.outputShapes[0];
  }

  /** All weights, in the order of the layers. */
  get parameters(): Parameter[] {
    return this.layers.flatMap((layer) => layer.parameters);
  }

  /** The weights that training changes: without moving statistics and frozen layers. */
  get trainableParameters(): Parameter[] {
    return this.parameters.filter((parameter) => parameter.trainable);
  }

  /** The layers' sources of randomness: their positions belong to a checkpoint. */
  get randomStreams(): RandomStream[] {
    return this.layers.flatMap((layer) => layer.randomStream ?? []);
  }

  /** Multiply-adds of a forward pass for one sample, as convolutions and products by the direct method. */
  get multiplyAdds(): number {
    return this.calls.reduce(
      (total, { layer, inputShapes, outputShape }) => total + layer.multiplyAdds(inputShapes[0], outputShape),
      0,
    );
  }

  /** @throws WeftError where there is no layer of that name, naming those that there are. */
  layer(name: string): Layer {
    const found = this.layers.find((layer) => layer.name === name);
    if (found) return found;
    throw new WeftError(
      `the model has no layer '${name}'; it has ${this.layers.map((layer) => layer.name).join(', ')}`,
    );
  }

  /** The output for a batch [N, ...inputShape], of a model with one input and one output. */
  call(x: Tensor, options: CallOptions = {}): Tensor {
    return this.run(this.single([x], 'call'), options)[0];
  }

  /** The outputs for a batch of each input, in the order in which the model was given them. */
  callAll(inputs: readonly Tensor[], options: CallOptions = {}): Tensor[] {
    return this.run(inputs, options);
  }

  /** As `call`, before a softmax or sigmoid of the last layer: what a cross-entropy on logits takes. */
  logits(x: Tensor, options: CallOptions = {}): Tensor {
    return this.run(this.single([x], 'logits'), options, (layer, [first, ...more]) =>
      makesProbabilities(layer.activation)
        ? layer.linear(first, options, ...more)
        : layer.call(first, options, ...more),
    )[0];
  }

  /**
   * The outputs in inference mode, off the tape, for one sample as well as for many: batch after batch through a step that is
   * recorded once for each batch size. Weights are taken as they are when the call's turn comes, after the calls before it.
   *
   * @param x samples [N, ...inputShape]; of a model with several inputs, as many of each
   * @returns [N, ...outputShape], the caller's to dispose of; of a model with several outputs, one for each
   * @throws ShapeError when x is anything else, a single sample for one; WeftError inside `record()`, where `call` belongs
   */
  predict(x: Tensor, options?: PredictOptions): Promise<Tensor>;
  predict(x: readonly Tensor[], options?: PredictOptions): Promise<Tensor[]>;
  predict(x: Tensor | readonly Tensor[], options: PredictOptions = {}): Promise<Tensor | Tensor[]> {
    if (Array.isArray(x)) return this.predictor.run(x, options);
    const one = this.single([x as Tensor], 'predict');
    return this.predictor.run(one, options).then(([y]) => y);
  }

  /** The sum of the layers' L2 penalties, a scalar; undefined where no layer has one. */
  regularization(): Tensor | undefined {
    const terms = this.layers.flatMap((layer) =>
      layer.penalties.map((penalty) => l2(penalty.parameter.tensor, penalty.l2)),
    );
    return terms.length > 0 ? terms.reduce((total, term) => add(total, term)) : undefined;
  }

  /** @throws ShapeError unless these are batches of one size for the model's inputs. */
  checkInputs(op: string, inputs: readonly Tensor[]): void {
    if (!Array.isArray(inputs) || !inputs.every((x) => x instanceof Tensor)) {
      const batches = this.inputShapes.map((shape) => showShape(['N', ...shape] as unknown as Shape));
      throw new ShapeError(
        op,
        `${batches.length === 1 ? 'a tensor' : 'tensors'} ${batches.join(' and ')}`,
        showValue(inputs?.length === 1 ? inputs[0] : inputs),
      );
    }
    if (inputs.length !== this.inputs.length)
      throw new ShapeError(op, `${this.inputs.length} inputs`, `${inputs.length}`);
    inputs.forEach((x, i) => {
      checkBatch(op, x, this.inputShapes[i]);
      if (x.shape[0] !== inputs[0].shape[0])
        throw new ShapeError(
          op,
          `batches of one size, ${inputs[0].shape[0]} as the first input`,
          `${x.shape[0]} samples of input '${this.inputs[i].name}'`,
        );
    });
  }

  private single(inputs: readonly Tensor[], op: string): readonly Tensor[] {
    if (this.inputs.length === 1 && this.outputs.length === 1) return inputs;
    throw new WeftError(
      `model.${op}(x) is for one input and one output, this model has ${this.inputs.length} and ${this.outputs.length}: use callAll(inputs), or predict(inputs)`,
    );
  }

  /** Runs the calls in their order, fused where they can be; those that give an output, by `callLast` where it is given. */
  private run(
    inputs: readonly Tensor[],
    options: CallOptions,
    callLast?: (layer: Layer, inputs: Tensor[]) => Tensor,
  ): Tensor[] {
    this.checkInputs('model', inputs);
    const { calls, uses } = this;
    const values: (Tensor | undefined)[] = [...inputs];
    const given = new Set(inputs);
    const waiting = uses.map((use) => use.calls.length);
    /** What the backward pass needs, the tape holds; the rest goes as soon as nobody waits for it. */
    const release = (value: number, result: Tensor) => {
      if (--waiting[value] > 0 || uses[value].leaves) return;
      const tensor = values[value]!;
      if (!given.has(tensor) && tensor !== result) tensor.dispose();
      values[value] = undefined;
    };
    for (let i = 0; i < calls.length; i++) {
      const first = calls[i];
      const only = this.onlyNext(i);
      const fused = only === undefined ? undefined : first.layer.fuse(calls[only].layer);
      const last = fused ? only! : i;
      const value = inputs.length + last;
      const gatherMoments = uses[value].calls.some((next) => calls[next].layer.needsMoments(options));
      const callOptions = { ...options, gatherMoments };
      const taken = first.inputs.map((input) => values[input]!);
      const [x, ...more] = taken;
      let y: Tensor;
      if (fused) y = fused(x, callOptions);
      else if (callLast && uses[value].leaves) y = callLast(first.layer, taken);
      else y = first.layer.call(x, callOptions, ...more);
      // A layer may hand on what it was given: where that is needed elsewhere, too, this is a handle of its own.
      const isNeeded = (input: number) => values[input] === y && (waiting[input] > 1 || uses[input].leaves);
      if (first.inputs.some(isNeeded)) y = reshape(y, y.shape);
      values[value] = y;
      for (const input of new Set(first.inputs)) release(input, y);
      i = last;
    }
    // An output is the caller's to free, an input stays what it was.
    return this.outputs.map((value) => {
      const y = values[value]!;
      return given.has(y) ? reshape(y, y.shape) : y;
    });
  }

  /** The call right after call i, where it alone takes what i gives. */
  private onlyNext(i: number): number | undefined {
    const { calls, leaves } = this.uses[this.inputs.length + i];
    const isOnly = calls.length === 1 && calls[0] === i + 1 && !leaves;
    return isOnly && this.calls[i + 1].inputs.length === 1 ? i + 1 : undefined;
  }

  /** The table of layers, output shapes and parameters; where the graph is no chain, with the layers that each call takes its input from. */
  summary(): string {
    const { rows, isChain, parameters, trainable } = layerTable(this);
    const widths = [0, 1].map((column) => Math.max(...rows.map((row) => row[column].length), 12));
    const line = ([layer, output, parameters, from]: LayerTable['rows'][number]) =>
      `${layer.padEnd(widths[0])}  ${output.padEnd(widths[1])}  ${parameters.padStart(10)}${isChain ? '' : `  ${from}`}`;
    const rule = '-'.repeat(widths[0] + widths[1] + 14);
    const whole = (n: number) => n.toLocaleString('en-US');
    return [
      line(['layer', 'output', 'parameters', 'from']),
      rule,
      ...rows.map(line),
      rule,
      `${whole(parameters)} parameters: ${whole(trainable)} trainable, ${whole(parameters - trainable)} not`,
    ].join('\n');
  }

  /** The layers and how they are put together, as plain data; `modelFromConfig` makes the model again. */
  abstract toConfig(): object;

  /** The weights and the layers as a safetensors file: as they are at the moment of the call, also while training goes on. */
  async save(): Promise<Uint8Array> {
    const weft = JSON.stringify({ model: this.toConfig() });
    return encodeSafetensors(await this.weights(), { weft });
  }

  /** The weights by name, read from the GPU: all as they are at the moment of the call, also while training goes on. */
  async weights(): Promise<Map<string, { shape: Shape; data: Float32Array }>> {
    const { parameters } = this;
    const values = await readParameters(parameters);
    return new Map(parameters.map(({ name, shape }, i) => [name, { shape, data: values[i] }]));
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
    const { parameters } = this;
    if (!(weights instanceof Map))
      throw new WeftError(
        `setWeights takes a Map from names to { shape, data }, as weights() gives it, got ${showValue(weights)}`,
      );
    const values = parameters.map(({ name, shape }) => {
      const weight = weights.get(name);
      if (!weight)
        throw new WeftError(
          `the file holds no weight ${showValue(name)}; it has ${[...weights.keys()].slice(0, 8).map(printable).join(', ')}`,
        );
      return valuesOf(name, shape, weight);
    });
    const known = new Set(parameters.map(({ name }) => name));
    const stranger = [...weights.keys()].find((name) => !known.has(name));
    if (stranger !== undefined)
      throw new WeftError(`the file holds a weight ${showValue(stranger)} that this model doesn't have`);
    parameters.forEach((parameter, i) => {
      parameter.set(values[i]);
    });
  }

  /** Frees the weights and what `predict` recorded. The model can't be used again. */
  dispose(): void {
    this.disposePlans();
    for (const layer of this.layers) layer.dispose();
  }

  /** Frees what `predict` recorded. */
  protected disposePlans(): void {
    this.predictor.dispose();
  }
}

/** What is to become of a weight. @throws WeftError unless it is of the shape, and as many numbers. */
function valuesOf(
  name: string,
  shape: Shape,
  weight: { readonly shape: Shape; readonly data: ArrayLike<number> },
): Float32Array {
  if (!Array.isArray(weight.shape) || !sameShape(weight.shape, shape))
    throw new WeftError(
      `weight '${name}' has shape ${Array.isArray(weight.shape) ? showShape(weight.shape) : showValue(weight.shape)} in the file, ${showShape(shape)} in the model`,
    );
  const { data } = weight;
  const isList = Array.isArray(data) && data.every((value) => typeof value === 'number');
  const isNumeric = ArrayBuffer.isView(data) && !(data instanceof DataView) && !isBigInts(data);
  if (!isList && !isNumeric)
    throw new WeftError(`weight '${name}' takes an array of numbers as its data, got ${showValue(data)}`);
  if (data.length !== sizeOf(shape))
    throw new WeftError(
      `weight '${name}' of shape ${showShape(shape)} takes ${sizeOf(shape)} numbers, got ${data.length}`,
    );
  return data instanceof Float32Array ? data : Float32Array.from(data);
}

const isBigInts = (data: ArrayBufferView): boolean =>
  data instanceof BigInt64Array || data instanceof BigUint64Array;
