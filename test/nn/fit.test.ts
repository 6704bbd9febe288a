import { beforeAll, describe, expect, it } from 'vitest';
import { imageDataGenerator } from '../../src/data/augmentation.ts';
import { ArraySource, ImageSource } from '../../src/data/batchSource.ts';
import type { Gpu } from '../../src/gpu/gpu.ts';
import { BestCheckpoint, EarlyStopping } from '../../src/nn/callbacks.ts';
import { evaluate } from '../../src/nn/evaluate.ts';
import { type EpochLogs, type FitOptions, fit, Training } from '../../src/nn/fit.ts';
import { layers } from '../../src/nn/layers/index.ts';
import { Adam, SGD } from '../../src/nn/optimizers/index.ts';
import { decodeSafetensors } from '../../src/nn/safetensors.ts';
import { sequential } from '../../src/nn/sequential.ts';
import { RandomStream } from '../../src/tensor/random.ts';
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

  it('makes nothing on the GPU in later steps', async () => {
    const counts: number[] = [];
    let before = 0;
    const { model, fitOptions } = setUp({
      checkpoint: undefined,
      validation: undefined,
      callbacks: [],
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
    expect(counts.slice(2)).toEqual([0, 0, 0]);
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
