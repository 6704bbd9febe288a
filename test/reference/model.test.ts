import { describe, expect, test } from 'vitest';
import { v5 } from '../../src/experiments/czerny/v5.ts';
import { functional } from '../../src/nn/functional.ts';
import { layers } from '../../src/nn/layers/index.ts';
import type { Model } from '../../src/nn/model.ts';
import { sequential } from '../../src/nn/sequential.ts';
import { input } from '../../src/nn/symbolic.ts';
import { type Array64, createRandom, make, zeros } from './array64.ts';
import { dropoutMask } from './dropout.ts';
import { agrees, centralDifference } from './finiteDifferences.ts';
import { type ModelCase, modelGradients, modelLoss, referenceKinds } from './model.ts';

/** A batch with masks, and weights that are all of a size: none at a first value of 0 or 1, at which it does nothing. */
async function build(model: Model, batch: number, seed: number, reconstruct = false): Promise<ModelCase> {
  const random = createRandom(seed);
  const weights = new Map<string, Array64>();
  for (const parameter of model.parameters) {
    const weight = make(parameter.shape, await parameter.data());
    const moves = random.uniform(parameter.shape, -0.3, 0.3).data;
    if (parameter.ownName !== 'kernel')
      weight.data.forEach((value, i) => {
        weight.data[i] = value + moves[i];
      });
    weights.set(parameter.name, weight);
  }
  const masks = new Map<number, Uint8Array>();
  for (const [i, { layer, outputShape }] of model.calls.entries()) {
    if (layer.kind !== 'dropout') continue;
    const { rate } = layer.config as { rate: number };
    masks.set(i, dropoutMask(random.words(outputShape.reduce((a, b) => a * b, batch)), rate));
  }
  return {
    weights,
    input: random.uniform([batch, ...model.inputShape], 0, 1),
    labels: reconstruct ? 'reconstruct' : random.integers(batch, model.outputShape[0]),
    masks,
  };
}

/** Compares some elements of every trainable weight's gradient, or all, with central differences. */
function check(model: Model, given: ModelCase, some?: (count: number) => Iterable<number>): void {
  const { gradients, loss } = modelGradients(model, given);
  expect(loss).toBe(modelLoss(model, given));
  expect([...gradients.keys()].sort()).toEqual(model.trainableParameters.map(({ name }) => name).sort());
  for (const [name, gradient] of gradients) {
    const weight = given.weights.get(name)!;
    expect(gradient.shape).toEqual(weight.shape);
    for (const e of some?.(weight.data.length) ?? weight.data.keys()) {
      // The step is small because a step across the kink of one of many rectifiers spoils the difference.
      const difference = centralDifference(weight, e, () => modelLoss(model, given), 1e-6);
      const message = `${name}, element ${e}: ${gradient.data[e]}, difference ${difference}`;
      expect(agrees(gradient.data[e], difference), message).toBe(true);
    }
  }
}

const conv = (filters: number, options: object = {}) =>
  layers.conv2d({ filters, kernelSize: 3, padding: 'same', ...options });

/** Every kind of layer but those of `image`, with values and layers that are taken twice, and a frozen one. */
function graph(): Model {
  const x = input({ shape: [7, 8, 2] });
  const shared = conv(2, { activation: 'tanh', kernelRegularizer: { l2: 0.1 } });
  const norm = layers.batchNormalization({ epsilon: 0.01 });
  norm.trainable = false;
  const once = shared.apply(layers.rescaling({ scale: 2, offset: -0.5 }).apply(x));
  const sum = layers
    .add({ activation: { leakyRelu: 0.1 } })
    .apply([once, shared.apply(once), norm.apply(once)]);
  const drop = layers.dropout({ rate: 0.3 });
  const most = drop.apply(layers.maxPooling2d({ strides: 1, padding: 'same' }).apply(sum));
  const mean = drop.apply(layers.averagePooling2d({ poolSize: 3, strides: 1, padding: 1 }).apply(sum));
  const all = layers.concatenate().apply([most, mean, layers.leakyReLU().apply(most)]);
  const bare = layers.batchNormalization({ convention: 'pytorch', scale: false, center: false }).apply(all);
  const few = conv(3, { strides: 2, useBias: false, activation: 'relu' }).apply(
    layers.batchNormalization().apply(bare),
  );
  const pooled = layers.globalAveragePooling2d().apply(few);
  const rows = layers
    .activation({ activation: 'sigmoid' })
    .apply(layers.dense({ units: 4, useBias: false }).apply(pooled));
  const logits = layers.dense({ units: 3, activation: 'softmax', kernelRegularizer: { l2: 0.2 } });
  return functional({ inputs: x, outputs: logits.apply(rows), seed: 1 });
}

