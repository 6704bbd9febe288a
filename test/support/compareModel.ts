import { expect } from 'vitest';
import { objectives, type Task } from '../../src/experiments/task.ts';
import { add } from '../../src/kernels/binary.ts';
import { makesProbabilities } from '../../src/nn/activations.ts';
import { lossOperand } from '../../src/nn/evaluate.ts';
import { Extractor } from '../../src/nn/extractor.ts';
import type { Model } from '../../src/nn/model.ts';
import { gradients } from '../../src/tensor/autograd.ts';
import { RandomStream } from '../../src/tensor/random.ts';
import { scope } from '../../src/tensor/scope.ts';
import { type Tensor, tensor } from '../../src/tensor/tensor.ts';
import { type Array64, createRandom, make, type Random, sizeOf } from '../reference/array64.ts';
import { dropoutMask } from '../reference/dropout.ts';
import { type ModelCase, type ModelGradients, modelGradients } from '../reference/model.ts';
import { withVariants } from './variants.ts';

/*
 * A training step of a whole model against the f64 reference. Some things are no errors, and are kept out:
 *
 * - Round-off takes a ReLU or a max-pool whose two sides are nearly equal to the other side: a gradient elsewhere. The reference is therefore
 *   told what each layer gave here, and lets that decide; first, all of it is held to what the reference computes by itself.
 * - Batch-norm over two values gives ±1 by which is larger: a batch is large enough that every channel has more, down to maps of 1x1.
 * - The gradient of a bias in front of a batch-norm is 0: there is nothing that an error could be relative to. It must be nothing beside the
 *   layer's other gradients.
 */

/** Length of the difference over the length of what is compared, a gradient or an output: at most. */
const RELATIVE = 1e-3;
/** A gradient is 0 up to f64's round-off where its values are so small, beside the largest of its layer. */
const NOTHING = 1e-10;

export interface ComparisonOptions {
  readonly batch: number;
  /** Default 'classify'. */
  readonly task?: Task;
  /** Of the batch and of what is added to the weights. Default 1. */
  readonly seed?: number;
}

/** Names of the variants that the passes of convolutions take, where those suit. */
export interface Convolutions {
  readonly forward: string;
  readonly backward: string;
}

const DIRECT: Convolutions = { forward: 'plain', backward: 'plain' };

/**
 * Holds the loss and every gradient of a training step, dropout and batch statistics included, to the reference. Weights are first moved
 * away from the values at which they'd do nothing (a gamma of 1, a bias of 0). The model is disposed of.
 */
export async function compareWithReference(model: Model, options: ComparisonOptions): Promise<void> {
  const { batch, task = 'classify', seed = 1 } = options;
  const random = createRandom(seed);
  await moveWeights(model, random);
  const samples = sampleBatch(model, batch, task, random);
  const outputs = await outputsOf(model, samples);
  const expected = modelGradients(model, { ...(await caseOf(model, samples)), outputs });
  compareOutputs(model, outputs, expected, `seed ${seed}`);
  await compareStep(model, samples, expected, `seed ${seed}`);
  for (const disposable of [model, samples.x, samples.y]) disposable.dispose();
}

/** A batch for a task, on the GPU and for the reference. */
export interface SampleBatch {
  readonly task: Task;
  readonly input: Array64;
  readonly labels: number[];
  readonly x: Tensor;
  readonly y: Tensor;
}

export function sampleBatch(model: Model, batch: number, task: Task, random: Random): SampleBatch {
  const input = asF32(random.uniform([batch, ...model.inputShape], 0, 1));
  const labels = random.integers(batch, model.outputShape[0]);
  return {
    task,
    input,
    labels,
    x: tensor(Float32Array.from(input.data), input.shape),
    y: tensor(Int32Array.from(labels)),
  };
}

/** What the reference needs for the model's next training step: its weights as they are, and the masks that its dropout layers draw. */
export async function caseOf(model: Model, { input, labels, task }: SampleBatch): Promise<ModelCase> {
  const weights = new Map<string, Array64>();
  for (const parameter of model.parameters)
    weights.set(parameter.name, make(parameter.shape, await parameter.data()));
  return {
    weights,
    input,
    labels: task === 'classify' ? labels : task,
    masks: nextMasks(model, input.shape[0]),
  };
}

function nextMasks(model: Model, batch: number): Map<number, Uint8Array> {
  const streams = new Map<RandomStream, RandomStream>();
  const masks = new Map<number, Uint8Array>();
  for (const [i, { layer, outputShape }] of model.calls.entries()) {
    const own = layer.randomStream;
    if (!own) continue;
    const copy = streams.get(own) ?? new RandomStream(own.seed, own.name);
    if (!streams.has(own)) copy.position = own.position;
    streams.set(own, copy);
    const { rate } = layer.config as { rate: number };
    masks.set(i, dropoutMask(copy.words(batch * sizeOf(outputShape)), rate));
  }
  return masks;
}

