/**
 * The training loss of a whole network and the gradient of every parameter, by chaining the references.
 *
 *   loss = softmaxCrossEntropy(last layer, labels) + sum over dense layers of l2 * sum(w^2)
 *
 * Parameters are one list in the order of the layers: a conv or dense layer has weights and biases, a
 * batchNorm layer gamma and beta. All functions take the shape of the batch, [N,H,W,C], as `input` or with
 * the images.
 */

import { type Array64, make, type Random, sizeOf } from './array64.ts';
import { batchNorm } from './batchNorm.ts';
import { conv2d } from './conv2d.ts';
import { dense } from './dense.ts';
import { dropout } from './dropout.ts';
import { l2 } from './l2.ts';
import { maxPool2d } from './maxPool2d.ts';
import type { Reference } from './reference.ts';
import { relu } from './relu.ts';
import { reshape } from './reshape.ts';
import { softmaxCrossEntropy } from './softmaxCrossEntropy.ts';

export type Layer =
  | { kind: 'conv'; filters: number; kernel: number; padding: 'same' | 'valid'; relu: boolean }
  | { kind: 'batchNorm'; epsilon: number }
  | { kind: 'maxPool'; poolSize: number; strides: number }
  /** The mask (1 keeps, 0 drops) has one entry an element of the batch's activations; see `withMasks`. */
  | { kind: 'dropout'; rate: number; mask?: Uint8Array }
  | { kind: 'flatten' }
  | { kind: 'dense'; units: number; relu: boolean; l2: number };

/** A layer in its place in a network. */
interface PlacedLayer {
  layer: Layer;
  /** The shape of the activations after the layer. */
  output: number[];
  /** The shapes of its parameters; the first of them is number `at` in the parameter list. */
  parameters: number[][];
  at: number;
}

function place(layers: readonly Layer[], input: readonly number[]): PlacedLayer[] {
  let shape = [...input];
  let next = 0;
  return layers.map((layer) => {
    const { output, parameters } = shapesOf(layer, shape);
    const at = next;
    shape = output;
    next += parameters.length;
    return { layer, output, parameters, at };
  });
}

function shapesOf(layer: Layer, input: number[]): { output: number[]; parameters: number[][] } {
  const [N, H, W, C] = input;
  const channels = input[input.length - 1];
  switch (layer.kind) {
    case 'conv': {
      const { kernel, filters } = layer;
      const lost = layer.padding === 'same' ? 0 : kernel - 1;
      return {
        output: [N, H - lost, W - lost, filters],
        parameters: [[kernel, kernel, C, filters], [filters]],
      };
    }
    case 'batchNorm':
      return { output: input, parameters: [[channels], [channels]] };
    case 'maxPool': {
      const pooled = (extent: number) => Math.floor((extent - layer.poolSize) / layer.strides) + 1;
      return { output: [N, pooled(H), pooled(W), C], parameters: [] };
    }
    case 'dropout':
      return { output: input, parameters: [] };
    case 'flatten':
      return { output: [N, sizeOf(input.slice(1))], parameters: [] };
    case 'dense':
      return { output: [N, layer.units], parameters: [[channels, layer.units], [layer.units]] };
  }
}

/** The shape of the activations after each layer. */
export function outputShapes(layers: readonly Layer[], input: readonly number[]): number[][] {
  return place(layers, input).map(({ output }) => output);
}

/** The shapes of all parameters, in the order of the parameter list. */
export function parameterShapes(layers: readonly Layer[], input: readonly number[]): number[][] {
  return place(layers, input).flatMap(({ parameters }) => parameters);
}

/** The layers with a mask in every dropout layer, drawn for the shape of the activations and the rate. */
export function withMasks(
  layers: readonly Layer[],
  input: readonly number[],
  draw: (shape: readonly number[], rate: number) => Uint8Array,
): Layer[] {
  return place(layers, input).map(({ layer, output }) =>
    layer.kind === 'dropout' ? { ...layer, mask: draw(output, layer.rate) } : layer,
  );
}

/** Test parameters of a trainable scale: Glorot-uniform weights, gammas near 1, biases and betas near 0. */
export function randomParameters(
  layers: readonly Layer[],
  input: readonly number[],
  random: Random,
): Array64[] {
  return place(layers, input).flatMap(({ layer, parameters }) => {
    if (parameters.length === 0) return [];
    const [first, second] = parameters;
    if (layer.kind === 'batchNorm')
      return [random.uniform(first, 0.5, 1.5), random.uniform(second, -0.5, 0.5)];
    const taps = sizeOf(first.slice(0, -2));
    const [fanIn, fanOut] = first.slice(-2).map((channels) => channels * taps);
    const limit = Math.sqrt(6 / (fanIn + fanOut));
    return [random.uniform(first, -limit, limit), random.uniform(second, -0.1, 0.1)];
  });
}

