import { beforeAll, describe, expect, it } from 'vitest';
import { ArraySource } from '../../src/data/batchSource.ts';
import { add, sum } from '../../src/kernels/index.ts';
import { EarlyStopping, ReduceLROnPlateau } from '../../src/nn/callbacks.ts';
import { type FitOptions, fit, Training } from '../../src/nn/fit.ts';
import { layers } from '../../src/nn/layers/index.ts';
import type { Model } from '../../src/nn/model.ts';
import { Adam, SAM, SGD } from '../../src/nn/optimizers/index.ts';
import { decodeSafetensors, encodeSafetensors } from '../../src/nn/safetensors.ts';
import { sequential } from '../../src/nn/sequential.ts';
import { RandomStream } from '../../src/tensor/random.ts';
import { record } from '../../src/tensor/record.ts';
import { type Tensor, tensor } from '../../src/tensor/tensor.ts';
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

  it.each<[string, () => Partial<FitOptions>, string]>([
    [
      'fewer samples',
      () => ({ train: { source: source(), indices: Uint32Array.of(1, 2, 3, 4, 5, 6) } }),
      '6 here, in batches of 8',
    ],
    [
      'more samples',
      () => ({ train: { source: source(), indices: Uint32Array.from(all) } }),
      '60 here, in batches of 8',
    ],
    ['batches of another size', () => ({ batchSize: 5 }), '40 here, in batches of 5'],
  ])('refuses %s than it was made with', async (_, more, here) => {
    const { file } = await stopped();
    await expect(fit(network(1), options({ epochs: 3, ...more(), resume: file }))).rejects.toThrow(
      `the checkpoint is of a training with 40 samples in batches of 8, there are ${here}: a training is resumed with the samples and the batch size of its checkpoint`,
    );
    // One of before doesn't say so: what it can't be is refused.
    const { tensors, metadata } = decodeSafetensors(file);
    const weft = JSON.parse(metadata.weft);
    weft.training.sampler = { pass: weft.training.sampler.pass, cursor: 16 };
    const old = encodeSafetensors(tensors, { weft: JSON.stringify(weft) });
    const resumed = fit(network(1), options({ epochs: 3, ...more(), resume: old }));
    if (here.startsWith('60')) await resumed;
    else await expect(resumed).rejects.toThrow(`has taken 16 samples of a pass, there are ${here}`);
  });
});

describe('a file', () => {
  /** Every weight is -1 times the number of steps. */
  const counting = (sizes: number[]) => {
    const model = sequential(
      sizes.map((units) => layers.dense({ units, kernelInitializer: 'zeros' })),
      { inputShape: [64] },
    );
    const optimizer = new SGD({ learningRate: 1 });
    const step = record((x: Tensor) => {
      const sums = model.parameters.map((parameter) => sum(parameter.tensor));
      const loss = sums.reduce((total, one) => add(total, one));
      optimizer.minimize(loss, model.trainableParameters);
      return x;
    });
    return { model, step };
  };

  it('is of one moment, also while training goes on', async () => {
    const { model, step } = counting([64, 64, 64, 2]);
    let going = true;
    const training = (async () => {
      const x = tensor([1]);
      while (going) await step(x);
    })();
    let before = 0;
    for (let i = 0; i < 4; i++) {
      const { tensors } = decodeSafetensors(await model.save());
      const steps = new Set([...tensors.values()].flatMap(({ data }) => [...data]));
      expect(steps.size).toBe(1);
      const [now] = steps;
      expect(now).toBeLessThanOrEqual(before);
      before = now;
    }
    expect(before).toBeLessThan(0);
    going = false;
    await training;
  });

  it('of a checkpoint is so, too: weights, moments, averages and counts', async () => {
    const files: Promise<Uint8Array>[] = [];
    let training: Training | undefined;
    const made = new Training(
      network(1),
      options({
        epochs: 2,
        averaging: { decay: 0 },
        optimizer: new SGD({ learningRate: 0.1, momentum: 0.9 }),
        callbacks: [
          {
            onBegin: (own) => {
              training = own;
            },
          },
        ],
        shouldStop: (during) => {
          if (during === 'steps') files.push(training!.snapshot());
          return undefined;
        },
      }),
    );
    const { history } = await made.run();
    made.dispose();
    expect(history.length).toBe(2);
    expect(files.length).toBe(10);
    for (const [i, file] of (await Promise.all(files)).entries()) {
      const { tensors, metadata } = decodeSafetensors(file);
      const { iterations, averaged, sampler } = JSON.parse(metadata.weft).training;
      expect([iterations, averaged, 40 * sampler.pass + sampler.cursor]).toEqual([i + 1, i + 1, 8 * (i + 1)]);
      // With a decay of 0 the averages are the weights.
      for (const [name, { data }] of tensors)
        if (name.startsWith('dense')) expect(tensors.get(`averaging average of ${name}`)!.data).toEqual(data);
    }
  });

  it('is taken whole or not at all', async () => {
    const model = network(1);
    const before = await valuesOf(model);
    const good = await network(2).weights();
    const last = [...good.keys()][3];
    const wrong: [broken: object, message: RegExp][] = [
      [{ shape: [2], data: Float32Array.of(1) }, /takes 2 numbers, got 1/],
      [{ shape: [2], data: [1, '2'] }, /takes an array of numbers as its data, got \[1, '2'\]/],
      [
        { shape: [2], data: BigInt64Array.of(1n, 2n) },
        /takes an array of numbers as its data, got a BigInt64Array/,
      ],
      [{ shape: [2] }, /takes an array of numbers as its data, got undefined/],
      [{ shape: [3], data: Float32Array.of(1, 2, 3) }, /has shape \[3\] in the file, \[2\] in the model/],
      [{ data: Float32Array.of(1, 2) }, /has shape undefined in the file/],
    ];
    for (const [broken, message] of wrong) {
      expect(() => model.setWeights(new Map([...good, [last, broken as never]]))).toThrow(message);
      expect(await valuesOf(model)).toEqual(before);
    }
    expect(() => model.setWeights(Object.fromEntries(good) as never)).toThrow(/setWeights takes a Map/);
    model.setWeights(new Map([...good, [last, { shape: [2], data: [3, 4] } as never]]));
    expect((await valuesOf(model))[3]).toEqual(Float32Array.of(3, 4));
  });
});