/** The loss that training makes small. */
export function trainingLoss(model: Model, { task, x, y }: Pick<SampleBatch, 'task' | 'x' | 'y'>): Tensor {
  const { loss, lossOf } = objectives[task];
  const value = loss(lossOperand(model, x, lossOf, { training: true }), y, x);
  const penalty = model.regularization();
  return penalty ? add(value, penalty) : value;
}

/** What each call gives in the model's next training step; that step then is still the next. */
export async function outputsOf(model: Model, { x }: SampleBatch, convolutions = DIRECT): Promise<Array64[]> {
  const inside = new Extractor(model, [...model.calls.keys()]);
  const positions = model.randomStreams.map(({ position }) => position);
  const outputs = withVariants(variantsFor(convolutions), () => inside.callAll([x], { training: true }));
  for (const [i, stream] of model.randomStreams.entries()) stream.position = positions[i];
  const arrays: Array64[] = [];
  for (const y of outputs) arrays.push(make(y.shape, await y.data()));
  for (const y of outputs) y.dispose();
  return arrays;
}

/** Holds what each call gave to the reference; but a softmax or sigmoid at the end, which the reference leaves to the loss. */
export function compareOutputs(
  model: Model,
  outputs: readonly Array64[],
  expected: ModelGradients,
  label: string,
): void {
  const wrong = model.calls.flatMap(({ layer }, i) => {
    if (makesProbabilities(layer.activation) && model.outputs.includes(i + 1)) return [];
    const error = relativeError(outputs[i].data, expected.outputs[i], 1);
    return error < RELATIVE ? [] : `${layer.name}: ${error.toExponential(1)}`;
  });
  expect(wrong, `relative errors of outputs that are above ${RELATIVE}, ${label}`).toEqual([]);
}

const variantsFor =
  ({ forward, backward }: Convolutions) =>
  (key: string) => {
    if (!key.startsWith('conv2d')) return undefined;
    return key.startsWith('conv2d forward') ? forward : backward;
  };

/** Loss and gradients of a training step, with convolutions by the named variants; values are read when all is done. */
export async function stepOf(model: Model, samples: SampleBatch, convolutions = DIRECT) {
  const parameters = model.trainableParameters;
  const { loss, found } = withVariants(variantsFor(convolutions), () =>
    scope(() => {
      const loss = trainingLoss(model, samples);
      const targets = parameters.map(({ tensor }) => tensor);
      return { loss, found: gradients(loss, targets) };
    }),
  );
  const values = new Map<string, ArrayLike<number>>();
  for (const [i, { name }] of parameters.entries()) values.set(name, await found[i].data());
  const result = { loss: await loss.item(), gradients: values };
  for (const t of [loss, ...found]) t.dispose();
  return result;
}

/** Runs a step and compares its loss and gradients with the reference's. */
export async function compareStep(
  model: Model,
  samples: SampleBatch,
  expected: ModelGradients,
  label: string,
  convolutions = DIRECT,
): Promise<void> {
  const step = await stepOf(model, samples, convolutions);
  expect(Math.abs(step.loss / expected.loss - 1), `loss, ${label}`).toBeLessThan(1e-4);
  expect([...step.gradients.keys()].sort(), `gradients, ${label}`).toEqual(
    [...expected.gradients.keys()].sort(),
  );
  const wrong: string[] = [];
  for (const { parameters } of model.layers) {
    const own = parameters.flatMap(({ name }) => expected.gradients.get(name) ?? []);
    const scale = Math.max(...own.map(typicalSize));
    for (const { name } of parameters.filter(({ trainable }) => trainable)) {
      const error = relativeError(step.gradients.get(name)!, expected.gradients.get(name)!, scale);
      // Written so that NaN is wrong.
      if (!(error < RELATIVE)) wrong.push(`${name}: ${error.toExponential(1)}`);
    }
  }
  expect(wrong, `relative errors of gradients that are above ${RELATIVE}, ${label}`).toEqual([]);
}

/** Length of the difference over the reference's length; over that of values of the layer's `scale` where the reference says 0. */
function relativeError(actual: ArrayLike<number>, expected: Array64, scale: number): number {
  const difference = expected.data.map((value, i) => actual[i] - value);
  const own = typicalSize(expected);
  return typicalSize({ data: difference }) / (own > NOTHING * scale ? own : Math.max(scale, 1e-30));
}

const typicalSize = ({ data }: Pick<Array64, 'data'>): number =>
  Math.sqrt(data.reduce((sum, value) => sum + value * value, 0) / data.length);

const asF32 = ({ shape, data }: Array64): Array64 => ({
  shape,
  data: Float64Array.from(Float32Array.from(data)),
});

/** What is added to the first values of weights, by the weight's own name: the most, up or down. */
const MOVES: Readonly<Record<string, number>> = {
  gamma: 0.5,
  beta: 0.5,
  bias: 0.1,
  moving_mean: 0.5,
  moving_variance: 0.5,
};

async function moveWeights(model: Model, random: Random): Promise<void> {
  for (const parameter of model.parameters) {
    const most = MOVES[parameter.ownName];
    if (most === undefined) continue;
    const values = await parameter.data();
    const moves = random.uniform(parameter.shape, -most, most).data;
    parameter.set(values.map((value, i) => value + moves[i]));
  }
}
