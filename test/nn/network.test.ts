import { beforeAll, describe, expect, it } from 'vitest';
import { v5 } from '../../src/experiments/v5.ts';
import { add } from '../../src/kernels/binary.ts';
import { softmaxCrossEntropy } from '../../src/kernels/softmaxCrossEntropy.ts';
import { Adam } from '../../src/nn/optimizers.ts';
import type { Sequential } from '../../src/nn/sequential.ts';
import { gradients } from '../../src/tensor/autograd.ts';
import { RandomStream } from '../../src/tensor/random.ts';
import { record } from '../../src/tensor/record.ts';
import { scope } from '../../src/tensor/scope.ts';
import { type Tensor, tensor } from '../../src/tensor/tensor.ts';
import { adam } from '../reference/adam.ts';
import { type Array64, createRandom, make, zeros } from '../reference/array64.ts';
import { dropoutMask } from '../reference/dropout.ts';
import { networkGradients, withMasks } from '../reference/network.ts';
import { v5Layers } from '../reference/v5.ts';
import { testGpu } from '../support/gpu.ts';
import { again, seed } from '../support/seed.ts';

beforeAll(testGpu);

/** The reference's layers for a training step, with the masks that the model's own dropout layers draw. */
function referenceLayers(model: Sequential, width: number, batch: number, draw: number) {
  const streams = model.randomStreams.map(({ seed, name }) => {
    const stream = new RandomStream(seed, name);
    stream.position = draw;
    return stream;
  });
  let next = 0;
  const input = [batch, 28, 28, 1];
  const size = (shape: readonly number[]) => shape.reduce((a, b) => a * b, 1);
  return withMasks(v5Layers({ width, units: 8 * width, l2: 1e-5 }), input, (shape, rate) =>
    dropoutMask(streams[next++].words(size(shape)), rate),
  );
}

async function parametersOf(model: Sequential): Promise<Array64[]> {
  return Promise.all(
    model.trainableParameters.map(async (parameter) => make(parameter.shape, await parameter.data())),
  );
}

function sampleBatch(batch: number, random = createRandom(seed)) {
  const images = random.uniform([batch, 28, 28, 1], 0, 1);
  images.data.forEach((value, i) => {
    images.data[i] = Math.fround(value);
  });
  const labels = random.integers(batch, 10);
  return {
    images,
    labels,
    x: tensor(Float32Array.from(images.data), images.shape),
    y: tensor(Int32Array.from(labels)),
  };
}

const trainingLoss = (model: Sequential, x: Tensor, y: Tensor) =>
  add(softmaxCrossEntropy(model.logits(x, { training: true }), y), model.regularization()!);

/** Length of the difference over the length of the reference: what f32 costs a whole vector of gradients. */
function relativeError(actual: ArrayLike<number>, expected: Array64): number {
  let difference = 0;
  let length = 0;
  for (let i = 0; i < expected.data.length; i++) {
    difference += (actual[i] - expected.data[i]) ** 2;
    length += expected.data[i] ** 2;
  }
  return Math.sqrt(difference / Math.max(length, 1e-30));
}

describe('v5 against the reference', () => {
  it('has every gradient right at full width', async () => {
    const batch = 4;
    const model = v5.network(seed);
    const { images, labels, x, y } = sampleBatch(batch);
    const expected = networkGradients(
      referenceLayers(model, 64, batch, 0),
      await parametersOf(model),
      images,
      labels,
    );
    const { loss, found } = scope(() => {
      const loss = trainingLoss(model, x, y);
      return {
        loss,
        found: gradients(
          loss,
          model.trainableParameters.map((p) => p.tensor),
        ),
      };
    });
    expect(Math.abs((await loss.item()) / expected.loss - 1), `loss, ${again}`).toBeLessThan(1e-5);
    for (const [i, parameter] of model.trainableParameters.entries()) {
      const error = relativeError((await found[i].data()) as Float32Array, expected.gradients[i]);
      expect(error, `gradient of ${parameter.name}, ${again}`).toBeLessThan(1e-3);
    }
    model.dispose();
  });

  it('has the same loss curve at width 8 under a recorded step with Adam', async () => {
    const batch = 4;
    const width = 8;
    const model = v5.network(seed, width);
    const { images, labels, x, y } = sampleBatch(batch);
    const optimizer = new Adam({ learningRate: 1e-3 });
    const parameters = (await parametersOf(model)).map((w) => ({ w, m: zeros(w.shape), v: zeros(w.shape) }));
    const step = record((x: Tensor, y: Tensor) => {
      const loss = trainingLoss(model, x, y);
      optimizer.minimize(loss, model.trainableParameters);
      return loss;
    });
    for (let t = 1; t <= 6; t++) {
      const reference = networkGradients(
        referenceLayers(model, width, batch, t - 1),
        parameters.map(({ w }) => w),
        images,
        labels,
      );
      const loss = await (await step(x, y)).item();
      expect(Math.abs(loss / reference.loss - 1), `loss of step ${t}, ${again}`).toBeLessThan(1e-3);
      parameters.forEach((state, i) => {
        const attrs = { learningRate: 1e-3, beta1: 0.9, beta2: 0.999, epsilon: 1e-7, step: t };
        Object.assign(state, adam(state, reference.gradients[i], attrs));
      });
    }
    step.dispose();
    model.dispose();
  });
});
