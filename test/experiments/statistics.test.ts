import { beforeAll, describe, expect, it } from 'vitest';
import { ArraySource } from '../../src/data/batchSource.ts';
import { type EpochLogs, fit } from '../../src/nn/fit.ts';
import { BatchNormalization } from '../../src/nn/layers/batchNormalization.ts';
import { layers } from '../../src/nn/layers/index.ts';
import { NonFiniteError } from '../../src/nn/nonFinite.ts';
import { SGD } from '../../src/nn/optimizers/index.ts';
import { sequential } from '../../src/nn/sequential.ts';
import { updateBatchNorm } from '../../src/nn/updateBatchNorm.ts';
import { RandomStream } from '../../src/tensor/random.ts';
import { testGpu } from '../support/gpu.ts';

beforeAll(async () => {
  await testGpu();
});

const COUNT = 23;
const FEATURES = 3;
const values = new RandomStream(1, 'values')
  .uniform(COUNT * FEATURES)
  .map((value, i) => 5 * value + (i % FEATURES));
const labels = Array.from({ length: COUNT }, (_, i) => i % 2);
const source = () => new ArraySource(values, labels, [FEATURES]);
const all = Uint32Array.from(labels, (_, i) => i);
const network = () =>
  sequential([layers.batchNormalization(), layers.dropout({ rate: 0.5 }), layers.dense({ units: 2 })], {
    inputShape: [FEATURES],
    seed: 3,
  });

describe('updateBatchNorm', () => {
  it('makes the moving statistics the means of those of whole batches', async () => {
    const model = network();
    const progress: number[][] = [];
    const onProgress = (done: number, total: number) => progress.push([done, total]);
    await updateBatchNorm(model, { source: source(), indices: all }, { batchSize: 5, onProgress });
    expect(progress).toEqual([5, 10, 15, 20].map((done) => [done, 20]));

    const [mean, variance] = await Promise.all(
      model.parameters.slice(2, 4).map((parameter) => parameter.data()),
    );
    for (let feature = 0; feature < FEATURES; feature++) {
      const batches = [0, 1, 2, 3].map((b) =>
        [0, 1, 2, 3, 4].map((i) => values[(5 * b + i) * FEATURES + feature]),
      );
      const meanOf = (numbers: readonly number[]) =>
        numbers.reduce((sum, value) => sum + value, 0) / numbers.length;
      const means = batches.map(meanOf);
      const variances = batches.map((batch, b) => meanOf(batch.map((value) => (value - means[b]) ** 2)));
      expect(mean[feature]).toBeCloseTo(meanOf(means), 5);
      expect(variance[feature]).toBeCloseTo(meanOf(variances), 5);
    }
  });

  it('changes nothing when it is broken off', async () => {
    const model = network();
    const { randomStreams } = model;
    const [norm] = model.layers.filter((layer) => layer instanceof BatchNormalization);
    const before = await model.weights();
    const broken = updateBatchNorm(
      model,
      { source: source(), indices: all },
      {
        batchSize: 5,
        onProgress: (done) => {
          if (done === 10) throw new Error('enough');
        },
      },
    );
    await expect(broken).rejects.toThrow('enough');
    expect(norm.momentum).toBe(0.99);
    expect(randomStreams.map(({ position }) => position)).toEqual([0]);
    expect(await model.weights()).toEqual(before);
  });

  it('changes only the statistics', async () => {
    const model = network();
    const before = await model.weights();
    await updateBatchNorm(model, { source: source(), indices: all }, { batchSize: 5 });
    const after = await model.weights();
    const changed = [...before.keys()].filter(
      (name) => `${after.get(name)?.data}` !== `${before.get(name)?.data}`,
    );
    expect(changed).toEqual(['batch_normalization.moving_mean', 'batch_normalization.moving_variance']);
  });

  it('names the layer and the batch that a statistic would be NaN of, and changes nothing', async () => {
    const model = network();
    const before = await model.weights();
    const broken = new ArraySource(values.with(7 * FEATURES + 1, Number.NaN), labels, [FEATURES]);
    const error = await updateBatchNorm(model, { source: broken, indices: all }, { batchSize: 5 }).catch(
      (e) => e,
    );
    expect(error).toBeInstanceOf(NonFiniteError);
    expect(error.message).toBe(
      'updateBatchNorm: with batch 2 the moving_mean of layer batch_normalization becomes NaN. The statistics are those of before',
    );
    expect(error.place).toEqual({ step: 2, layer: 'batch_normalization' });
    expect(await model.weights()).toEqual(before);
  });
});

describe('fit', () => {
  /** Three epochs with statistics of their own before each validation, stopped where `shouldStop` says. */
  async function run(
    resume?: Uint8Array,
    shouldStop?: (during: 'steps' | 'validation') => string | undefined,
  ) {
    const model = network();
    const samples = { source: source(), indices: all };
    let file = new Uint8Array();
    const statistics = {
      onStepsEnd: () => updateBatchNorm(model, samples, { batchSize: 8 }),
    };
    const validated: number[] = [];
    const result = await fit(model, {
      train: samples,
      // Of more than one batch, so that there is something to break off.
      validation: { source: samples.source, indices: Uint32Array.from({ length: 40 }, (_, i) => i % COUNT) },
      optimizer: new SGD({ learningRate: 0.1 }),
      epochs: 3,
      batchSize: 8,
      callbacks: [statistics, { onValidation: (done) => void validated.push(done) }],
      checkpoint: {
        save: async (saved) => {
          file = new Uint8Array(saved);
        },
      },
      resume,
      shouldStop,
    });
    return { ...result, file, validated, history: result.history as EpochLogs[] };
  }

  it('goes on from the midst of a validation, bit for bit', async () => {
    const whole = await run();
    expect(whole.validated).toEqual([16, 32, 40, 16, 32, 40, 16, 32, 40]);
    let asked = 0;
    const stopped = await run(undefined, (during) =>
      during === 'validation' && ++asked === 3 ? 'enough' : undefined,
    );
    expect(stopped.stopped).toBe('enough');
    expect(stopped.validated).toEqual([16, 32, 40, 16]);
    expect(stopped.history).toHaveLength(1);
    const resumed = await run(stopped.file);
    expect(resumed.validated).toEqual([16, 32, 40, 16, 32, 40]);
    expect(resumed.history).toEqual(whole.history);
    expect(Buffer.from(resumed.file).equals(Buffer.from(whole.file))).toBe(true);
  });
});