/** One op of the chain with its parameters and attributes. */
interface Stage {
  forward(input: Array64): Array64;
  /** The gradients of the input, then of the stage's parameters. */
  backward(input: Array64, gradient: Array64): Array64[];
  layer: PlacedLayer;
}

function stagesOf(placed: PlacedLayer, all: readonly Array64[]): Stage[] {
  const { layer, output, at } = placed;
  const own = all.slice(at, at + placed.parameters.length);
  const stage = <Attrs>(reference: Reference<Attrs>, parameters: Array64[], attrs: Attrs): Stage => ({
    forward: (input) => reference.forward([input, ...parameters], attrs),
    // No op of a network has an input without a gradient.
    backward: (input, g) => reference.backward([input, ...parameters], attrs, g) as Array64[],
    layer: placed,
  });
  switch (layer.kind) {
    case 'conv': {
      const convolution = stage(conv2d, own, { padding: layer.padding });
      return layer.relu ? [convolution, stage(relu, [], {})] : [convolution];
    }
    case 'batchNorm':
      return [stage(batchNorm, own, layer)];
    case 'maxPool':
      return [stage(maxPool2d, [], layer)];
    case 'dropout': {
      const { rate, mask } = layer;
      if (!mask) throw new Error('network: a dropout layer has no mask; withMasks gives it one');
      return [stage(dropout, [], { rate, mask })];
    }
    case 'flatten':
      return [stage(reshape, [], { shape: output })];
    case 'dense': {
      const product = stage(dense, own, {});
      return layer.relu ? [product, stage(relu, [], {})] : [product];
    }
  }
}

function forward(
  layers: readonly Layer[],
  parameters: readonly Array64[],
  images: Array64,
  labels: readonly number[],
) {
  const placed = place(layers, images.shape);
  const list = (shapes: number[][]) => shapes.map((shape) => `[${shape}]`).join(' ');
  const expected = list(placed.flatMap((layer) => layer.parameters));
  const got = list(parameters.map(({ shape }) => shape));
  if (got !== expected) throw new Error(`network: expected parameters ${expected}, got ${got}`);

  const stages = placed.flatMap((layer) => stagesOf(layer, parameters));
  const inputs: Array64[] = [];
  let logits = images;
  for (const stage of stages) {
    inputs.push(logits);
    logits = stage.forward(logits);
  }
  const penalties = placed.flatMap(({ layer, at }) =>
    layer.kind === 'dense' ? [{ at, lambda: layer.l2 }] : [],
  );
  let loss = softmaxCrossEntropy.forward([logits], { labels }).data[0];
  for (const { at, lambda } of penalties) loss += l2.forward([parameters[at]], { lambda }).data[0];
  return { stages, inputs, logits, penalties, loss };
}

/** The training loss: cross-entropy plus L2 penalties. */
export function networkLoss(
  layers: readonly Layer[],
  parameters: readonly Array64[],
  images: Array64,
  labels: readonly number[],
): number {
  return forward(layers, parameters, images, labels).loss;
}

/** What one training step computes, short of the optimizer. */
export interface NetworkGradients {
  /** Cross-entropy plus L2 penalties. */
  loss: number;
  /** The last layer's output, [N, classes]. */
  logits: Array64;
  /** The gradient of the loss for each parameter, in the order of the parameter list. */
  gradients: Array64[];
  /** The input of each batchNorm layer: `batchStatistics` and `updateMovingStatistics` take it. */
  batchNormInputs: Array64[];
}

/** The training loss and the gradient of every parameter. */
export function networkGradients(
  layers: readonly Layer[],
  parameters: readonly Array64[],
  images: Array64,
  labels: readonly number[],
): NetworkGradients {
  const { stages, inputs, logits, penalties, loss } = forward(layers, parameters, images, labels);
  const one = make([], [1]);
  const gradients = new Array<Array64>(parameters.length);

  let [flowing] = softmaxCrossEntropy.backward([logits], { labels }, one) as Array64[];
  for (let s = stages.length - 1; s >= 0; s--) {
    const [toInput, ...toParameters] = stages[s].backward(inputs[s], flowing);
    toParameters.forEach((gradient, p) => {
      gradients[stages[s].layer.at + p] = gradient;
    });
    flowing = toInput;
  }
  for (const { at, lambda } of penalties) {
    const [penalty] = l2.backward([parameters[at]], { lambda }, one) as Array64[];
    for (let i = 0; i < penalty.data.length; i++) gradients[at].data[i] += penalty.data[i];
  }
  const batchNormInputs = inputs.filter((_, s) => stages[s].layer.layer.kind === 'batchNorm');
  return { loss, logits, gradients, batchNormInputs };
}
