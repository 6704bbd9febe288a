import { beforeAll, describe, expect, it } from 'vitest';
import { ArraySource } from '../../src/data/batchSource.ts';
import { EarlyStopping, ReduceLROnPlateau } from '../../src/nn/callbacks.ts';
import { type FitOptions, fit } from '../../src/nn/fit.ts';
import { layers } from '../../src/nn/layers/index.ts';
import type { Model } from '../../src/nn/model.ts';
import { Adam, SAM, SGD } from '../../src/nn/optimizers/index.ts';
import { decodeSafetensors, encodeSafetensors } from '../../src/nn/safetensors.ts';
import { sequential } from '../../src/nn/sequential.ts';
import { RandomStream } from '../../src/tensor/random.ts';
import { testGpu } from '../support/gpu.ts';

beforeAll(async () => {
  await testGpu();
});

const COUNT = 60;
const all = Array.from({ length: COUNT }, (_, i) => i);
const points = new RandomStream(3, 'points').uniform(COUNT * 2);
/** Is the first coordinate the larger one? */
const source = () =>
  new ArraySource(
    points,
    all.map((i) => (points[2 * i] > points[2 * i + 1] ? 1 : 0)),
    [2],
  );
const network = (seed: number) =>
  sequential([layers.dense({ units: 8, activation: 'tanh' }), layers.dense({ units: 2 })], {
    inputShape: [2],
    seed,
  });
const valuesOf = async (model: Model) => [...(await model.weights()).values()].map(({ data }) => data);

const options = (more: Partial<FitOptions> = {}): FitOptions => ({
  train: { source: source(), indices: Uint32Array.from(all.filter((i) => i % 3 > 0)) },
  validation: { source: source(), indices: Uint32Array.from(all.filter((i) => i % 3 === 0)) },
  optimizer: new Adam({ learningRate: 0.1 }),
  epochs: 8,
  batchSize: 8,
  ...more,
});

describe('what ends with its run', () => {
  it('is what callbacks know: used again, they do what new ones would', async () => {
    const make = () => [
      new EarlyStopping({ patience: 1, minDelta: 0.02, restoreBestWeights: true }),
      new ReduceLROnPlateau({ patience: 1, minDelta: 0.03, factor: 0.5 }),
    ];
    const shared = make();
    for (const seed of [1, 2, 3]) {
      const [reused, anew] = [network(seed), network(seed)];
      const run = await fit(reused, options({ epochs: 40, callbacks: shared }));
      expect(await fit(anew, options({ epochs: 40, callbacks: make() }))).toEqual(run);
      expect(run.finished).toMatch(/has not improved/);
      expect(await valuesOf(reused)).toEqual(await valuesOf(anew));
    }
  });

  it.each([
    ['Adam', () => new Adam({ learningRate: 0.1 })],
    ['SAM', () => new SAM(new Adam({ learningRate: 0.1 }))],
  ])('are the counts of an optimizer, for another model: %s', async (_, make) => {
    const shared = make();
    for (const seed of [1, 2]) {
      const [model, anew] = [network(seed), network(seed)];
      await fit(model, options({ optimizer: shared, epochs: 2 }));
      await fit(anew, options({ optimizer: make(), epochs: 2 }));
      expect(await valuesOf(model)).toEqual(await valuesOf(anew));
    }
  });

  it("are not an optimizer's counts for the same model: a second fit goes on", async () => {
    const [model, anew] = [network(1), network(1)];
    const optimizer = new Adam({ learningRate: 0.1 });
    await fit(model, options({ optimizer, epochs: 1 }));
    await fit(model, options({ optimizer, epochs: 1 }));
    expect(optimizer.iterations).toBe(10);
    for (const parameter of model.parameters) expect(optimizer.stepsOf(parameter)).toBe(10);
    await fit(anew, options({ epochs: 1 }));
    await fit(anew, options({ epochs: 1 }));
    expect(await valuesOf(model)).not.toEqual(await valuesOf(anew));
  });

  it("is the learning rate of a plateau not: it stays the optimizer's", async () => {
    const optimizer = new SGD({ learningRate: 0.1 });
    const callbacks = [new ReduceLROnPlateau({ patience: 1, minDelta: 10, factor: 0.5 })];
    await fit(network(1), options({ optimizer, callbacks, epochs: 3 }));
    expect(optimizer.learningRate).toBe(0.025);
    await fit(network(1), options({ optimizer, epochs: 1 }));
    expect(optimizer.learningRate).toBe(0.025);
  });

  it('is the exchange of averaged weights, also where a callback throws', async () => {
    const averaging = { decay: 0.9 };
    const last = network(1);
    await fit(last, options({ epochs: 2 }));
    for (const when of ['onStepsEnd', 'onValidation', 'onEpochEnd', 'onEnd'] as const) {
      let calls = 0;
      // In the second epoch; validation takes two batches in each.
      const callback = () => {
        if (++calls === (when === 'onValidation' ? 3 : when === 'onEnd' ? 1 : 2))
          throw new Error(`my ${when}`);
      };
      const model = network(1);
      await expect(
        fit(model, options({ epochs: 2, averaging, callbacks: [{ [when]: callback }] })),
      ).rejects.toThrow(`my ${when}`);
      expect(await valuesOf(model), when).toEqual(await valuesOf(last));
    }
  });
});

describe('a checkpoint', () => {
  /** One from the midst of a second epoch, and the weights that the whole run ends with. */
  async function stopped(more: Partial<FitOptions> = {}) {
    const whole = network(1);
    await fit(whole, options({ epochs: 3, ...more }));
    let steps = 0;
    const files: Uint8Array[] = [];
    await fit(
      network(1),
      options({
        epochs: 3,
        ...more,
        optimizer: new Adam({ learningRate: 0.1 }),
        shouldStop: (during) => (during === 'steps' && ++steps === 7 ? 'enough' : undefined),
        checkpoint: { save: async (bytes) => void files.push(bytes) },
      }),
    );
    return { file: files[files.length - 1], end: await valuesOf(whole) };
  }

  it('of before, with one count of steps for all weights, is read as it was', async () => {
    const { file, end } = await stopped();
    const { tensors, metadata } = decodeSafetensors(file);
    const { model, training } = JSON.parse(metadata.weft);
    const { steps, ...before } = training;
    expect(Object.values(steps)).toEqual([7, 7, 7, 7]);
    const old = encodeSafetensors(tensors, { weft: JSON.stringify({ model, training: before }) });
    for (const resume of [file, old]) {
      // An optimizer that has trained another model, too.
      const optimizer = new Adam({ learningRate: 0.1 });
      await fit(network(5), options({ optimizer, epochs: 1 }));
      const resumed = network(1);
      await fit(resumed, options({ optimizer, epochs: 3, resume }));
      expect(await valuesOf(resumed)).toEqual(end);
    }
  });
});
