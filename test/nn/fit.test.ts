import { beforeAll, describe, expect, it } from 'vitest';
import { imageDataGenerator } from '../../src/data/augmentation.ts';
import { ArraySource, ImageSource } from '../../src/data/batchSource.ts';
import type { Gpu } from '../../src/gpu/gpu.ts';
import { add, div, mul, sub } from '../../src/kernels/binary.ts';
import { mean } from '../../src/kernels/reduce.ts';
import { log, neg } from '../../src/kernels/unary.ts';
import { BestCheckpoint, type Callback, EarlyStopping, ReduceLROnPlateau } from '../../src/nn/callbacks.ts';
import { evaluate, type Loss } from '../../src/nn/evaluate.ts';
import { type EpochLogs, type FitOptions, fit, meansOf, Training } from '../../src/nn/fit.ts';
import { layers } from '../../src/nn/layers/index.ts';
import { Adam, SAM, SGD } from '../../src/nn/optimizers/index.ts';
import { decodeSafetensors } from '../../src/nn/safetensors.ts';
import { schedules } from '../../src/nn/schedules.ts';
import { sequential } from '../../src/nn/sequential.ts';
import { RandomStream } from '../../src/tensor/random.ts';
import { type Tensor, tensor } from '../../src/tensor/tensor.ts';
import { testGpu } from '../support/gpu.ts';

let gpu: Gpu;
beforeAll(async () => {
  gpu = await testGpu();
});

const COUNT = 90;

/** Images of three kinds: bright on the left, on top, or everywhere, under noise. */
function imageSet() {
  const noise = new RandomStream(5, 'images').uniform(COUNT * 64);
  const labels = Uint8Array.from({ length: COUNT }, (_, i) => i % 3);
  const images = Uint8Array.from({ length: COUNT * 64 }, (_, i) => {
    const [sample, row, column] = [Math.floor(i / 64), Math.floor(i / 8) % 8, i % 8];
    const bright = [column < 4, row < 4, true][labels[sample]];
    return 100 * noise[i] + (bright ? 120 : 0);
  });
  return {
    images,
    labels,
    count: COUNT,
    height: 8,
    width: 8,
    channels: 1,
    classNames: ['left', 'top', 'all'],
  };
}

const network = (seed = 1) =>
  sequential(
    [
      layers.conv2d({ filters: 6, activation: 'relu' }),
      layers.batchNormalization({ momentum: 0.8 }),
      layers.maxPooling2d(),
      layers.flatten(),
      layers.dropout({ rate: 0.2 }),
      layers.dense({ units: 3, activation: 'softmax', kernelRegularizer: { l2: 1e-4 } }),
    ],
    { inputShape: [8, 8, 1], seed },
  );

const train = Uint32Array.from({ length: 66 }, (_, i) => i);
const validation = Uint32Array.from({ length: 24 }, (_, i) => 66 + i);

const augment = imageDataGenerator({
  widthShiftRange: 2,
  heightShiftRange: 2,
  rotationRange: 5,
  horizontalFlip: true,
  brightnessRange: [0.9, 1.1],
  eraser: { p: 0.2, area: [0.02, 0.1], pixelLevel: true },
});

/** A run with everything that has state: augmentation, dropout, Adam, early stopping, a batch that rolls over. */
function setUp(options: Partial<FitOptions> = {}) {
  const model = network();
  const source = new ImageSource(imageSet(), { augment, seed: 7 });
  const checkpoints: Uint8Array[] = [];
  const best: Uint8Array[] = [];
  const fitOptions: FitOptions = {
    train: { source, indices: train },
    validation: { source, indices: validation },
    optimizer: new Adam({ learningRate: 0.02 }),
    epochs: 4,
    batchSize: 12,
    stepsPerEpoch: 5,
    callbacks: [
      new EarlyStopping({ monitor: 'valAccuracy', patience: 20 }),
      new BestCheckpoint({
        save: async (file) => {
          best.push(file);
        },
      }),
    ],
    checkpoint: {
      save: async (file) => {
        checkpoints.push(file);
      },
    },
    ...options,
  };
  return { model, source, fitOptions, checkpoints, best };
}