/** The other kinds: an image and back. */
const image = () =>
  sequential(
    [
      layers.resizing({ height: 7, width: 5 }),
      conv(2, { strides: 2, activation: 'leakyRelu' }),
      layers.flatten(),
      layers.dense({ units: 12, activation: 'softmax' }),
      layers.reshape({ targetShape: [2, -1, 2] }),
      layers.upSampling2d({ size: [1, 2] }),
      layers.conv2dTranspose({ filters: 2, strides: [2, 1], padding: 'same', activation: 'relu' }),
      layers.conv2dTranspose({ filters: 1, kernelSize: 1, activation: 'sigmoid' }),
    ],
    { inputShape: [4, 6, 1], seed: 2 },
  );

describe('gradients of whole models', () => {
  test.each([1, 2])('agree with central differences in every element, seed %i', async (seed) => {
    check(graph(), await build(graph(), 3, seed));
    check(image(), await build(image(), 3, seed, true));
  });

  test('between them they have every kind of layer', () => {
    const kinds = [...graph().layers, ...image().layers].map(({ kind }) => kind);
    expect([...new Set(kinds)].sort()).toEqual(Object.keys(layers).sort());
    expect([...referenceKinds].sort()).toEqual(Object.keys(layers).sort());
  });

  test('of v5 agree in an element of every parameter at width 4', async () => {
    const model = v5.network(3, 4);
    const random = createRandom(11);
    check(model, await build(model, 3, 3), (count) => random.integers(3, count));
  });
});

describe('the loss', () => {
  test('has a penalty of l2 * sum(kernel^2), once for a layer that is called twice', async () => {
    const model = graph();
    const given = await build(model, 2, 1);
    const calls = model.calls.map(({ layer, inputs }) => ({ layer, inputs }));
    const without = new Map(
      model.layers.map(({ kind, name, trainable, config }) => [
        name,
        { kind, name, trainable, config: { ...config, kernelRegularizer: undefined } },
      ]),
    );
    const free = {
      calls: calls.map(({ layer, inputs }) => ({ layer: without.get(layer.name)!, inputs })),
      outputs: model.outputs,
    };
    const squares = (name: string) =>
      given.weights.get(name)!.data.reduce((sum, value) => sum + value ** 2, 0);
    const penalty = 0.1 * squares('conv2d.kernel') + 0.2 * squares('dense_1.kernel');
    expect(modelLoss(model, given) - modelLoss(free, given)).toBeCloseTo(penalty, 12);
  });

  test('of a single dense layer is that of softmax regression', () => {
    // Zero weights: every class has probability 1/2, so dw = mean over samples of x (p - target).
    const model = sequential([layers.flatten(), layers.dense({ units: 2, activation: 'softmax' })], {
      inputShape: [1, 1, 2],
    });
    const weights = new Map([
      ['dense.kernel', zeros([2, 2])],
      ['dense.bias', zeros([2])],
    ]);
    const { loss, gradients } = modelGradients(model, {
      weights,
      input: make([2, 1, 1, 2], [1, 2, 3, 5]),
      labels: [0, 1],
    });
    expect(loss).toBeCloseTo(Math.log(2), 12);
    [(-1 + 3) / 4, (1 - 3) / 4, (-2 + 5) / 4, (2 - 5) / 4].forEach((value, i) => {
      expect(gradients.get('dense.kernel')!.data[i]).toBeCloseTo(value, 12);
    });
    expect([...gradients.get('dense.bias')!.data]).toEqual([0, 0]);
  });

  test('of a reconstruction compares what the last activation gives', () => {
    const model = sequential([layers.activation({ activation: 'sigmoid' })], { inputShape: [2] });
    const input = make([1, 2], [0, 2]);
    const sigmoid = 1 / (1 + Math.exp(-2));
    const loss = modelLoss(model, { weights: new Map(), input, labels: 'reconstruct' });
    expect(loss).toBeCloseTo((0.5 ** 2 + (2 - sigmoid) ** 2) / 2, 12);
  });
});

test('what has no reference is refused', () => {
  const given = { weights: new Map(), input: zeros([1, 2]), labels: [0] };
  const one = (kind: string, config: object = {}) => ({
    calls: [{ layer: { kind, name: 'odd', config, trainable: true }, inputs: [0] }],
    outputs: [1],
  });
  expect(() => modelLoss(one('attention'), given)).toThrow("no reference for the layer kind 'attention'");
  expect(() => modelLoss(one('activation', { activation: 'swish' }), given)).toThrow(
    "the activation 'swish'",
  );
  expect(() => modelLoss(one('dropout', { rate: 0.5 }), given)).toThrow('call 0, of odd, has no mask');
});
