import { describe, expect, it } from 'vitest';
import { v5 } from '../../src/experiments/czerny/v5.ts';
import { functional } from '../../src/nn/functional.ts';
import { layers } from '../../src/nn/layers/index.ts';
import type { Model } from '../../src/nn/model.ts';
import { Adam } from '../../src/nn/optimizers/index.ts';
import { input } from '../../src/nn/symbolic.ts';
import { record } from '../../src/tensor/record.ts';
import type { Tensor } from '../../src/tensor/tensor.ts';
import { adam } from '../reference/adam.ts';
import { createRandom, zeros } from '../reference/array64.ts';
import { type ModelGradients, modelGradients } from '../reference/model.ts';
import {
  caseOf,
  compareOutputs,
  compareStep,
  compareWithReference,
  outputsOf,
  sampleBatch,
  stepOf,
  trainingLoss,
} from '../support/compareModel.ts';
import { testGpu } from '../support/gpu.ts';
import { again, seed } from '../support/seed.ts';

await testGpu();
const BATCH = 4;

describe('v5 against the reference', () => {
  let expected: ModelGradients | undefined;
  async function fullWidth() {
    const model = v5.network(seed);
    const samples = sampleBatch(model, BATCH, 'classify', createRandom(seed));
    if (!expected) {
      const outputs = await outputsOf(model, samples, { forward: 'broadcast', backward: 'plain' });
      expected = modelGradients(model, { ...(await caseOf(model, samples)), outputs });
      compareOutputs(model, outputs, expected, again);
    }
    return { model, samples, expected };
  }

  // The forward pass is the same for all, and with it the side that each ReLU and max-pool takes.
  it.each(['broadcast', 'winograd2', 'winograd4'])(
    'has every gradient right at full width by %s',
    async (backward) => {
      const { model, samples, expected } = await fullWidth();
      await compareStep(model, samples, expected, again, { forward: 'broadcast', backward });
      model.dispose();
    },
  );

  it.each(['broadcast', 'winograd2', 'winograd4'])('has the loss right at full width by %s', async (name) => {
    const { model, samples, expected } = await fullWidth();
    const { loss } = await stepOf(model, samples, { forward: name, backward: name });
    expect(Math.abs(loss / expected.loss - 1), `loss, ${again}`).toBeLessThan(1e-5);
    model.dispose();
  });

  it('has the same loss curve at width 8 under a recorded step with Adam', async () => {
    const model = v5.network(seed, 8);
    const samples = sampleBatch(model, BATCH, 'classify', createRandom(seed));
    const optimizer = new Adam({ learningRate: 1e-3 });
    const { weights } = await caseOf(model, samples);
    const states = new Map(
      [...weights].map(([name, w]) => [name, { w, m: zeros(w.shape), v: zeros(w.shape) }]),
    );
    const step = record((x: Tensor, y: Tensor) => {
      const loss = trainingLoss(model, { ...samples, x, y });
      optimizer.minimize(loss, model.trainableParameters);
      return loss;
    });
    for (let t = 1; t <= 6; t++) {
      // The masks of the step to come; the reference goes on with its own weights.
      const { masks } = await caseOf(model, samples);
      const { input, labels } = samples;
      const own = new Map([...states].map(([name, { w }]) => [name, w]));
      const reference = modelGradients(model, { weights: own, input, labels, masks });
      const loss = await (await step(samples.x, samples.y)).item();
      expect(Math.abs(loss / reference.loss - 1), `loss of step ${t}, ${again}`).toBeLessThan(1e-3);
      for (const [name, gradient] of reference.gradients) {
        const attrs = { learningRate: 1e-3, beta1: 0.9, beta2: 0.999, epsilon: 1e-7, step: t };
        Object.assign(states.get(name)!, adam(states.get(name)!, gradient, attrs));
      }
    }
    step.dispose();
    model.dispose();
  });
});

const conv = (filters: number, options: object = {}) =>
  layers.conv2d({ filters, kernelSize: 3, padding: 'same', ...options });
const classes = () => layers.dense({ units: 5, activation: 'softmax', kernelRegularizer: { l2: 0.01 } });