describe('a run', () => {
  it('says with its name what is wrong with the checkpoint that it is to go on from', async () => {
    let file = new Uint8Array();
    const save = async (saved: Uint8Array) => {
      file = new Uint8Array(saved);
    };
    await fit(network(1), options({ checkpoint: { save } }));
    const damaged = file.with(file.length - 1, file[file.length - 1] ^ 1);
    const goingOn = (resume: Uint8Array, more: object = {}) =>
      fit(network(1), options({ resume, checkpoint: { save, name: 'a/checkpoint' }, ...more }));
    await expect(goingOn(damaged)).rejects.toThrow(/^a\/checkpoint: safetensors: the file is damaged: /);
    await expect(goingOn(file, { batchSize: 4 })).rejects.toThrow(/^a\/checkpoint: the checkpoint is of /);
    const callbacks = [new EarlyStopping()];
    await expect(goingOn(file, { callbacks })).rejects.toThrow(
      /^a\/checkpoint: the checkpoint: EarlyStopping: expected an object, got /,
    );
    await expect(fit(network(1), options({ resume: damaged }))).rejects.toThrow(/^safetensors: the file is/);
  });

  it('is the only one of its model', async () => {
    const model = network(1);
    const first = fit(model, options());
    await expect(fit(model, options())).rejects.toThrow(
      'fit: the model is being trained already: await that training first',
    );
    const { history } = await first;
    expect(history).toEqual((await fit(network(1), options())).history);
    const broken = options({ callbacks: [{ onEpochEnd: () => Promise.reject(new Error('enough')) }] });
    await expect(fit(model, broken)).rejects.toThrow('enough');
    expect((await fit(model, options())).history.length).toBe(history.length);
  });
});

describe('the numbers of a run', () => {
  it.each<[option: string, values: unknown[], range: string]>([
    ['epochs', [0, Number.NaN, '2', 1.5, undefined], 'a whole number of at least 1'],
    ['initialEpoch', [-5, 0.5, Number.NaN], 'a whole number of at least 0'],
    ['batchSize', [0, -1, Number.NaN, 1.5, '4'], 'a whole number of at least 1'],
    ['stepsPerEpoch', [0, -1, 1.5, Number.NaN, 1e10], 'a whole number from 1 to 16777216'],
    ['seconds', [-1, Number.NaN, '60'], 'a number from 0 to Infinity'],
  ])('are named where they make no sense: %s', (option, values, range) => {
    for (const value of values) {
      const given =
        option === 'seconds' ? { checkpoint: { save: async () => {}, seconds: value } } : { [option]: value };
      const name = option === 'seconds' ? 'checkpoint.seconds' : option;
      expect(() => new Training(network(1), options(given as object))).toThrow(
        `fit: ${name} must be ${range}, got`,
      );
    }
  });
});
