/**
 * The training loss of any model and the gradient of every weight, by the references of its layers' ops.
 *
 *   loss = softmaxCrossEntropy(logits, labels), or meanSquaredError(output, input), + sum over layers of l2 * sum(kernel^2)
 *
 * The forward pass writes each op on a tape. The backward pass takes the tape from its end: each op turns the gradient of its output into
 * those of its inputs, and a value that several ops took sums what they give it.
 */

import { type Array64, make, sizeOf } from './array64.ts';
import { avgPool2d } from './avgPool2d.ts';
import { batchNorm, batchNormInference } from './batchNorm.ts';
import { concat } from './concat.ts';
import { conv2d } from './conv2d.ts';
import { conv2dTranspose } from './conv2dTranspose.ts';
import { dense } from './dense.ts';
import { dropout } from './dropout.ts';
import { add, leakyRelu, rescale, sigmoid, tanh } from './elementwise.ts';
import { l2 } from './l2.ts';
import { maxPool2d } from './maxPool2d.ts';
import { meanSquaredError } from './meanSquaredError.ts';
import { reduceMean } from './reductions.ts';
import type { Reference } from './reference.ts';
import { relu } from './relu.ts';
import { reshape } from './reshape.ts';
import { resizeBilinear } from './resizeBilinear.ts';
import { softmax } from './softmax.ts';
import { softmaxCrossEntropy } from './softmaxCrossEntropy.ts';
import { upSampling2d } from './upSampling2d.ts';
import { pair } from './windows.ts';

/** A layer as a model describes it: `config` is what it was made with. */
export interface LayerDescription {
  readonly kind: string;
  readonly name: string;
  readonly config: object;
  /** False: batch-norm takes its moving statistics, and no weight has a gradient. */
  readonly trainable: boolean;
}

/** A graph of layers with one input, number 0, and one output; call i gives value i + 1. Every `Model` of that kind is one. */
export interface ModelDescription {
  readonly calls: readonly { readonly layer: LayerDescription; readonly inputs: readonly number[] }[];
  readonly outputs: readonly number[];
}

export interface ModelCase {
  /** All weights by name, `layer.weight`. */
  weights: ReadonlyMap<string, Array64>;
  /** The batch [N, ...]. */
  input: Array64;
  /** The class of each sample; 'reconstruct' compares the output with the input instead. */
  labels: readonly number[] | 'reconstruct';
  /** Of each call of a dropout layer, by the call's number: what it keeps (1) and drops (0). */
  masks?: ReadonlyMap<number, Uint8Array>;
  /**
   * What every call gives in the computation that is checked. ReLUs and max-pools whose two sides are equal up to round-off then send
   * their gradient to the side that it went to there.
   */
  outputs?: readonly Array64[];
}

/** An array on the tape, with what came back to it. */
interface Value {
  readonly array: Array64;
  gradient?: Array64;
}

class Tape {
  private readonly backwards: (() => void)[] = [];

  /** @param decided what the backward pass takes in place of the inputs, for where they'd send the gradient */
  apply<Attrs>(op: Reference<Attrs>, inputs: readonly Value[], attrs: Attrs, decided?: Array64[]): Value {
    const arrays = inputs.map(({ array }) => array);
    const output: Value = { array: op.forward(arrays, attrs) };
    this.backwards.push(() => {
      // Nothing that counts depends on an output without a gradient.
      if (!output.gradient) return;
      op.backward(decided ?? arrays, attrs, output.gradient).forEach((gradient, i) => {
        if (gradient) accumulate(inputs[i], gradient);
      });
    });
    return output;
  }

  /** Leaves in every value the gradient of `loss`, a scalar, for it. */
  backward(loss: Value): void {
    loss.gradient = make([], [1]);
    for (const backward of this.backwards.reverse()) backward();
  }
}

function accumulate(value: Value, { shape, data }: Array64): void {
  const sum = value.gradient;
  value.gradient = sum ? { shape, data: sum.data.map((element, i) => element + data[i]) } : { shape, data };
}

/** What a layer is computed with. */
interface Call<Config> {
  readonly tape: Tape;
  readonly inputs: readonly Value[];
  readonly config: Config;
  readonly trainable: boolean;
  /** The layer's own weight of that name; undefined where it has none. */
  readonly weight: (name: string) => Value | undefined;
  readonly mask: () => Uint8Array;
  /** The first input as the computation that is checked has it. */
  readonly given: Array64 | undefined;
}