/** Two residual blocks; the second one's shortcut is a convolution with a batch-norm. */
function residual(): Model {
  const x = input({ shape: [10, 9, 2] });
  const stem = layers.batchNormalization().apply(conv(4, { activation: 'relu' }).apply(x));
  const inner = layers
    .activation({ activation: 'relu' })
    .apply(layers.batchNormalization().apply(conv(4).apply(stem)));
  const first = layers.add({ activation: 'relu' }).apply([stem, conv(4, { useBias: false }).apply(inner)]);
  const short = layers
    .batchNormalization({ convention: 'pytorch', scale: false })
    .apply(layers.conv2d({ filters: 6, kernelSize: 1, strides: 2 }).apply(first));
  const long = layers
    .dropout({ rate: 0.3 })
    .apply(conv(6, { strides: 2, activation: { leakyRelu: 0.1 } }).apply(first));
  const second = layers.add().apply([short, long]);
  return functional({
    inputs: x,
    outputs: classes().apply(layers.globalAveragePooling2d().apply(second)),
    seed: 3,
  });
}

/** Three branches side by side, two of them through the same convolution and the same dropout. */
function branches(): Model {
  const x = input({ shape: [9, 9, 3] });
  const shared = conv(3, { activation: 'tanh', kernelRegularizer: { l2: 0.05 } });
  const drop = layers.dropout({ rate: 0.4 });
  const once = shared.apply(x);
  const one = drop.apply(layers.maxPooling2d({ poolSize: 3, strides: 2, padding: 'same' }).apply(once));
  const two = drop.apply(
    layers.averagePooling2d({ poolSize: 3, strides: 2, padding: 'same' }).apply(shared.apply(once)),
  );
  const three = layers.conv2d({ filters: 2, kernelSize: [3, 1], strides: 2, padding: [1, 0] }).apply(x);
  const all = layers.leakyReLU({ alpha: 0.2 }).apply(layers.concatenate().apply([one, two, three]));
  return functional({ inputs: x, outputs: classes().apply(layers.flatten().apply(all)), seed: 4 });
}

/** A batch-norm on its moving statistics, between layers that are trained; and a convolution that is frozen whole. */
function frozen(): Model {
  const x = input({ shape: [8, 8, 2] });
  const norm = layers.batchNormalization({ epsilon: 0.01 });
  const still = conv(4, { activation: 'relu', kernelRegularizer: { l2: 0.1 } });
  for (const layer of [norm, still]) layer.trainable = false;
  const y = still.apply(norm.apply(conv(3, { activation: 'relu' }).apply(x)));
  const z = layers.batchNormalization({ center: false }).apply(y);
  const pooled = layers.maxPooling2d({ poolSize: 3, strides: 2, ceilMode: true }).apply(z);
  return functional({ inputs: x, outputs: classes().apply(layers.flatten().apply(pooled)), seed: 5 });
}

/** What resizes and reshapes, down to a few numbers and back. */
function backAgain(): Model {
  const x = input({ shape: [6, 8, 1] });
  const larger = layers
    .resizing({ height: 9, width: 11 })
    .apply(layers.rescaling({ scale: 2, offset: -1 }).apply(x));
  const code = layers
    .dense({ units: 24, activation: 'sigmoid' })
    .apply(layers.flatten().apply(conv(2, { strides: 2, activation: 'leakyRelu' }).apply(larger)));
  const image = layers.reshape({ targetShape: [3, 4, -1] }).apply(code);
  const up = layers
    .conv2dTranspose({ filters: 3, kernelSize: 3, strides: 2, padding: 'same', activation: 'relu' })
    .apply(image);
  const small = layers.averagePooling2d().apply(up);
  const back = layers.conv2dTranspose({ filters: 1, kernelSize: 3, padding: 'same', activation: 'sigmoid' });
  return functional({ inputs: x, outputs: back.apply(layers.upSampling2d().apply(small)), seed: 6 });
}

describe('small networks against the reference', () => {
  it.each([
    ['residual blocks', residual, 'classify'],
    ['branches with a shared layer', branches, 'classify'],
    ['a frozen batch-norm', frozen, 'classify'],
    ['an autoencoder', backAgain, 'reconstruct'],
  ] as const)('%s have every gradient right', async (_name, network, task) => {
    await compareWithReference(network(), { batch: 5, task });
  });
});
