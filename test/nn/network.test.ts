import { describe, expect, it } from 'vitest';
import { v5 } from '../../src/experiments/czerny/v5.ts';
import { add } from '../../src/kernels/binary.ts';
import { softmaxCrossEntropy } from '../../src/kernels/softmaxCrossEntropy.ts';
import { Adam } from '../../src/nn/optimizers/index.ts';
import type { Sequential } from '../../src/nn/sequential.ts';
import { gradients } from '../../src/tensor/autograd.ts';
import { choicesOf, listenToChoices } from '../../src/tensor/choices.ts';
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

const gpu = await testGpu();
const BATCH = 4;

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
  /** Loss and gradients of a step at full width, with convolutions by the named variants where those suit. */
  function fullWidth(forward: string, backward: string) {
    const model = v5.network(seed);
    const { images, labels, x, y } = sampleBatch(BATCH);
    const choices = choicesOf(gpu);
    const results = listenToChoices(
      ({ key, candidates }) => {
        const wanted = key.startsWith('conv2d forward') ? forward : backward;
        if (key.startsWith('conv2d') && candidates.some(({ name }) => name === wanted))
          choices.set(key, wanted);
      },
      () =>
        scope(() => {
          const loss = trainingLoss(model, x, y);
          const targets = model.trainableParameters.map(({ tensor }) => tensor);
          return { loss, found: gradients(loss, targets) };
        }),
    );
    choices.clear();
    return { model, images, labels, ...results };
  }
  let expected: ReturnType<typeof networkGradients> | undefined;
  const reference = async ({ model, images, labels }: ReturnType<typeof fullWidth>) => {
    expected ??= networkGradients(
      referenceLayers(model, 64, BATCH, 0),
      await parametersOf(model),
      images,
      labels,
    );
    return expected;
  };

  // The forward pass is a direct one here. F(4x4)'s round-off makes a few of 100,000 pooled windows, those whose two largest values are
  // nearly equal, choose the other one than the reference does: that is a gradient elsewhere, and no error.
  it.each(['broadcast', 'winograd2', 'winograd4'])(
    'has every gradient right at full width by %s',
    async (name) => {
      const step = fullWidth('broadcast', name);
      const { gradients } = await reference(step);
      for (const [i, parameter] of step.model.trainableParameters.entries()) {
        const error = relativeError((await step.found[i].data()) as Float32Array, gradients[i]);
        expect(error, `gradient of ${parameter.name}, ${again}`).toBeLessThan(1e-3);
      }
      step.model.dispose();
    },
  );

  it.each(['broadcast', 'winograd2', 'winograd4'])('has the loss right at full width by %s', async (name) => {
    const step = fullWidth(name, name);
    const { loss } = await reference(step);
    expect(Math.abs((await step.loss.item()) / loss - 1), `loss, ${again}`).toBeLessThan(1e-5);
    step.model.dispose();
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