type Activation = 'linear' | 'relu' | 'leakyRelu' | 'sigmoid' | 'tanh' | 'softmax' | { leakyRelu: number };
type Pair = number | readonly [number, number];
type Padding = Parameters<typeof conv2d.forward>[1]['padding'];

/** What the layers' configs may hold; each kind reads what it has. */
interface Config {
  padding?: Padding;
  strides?: Pair;
  outputPadding?: Pair;
  poolSize?: Pair;
  ceilMode?: boolean;
  countIncludePad?: boolean;
  convention?: 'keras' | 'pytorch';
  epsilon?: number;
  rate: number;
  targetShape: readonly number[];
  scale: number;
  offset?: number;
  height: number;
  width: number;
  alignCorners?: boolean;
  size?: Pair;
  alpha?: number;
  activation?: Activation;
  kernelRegularizer?: { l2: number };
}

/** The inputs, then those of the named weights that the layer has. */
const withWeights = ({ inputs, weight }: Call<Config>, ...names: string[]): Value[] => [
  ...inputs,
  ...names.flatMap((name) => weight(name) ?? []),
];

const windows = ({
  poolSize = 2,
  strides = poolSize,
  padding = 'valid',
  ceilMode,
  countIncludePad,
}: Config) => ({ poolSize, strides, padding, ceilMode, countIncludePad });

function normalise(call: Call<Config>): Value {
  const { tape, inputs, config, trainable, weight } = call;
  const { convention = 'keras', epsilon = convention === 'keras' ? 1e-3 : 1e-5 } = config;
  const [x] = inputs;
  const channels = x.array.shape.slice(-1);
  const filled = (value: number): Value => ({
    array: make(channels, new Float64Array(channels[0]).fill(value)),
  });
  const taken = [x, weight('gamma') ?? filled(1), weight('beta') ?? filled(0)];
  if (trainable) return tape.apply(batchNorm, taken, { epsilon });
  const moving = [weight('moving_mean')!, weight('moving_variance')!];
  return tape.apply(batchNormInference, [...taken, ...moving], { epsilon });
}

/** Of each kind of layer, what it computes before its activation. */
const kinds: Readonly<Record<string, (call: Call<Config>) => Value>> = {
  conv2d: (call) => {
    const { padding = 'valid', strides } = call.config;
    return call.tape.apply(conv2d, withWeights(call, 'kernel', 'bias'), { padding, strides });
  },
  conv2dTranspose: (call) => {
    const { padding = 'valid', strides, outputPadding } = call.config;
    const attrs = { padding, strides, outputPadding };
    return call.tape.apply(conv2dTranspose, withWeights(call, 'kernel', 'bias'), attrs);
  },
  dense: (call) => call.tape.apply(dense, withWeights(call, 'kernel', 'bias'), {}),
  batchNormalization: normalise,
  maxPooling2d: ({ tape, inputs, config, given }) =>
    tape.apply(maxPool2d, inputs, windows(config), given && [given]),
  averagePooling2d: ({ tape, inputs, config }) => tape.apply(avgPool2d, inputs, windows(config)),
  globalAveragePooling2d: ({ tape, inputs }) =>
    tape.apply(reduceMean, inputs, { axes: [1, 2], keepDims: false }),
  dropout: ({ tape, inputs, config: { rate }, mask }) => tape.apply(dropout, inputs, { rate, mask: mask() }),
  flatten: ({ tape, inputs }) => {
    const [N, ...sample] = inputs[0].array.shape;
    return tape.apply(reshape, inputs, { shape: [N, sizeOf(sample)] });
  },
  reshape: ({ tape, inputs, config: { targetShape } }) => {
    const [N, ...sample] = inputs[0].array.shape;
    const known = sizeOf(targetShape.filter((extent) => extent !== -1));
    const shape = targetShape.map((extent) => (extent === -1 ? sizeOf(sample) / known : extent));
    return tape.apply(reshape, inputs, { shape: [N, ...shape] });
  },
  rescaling: ({ tape, inputs, config: { scale, offset = 0 } }) =>
    tape.apply(rescale, inputs, { scale, offset }),
  resizing: ({ tape, inputs, config: { height, width, alignCorners = false } }) =>
    tape.apply(resizeBilinear, inputs, { size: [height, width], alignCorners }),
  upSampling2d: ({ tape, inputs, config: { size = 2 } }) =>
    tape.apply(upSampling2d, inputs, { size: pair<number>(size) }),
  add: ({ tape, inputs }) => inputs.reduce((sum, term) => tape.apply(add, [sum, term], {})),
  concatenate: ({ tape, inputs }) => tape.apply(concat, inputs, { axis: inputs[0].array.shape.length - 1 }),
  activation: ({ inputs }) => inputs[0],
  leakyReLU: ({ inputs }) => inputs[0],
};