/** y = w * x, w = 1. */
const oneWeight = () => {
  const model = sequential([layers.dense({ units: 1, useBias: false })], { inputShape: [1] });
  model.parameters[0].set(Float32Array.of(1));
  return model;
};

const saveLast = (files: Uint8Array[]): Callback => ({
  onEpochEnd: async (_, { model }) => void files.push(await model.save()),
});

describe('fit', () => {
  it('learns, keeps a history, and evaluates what it learnt', async () => {
    const { model, source, fitOptions, best } = setUp({ epochs: 8 });
    const { history } = await fit(model, fitOptions);
    expect(history.map(({ epoch }) => epoch)).toEqual([1, 2, 3, 4, 5, 6, 7, 8]);
    expect(history[7].loss).toBeLessThan(0.5 * history[0].loss);
    const losses = history.map(({ valLoss }) => valLoss!);
    const improvements = losses.filter((loss, i) =>
      losses.slice(0, i).every((earlier) => loss < earlier),
    ).length;
    expect(best.length).toBe(improvements);
    const result = await evaluate(model, { source, indices: validation }, { batchSize: 7 });
    expect(result.loss).toBeCloseTo(history[7].valLoss!, 5);
    expect(result.accuracy).toBe(history[7].valAccuracy);
    expect(result.probabilities.length).toBe(24 * 3);
    expect(result.probabilities.slice(0, 3).reduce((a, b) => a + b)).toBeCloseTo(1, 6);
  });

  it('gives the same bits twice', async () => {
    const runs = [setUp(), setUp()];
    for (const { model, fitOptions } of runs) await fit(model, fitOptions);
    expect(await runs[0].model.save()).toEqual(await runs[1].model.save());
    expect(runs[0].checkpoints).toEqual(runs[1].checkpoints);
  });

  it.each([1, 5, 7, 13])('goes on from a stop after step %i with the same bits', async (stopAfter) => {
    const whole = setUp();
    await fit(whole.model, whole.fitOptions);
    let steps = 0;
    const first = setUp({ shouldStop: () => (++steps === stopAfter ? 'enough' : undefined) });
    const stopped = await fit(first.model, first.fitOptions);
    expect(stopped.stopped).toBe('enough');
    const second = setUp({ resume: first.checkpoints[first.checkpoints.length - 1] });
    await fit(second.model, second.fitOptions);
    expect(await second.model.save()).toEqual(await whole.model.save());
    expect(second.checkpoints[second.checkpoints.length - 1]).toEqual(
      whole.checkpoints[whole.checkpoints.length - 1],
    );
    expect([...first.best, ...second.best]).toEqual(whole.best);
  });

  it('stops early after `patience` epochs without strict improvement, and a resumed finished run stays finished', async () => {
    const { model, fitOptions, checkpoints } = setUp({
      epochs: 50,
      optimizer: new SGD({ learningRate: 0 }),
      callbacks: [new EarlyStopping({ monitor: 'valLoss', patience: 3 })],
    });
    // Without learning, only the moving statistics change, so improvements end soon.
    const { history, finished } = await fit(model, fitOptions);
    expect(finished).toMatch(/valLoss has not improved for 3 epochs/);
    const losses = history.map(({ valLoss }) => valLoss!);
    const bestEpoch = losses.indexOf(Math.min(...losses)) + 1;
    expect(history.length).toBe(bestEpoch + 3);
    const again = setUp({
      epochs: 50,
      callbacks: [new EarlyStopping({ monitor: 'valLoss', patience: 3 })],
      optimizer: new SGD({ learningRate: 0 }),
      resume: checkpoints[checkpoints.length - 1],
    });
    expect((await fit(again.model, again.fitOptions)).history).toEqual(history);
  });

  it('names step and layer of a loss that is not finite, and keeps the weights', async () => {
    const { model, fitOptions } = setUp({ optimizer: new SGD({ learningRate: 1e30 }) });
    await expect(fit(model, fitOptions)).rejects.toThrow(
      /the loss is .* at epoch 1, step [23]: .*(conv2d|batch_normalization|dense)/,
    );
  });

  it('leaves moving statistics as they were before a step whose loss is not finite', async () => {
    // Batch-norm has seen the batch when the loss turns out to be none.
    const images = new RandomStream(2, 'x').uniform(8 * 4);
    const run = async (broken: boolean) => {
      const x = images.slice();
      const model = sequential([layers.dense({ units: 5 }), layers.batchNormalization()], {
        inputShape: [4],
        seed: 3,
      });
      const indices = Uint32Array.from({ length: 8 }, (_, i) => i);
      const source = new ArraySource(x, new Uint8Array(8), [4]);
      const loss = (output: Tensor, _: Tensor, inputs: Tensor) =>
        add(mean(mul(output, output)), mean(broken ? div(inputs, tensor(0)) : inputs));
      const optimizer = new SGD({ learningRate: 0.1 });
      const done = fit(model, { train: { source, indices }, optimizer, epochs: 1, loss, metrics: [] });
      await (broken ? expect(done).rejects.toThrow(/the loss is .* at epoch 1, step 1/) : done);
      return model.weights();
    };
    const [whole, halted] = [await run(false), await run(true)];
    expect(halted.get('batch_normalization.moving_variance')!.data).toEqual(new Float32Array(5).fill(1));
    expect(halted.get('batch_normalization.moving_mean')!.data).toEqual(new Float32Array(5));
    expect(whole.get('batch_normalization.moving_mean')!.data).not.toEqual(new Float32Array(5));
  });

  it("notices a loss that is no number only at SAM's second pass, and keeps the weights", async () => {
    const [model, x] = [oneWeight(), new Float32Array(8).fill(1)];
    // -log(1.5 - w) is finite at 1 and not at 1 + rho.
    const source = new ArraySource(x, new Uint8Array(8), [1]);
    const options: FitOptions = {
      train: { source, indices: Uint32Array.of(0, 1, 2, 3) },
      optimizer: new SAM(new SGD({ learningRate: 1e-3 }), { rho: 1 }),
      epochs: 3,
      loss: (output) => mean(neg(log(sub(tensor(1.5), output)))),
      metrics: [],
    };
    await expect(fit(model, options)).rejects.toThrow(/the loss is NaN at epoch 1, step 1/);
    expect([...(await model.parameters[0].data())]).toEqual([1]);
  });

  it('trains without labels: an autoencoder, with losses alone', async () => {
    const x = new RandomStream(8, 'x').uniform(40 * 3);
    for (let i = 2; i < x.length; i += 3) x[i] = x[i - 1] + x[i - 2];
    const source = new ArraySource(x, new Uint8Array(40), [3]);
    const model = sequential([layers.dense({ units: 2 }), layers.dense({ units: 3 })], { inputShape: [3] });
    const indices = Uint32Array.from({ length: 40 }, (_, i) => i);
    const [samples, validation] = [0, 32].map((from) => ({
      source,
      indices: indices.slice(from, from + 32),
    }));
    const loss: Loss = (output, _, inputs) => {
      const error = sub(output, inputs);
      return mean(mul(error, error));
    };
    const progress: object[] = [];
    const { history } = await fit(model, {
      train: samples,
      validation,
      optimizer: new Adam({ learningRate: 0.02 }),
      epochs: 40,
      batchSize: 8,
      loss,
      metrics: [],
      callbacks: [
        new EarlyStopping({ patience: 40 }),
        { onEpochEnd: (_, { epochBatches }) => void progress.push(meansOf(epochBatches)) },
      ],
    });
    expect(Object.keys(history[39])).toEqual(['epoch', 'loss', 'valLoss']);
    expect(Object.keys(progress[39])).toEqual(['loss']);
    expect(history[39].valLoss).toBeLessThan(0.1 * history[0].valLoss!);
    const evaluation = await evaluate(model, validation, { loss, metrics: [] });
    expect(evaluation).toEqual({ loss: expect.closeTo(history[39].valLoss!, 6) });
    await expect(
      fit(model, {
        train: samples,
        optimizer: new SGD(),
        epochs: 1,
        loss,
        metrics: [],
        callbacks: [new EarlyStopping({ monitor: 'accuracy' })],
      }),
    ).rejects.toThrow(/'accuracy' was to be watched/);
  });

  it('trains in two phases, with other weights and another optimizer in the second', async () => {
    const { model, fitOptions } = setUp({ epochs: 1, callbacks: [] });
    const [convolution, norm] = model.layers;
    const frozen = [...convolution.parameters, ...norm.parameters];
    const valuesOf = () => Promise.all(frozen.map((parameter) => parameter.data()));
    const freeze = (trainable: boolean) => {
      convolution.trainable = trainable;
      norm.trainable = trainable;
    };
    freeze(false);
    const start = await valuesOf();
    await fit(model, fitOptions);
    expect(await valuesOf()).toEqual(start);
    freeze(true);
    await fit(model, { ...fitOptions, optimizer: new SGD({ learningRate: 0.1 }) });
    const after = await valuesOf();
    for (const [i, values] of after.entries()) expect(values).not.toEqual(start[i]);

    // Within one run as well: the step is recorded anew.
    freeze(false);
    const perEpoch: Float32Array[][] = [];
    const thaw: Callback = {
      onEpochEnd: async () => {
        perEpoch.push(await valuesOf());
        freeze(true);
      },
    };
    await fit(model, setUp({ epochs: 2, callbacks: [thaw] }).fitOptions);
    expect(perEpoch[0]).toEqual(after);
    for (const [i, values] of perEpoch[1].entries()) expect(values).not.toEqual(after[i]);
  });

  it('validates and ends with averaged weights, trains and resumes with its own', async () => {
    const averaging = { decay: 0.8 };
    const weightsOf = (run: ReturnType<typeof setUp>) => run.model.weights();
    const saved: Uint8Array[] = [];
    const averaged = setUp({ averaging, callbacks: [saveLast(saved)] });
    const { history } = await fit(averaged.model, averaged.fitOptions);
    const plain = setUp({ callbacks: [] });
    const { history: plainHistory } = await fit(plain.model, plain.fitOptions);
    // Training is the same; what is validated isn't.
    expect(history.map(({ loss }) => loss)).toEqual(plainHistory.map(({ loss }) => loss));
    expect(history.map(({ valLoss }) => valLoss)).not.toEqual(plainHistory.map(({ valLoss }) => valLoss));
    const samples = { source: averaged.source, indices: validation };
    const { loss } = await evaluate(averaged.model, samples, { batchSize: 24 });
    expect(loss).toBe(history[3].valLoss);
    expect(await averaged.model.save()).toEqual(saved[3]);
    // A checkpoint holds the weights that training goes on with.
    const last = decodeSafetensors(averaged.checkpoints.at(-1)!).tensors;
    for (const [name, { data }] of await weightsOf(plain)) expect(last.get(name)!.data).toEqual(data);
    for (const [name, { data }] of await weightsOf(averaged))
      expect(last.get(`averaging average of ${name}`)!.data).toEqual(data);
  });

  it.each([
    [3, false],
    [11, true],
    [17, false],
  ])(
    'goes on from a stop after step %i with SAM, averages, clipping, and a schedule (%s) or a plateau, with the same bits',
    async (stopAfter, schedule) => {
      const start = (options: Partial<FitOptions> = {}) =>
        setUp({
          optimizer: new SAM(
            new SGD({
              form: 'pytorch',
              learningRate: schedule ? schedules.oneCycle({ maxLearningRate: 0.2, totalSteps: 20 }) : 0.2,
              momentum: 0.9,
              weightDecay: 1e-3,
              globalClipNorm: 0.5,
            }),
          ),
          averaging: { decay: 0.9 },
          callbacks: [
            new EarlyStopping({ patience: 3, minDelta: 0.5, restoreBestWeights: true }),
            ...(schedule ? [] : [new ReduceLROnPlateau({ patience: 1, factor: 0.5, minDelta: 0.3 })]),
          ],
          ...options,
        });
      const whole = start();
      const finished = await fit(whole.model, whole.fitOptions);
      let steps = 0;
      const first = start({ shouldStop: () => (++steps === stopAfter ? 'enough' : undefined) });
      await fit(first.model, first.fitOptions);
      const second = start({ resume: first.checkpoints.at(-1) });
      expect(await fit(second.model, second.fitOptions)).toEqual(finished);
      expect(second.checkpoints.at(-1)).toEqual(whole.checkpoints.at(-1));
      expect(await second.model.save()).toEqual(await whole.model.save());
      const { learningRate } = whole.fitOptions.optimizer;
      if (!schedule) expect(learningRate).toBeLessThan(0.2);
      if (!schedule) expect(second.fitOptions.optimizer.learningRate).toBe(learningRate);
    },
  );

  it('makes nothing on the GPU in later steps', async () => {
    const run = async () => {
      const counts: number[] = [];
      let before = 0;
      const { model, fitOptions } = setUp({
        checkpoint: undefined,
        validation: undefined,
        callbacks: [],
        optimizer: new SAM(new Adam({ clipNorm: 1 })),
        averaging: { decay: 0.9 },
        epochs: 1,
        stepsPerEpoch: 5,
        shouldStop: () => {
          const { buffers, bindGroups, pipelines, readbacks } = gpu.counters;
          counts.push(buffers + bindGroups + pipelines + readbacks - before);
          before = buffers + bindGroups + pipelines + readbacks;
          return undefined;
        },
      });
      await fit(model, fitOptions);
      return counts;
    };
    // Compiling takes so long that progress is read meanwhile.
    await run();
    expect((await run()).slice(2)).toEqual([0, 0, 0]);
  });

  it('frees what it used', async () => {
    const run = async () => {
      const { model, source, fitOptions } = setUp({ epochs: 1 });
      await fit(model, fitOptions);
      model.dispose();
      source.dispose();
      fitOptions.optimizer.dispose();
    };
    await run();
    const live = gpu.pool.liveBytes;
    await run();
    expect(gpu.pool.liveBytes).toBe(live);
  });

  it('reports progress in the means of the epoch so far', async () => {
    const logs: EpochLogs[] = [];
    const { model, fitOptions } = setUp({ callbacks: [{ onEpochEnd: (epoch) => void logs.push(epoch) }] });
    const { history } = await fit(model, fitOptions);
    expect(logs).toEqual(history);
  });

  it('refuses a checkpoint of another model or optimizer, and a file that is none', async () => {
    const { model, fitOptions, checkpoints } = setUp({ epochs: 1 });
    await fit(model, fitOptions);
    const file = checkpoints[checkpoints.length - 1];
    expect(decodeSafetensors(file).metadata.weft).toContain('"sampler"');
    const other = setUp({ resume: file, optimizer: new SGD({ momentum: 0.9 }) });
    await expect(fit(other.model, other.fitOptions)).rejects.toThrow(/velocity/);
    const plain = setUp({ resume: await model.save() });
    await expect(fit(plain.model, plain.fitOptions)).rejects.toThrow(/no checkpoint/);
    expect(() => new Training(network(), { ...fitOptions, epochs: 0 })).toThrow(/epochs.*got 0/);
  });
});

describe('ArraySource', () => {
  it('trains on vectors', async () => {
    const x = new RandomStream(1, 'x').uniform(40 * 2);
    const labels = Array.from({ length: 40 }, (_, i) => (x[2 * i] > x[2 * i + 1] ? 1 : 0));
    const source = new ArraySource(x, labels, [2]);
    const model = sequential([layers.dense({ units: 8, activation: 'relu' }), layers.dense({ units: 2 })], {
      inputShape: [2],
    });
    const indices = Uint32Array.from({ length: 40 }, (_, i) => i);
    const { history } = await fit(model, {
      train: { source, indices },
      optimizer: new Adam({ learningRate: 0.05 }),
      epochs: 25,
      batchSize: 8,
    });
    expect(history[24].accuracy).toBeGreaterThan(0.9);
  });
});