/** Kinds of layer that have a reference. */
export const referenceKinds: readonly string[] = Object.keys(kinds);

/** The sign of what a rectifier gives is that of what it takes: `given`, its output elsewhere, decides in place of its input. */
const activations: Readonly<Record<string, (tape: Tape, x: Value, given?: [Array64]) => Value>> = {
  linear: (_tape, x) => x,
  relu: (tape, x, given) => tape.apply(relu, [x], {}, given),
  leakyRelu: (tape, x, given) => tape.apply(leakyRelu, [x], { slope: 0.3 }, given),
  sigmoid: (tape, x) => tape.apply(sigmoid, [x], {}),
  tanh: (tape, x) => tape.apply(tanh, [x], {}),
  softmax: (tape, x) => tape.apply(softmax, [x], {}),
};

function activate(tape: Tape, x: Value, activation: Activation, given?: [Array64]): Value {
  if (typeof activation !== 'string')
    return tape.apply(leakyRelu, [x], { slope: activation.leakyRelu }, given);
  const apply = activations[activation];
  if (!apply) throw new Error(`model: no reference for the activation '${activation}'`);
  return apply(tape, x, given);
}

const activationOf = (kind: string, { activation = 'linear', alpha = 0.3 }: Config): Activation =>
  kind === 'leakyReLU' ? { leakyRelu: alpha } : activation;

function forward(model: ModelDescription, { weights, input, labels, masks, outputs }: ModelCase) {
  const tape = new Tape();
  const named = new Map([...weights].map(([name, array]): [string, Value] => [name, { array }]));
  const values: Value[] = [{ array: input }];
  for (const [i, { layer, inputs }] of model.calls.entries()) {
    const { kind, name, trainable } = layer;
    const config = layer.config as Config;
    const compute = kinds[kind];
    if (!compute) throw new Error(`model: no reference for the layer kind '${kind}'`);
    const mask = () => {
      const found = masks?.get(i);
      if (!found) throw new Error(`model: call ${i}, of ${name}, has no mask`);
      return found;
    };
    const weight = (own: string) => named.get(`${name}.${own}`);
    const y = compute({
      tape,
      inputs: inputs.map((value) => values[value]),
      config,
      trainable,
      weight,
      mask,
      given: outputs && (inputs[0] === 0 ? input : outputs[inputs[0] - 1]),
    });
    const activation = activationOf(kind, config);
    // A classifier's loss takes what its last softmax or sigmoid is given.
    const isLogits = labels !== 'reconstruct' && model.outputs.includes(i + 1);
    const isLeftOut = isLogits && (activation === 'softmax' || activation === 'sigmoid');
    values.push(isLeftOut ? y : activate(tape, y, activation, outputs && [outputs[i]]));
  }
  const output = values[model.outputs[0]];
  let loss =
    labels === 'reconstruct'
      ? tape.apply(meanSquaredError, [output, { array: input }], {})
      : tape.apply(softmaxCrossEntropy, [output], { labels });
  for (const { name, config } of new Set(model.calls.map(({ layer }) => layer))) {
    const { kernelRegularizer } = config as Config;
    if (!kernelRegularizer) continue;
    const penalty = tape.apply(l2, [named.get(`${name}.kernel`)!], { lambda: kernelRegularizer.l2 });
    loss = tape.apply(add, [loss, penalty], {});
  }
  return { tape, named, values, loss };
}

/** The training loss: that of the output, and the L2 penalties. */
export const modelLoss = (model: ModelDescription, given: ModelCase): number =>
  forward(model, given).loss.array.data[0];

/** What one training step computes, short of the optimizer. */
export interface ModelGradients {
  loss: number;
  /** What each call gives; of a classifier the last one's before its softmax or sigmoid. */
  outputs: Array64[];
  /** The gradient of the loss for each weight that training changes, by name. */
  gradients: Map<string, Array64>;
}

export function modelGradients(model: ModelDescription, given: ModelCase): ModelGradients {
  const { tape, named, values, loss } = forward(model, given);
  tape.backward(loss);
  const frozen = model.calls.flatMap(({ layer }) => (layer.trainable ? [] : `${layer.name}.`));
  const gradients = new Map<string, Array64>();
  for (const [name, { gradient }] of named) {
    if (gradient && !frozen.some((layer) => name.startsWith(layer))) gradients.set(name, gradient);
  }
  return { loss: loss.array.data[0], outputs: values.slice(1).map(({ array }) => array), gradients };
}
