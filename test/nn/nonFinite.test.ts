import { beforeAll, describe, expect, it } from 'vitest';
import { ArraySource } from '../../src/data/batchSource.ts';
import type { Gpu } from '../../src/gpu/gpu.ts';
import { add, mul, sub } from '../../src/kernels/binary.ts';
import { haltUnlessFinite, log, relu, sqrt } from '../../src/kernels/index.ts';
import { mean } from '../../src/kernels/reduce.ts';
import type { Loss } from '../../src/nn/evaluate.ts';
import { type FitOptions, fit } from '../../src/nn/fit.ts';
import { layers } from '../../src/nn/layers/index.ts';
import type { Model } from '../../src/nn/model.ts';
import { NonFiniteError } from '../../src/nn/nonFinite.ts';
import { Adam, type Optimizer, SAM, SGD } from '../../src/nn/optimizers/index.ts';
import { decodeSafetensors } from '../../src/nn/safetensors.ts';
import { sequential } from '../../src/nn/sequential.ts';
import { RandomStream } from '../../src/tensor/random.ts';
import { type Tensor, tensor } from '../../src/tensor/tensor.ts';
import { testGpu } from '../support/gpu.ts';

let gpu: Gpu;
beforeAll(async () => {
  gpu = await testGpu();
});

const COUNT = 24;
/** Out of order, so that an index in the source isn't a place in the list. */
const indices = Uint32Array.from({ length: COUNT }, (_, i) => (i * 7) % COUNT);

/** Images of two kinds, bright on one side or the other. */
function images(): { x: Float32Array; labels: number[] } {
  const labels = Array.from({ length: COUNT }, (_, n) => n % 2);
  const x = new RandomStream(1, 'images').uniform(COUNT * 64);
  for (let i = 0; i < x.length; i++) if (i % 8 < 4 === (labels[Math.floor(i / 64)] === 0)) x[i] += 1;
  return { x, labels };
}

/** ReLU and max-pool hide a NaN from the loss. */
const hidingNetwork = () =>
  sequential(
    [
      layers.conv2d({ filters: 4, activation: 'relu', name: 'first' }),
      layers.batchNormalization(),
      layers.maxPooling2d(),
      layers.dropout({ rate: 0.2 }),
      layers.flatten(),
      layers.dense({ units: 2, name: 'last' }),
    ],
    { inputShape: [8, 8, 1], seed: 1 },
  );

const values = async (model: Model) =>
  new Map([...(await model.weights())].map(([name, { data }]) => [name, data]));
const stateOf = async (optimizer: Optimizer, model: Model) => {
  const slots = [...optimizer.state(model.trainableParameters)];
  return Promise.all(slots.map(async ([name, slot]) => [name, await slot.data()]));
};

/** As a source of one's own may be: nobody compares its labels with the model's outputs before the run. */
const hideLabels = (source: ArraySource): void =>
  void Object.defineProperty(source, 'labels', { value: undefined });

/** What a run throws. */
async function failure(model: Model, options: FitOptions): Promise<NonFiniteError> {
  const error = await fit(model, options).catch((thrown) => thrown);
  expect(error).toBeInstanceOf(NonFiniteError);
  return error;
}

describe('a run of which something stops being a number', () => {
  const optimizers: [name: string, make: () => Optimizer][] = [
    ['Adam', () => new Adam({ learningRate: 0.01 })],
    ['SGD with momentum', () => new SGD({ learningRate: 0.01, momentum: 0.9 })],
    ['SGD', () => new SGD({ learningRate: 0.01 })],
    ['Adam with clipNorm', () => new Adam({ clipNorm: 1 })],
    ['Adam with globalClipNorm', () => new Adam({ globalClipNorm: 1 })],
    ['SAM', () => new SAM(new SGD({ learningRate: 0.01, momentum: 0.9 }))],
  ];
  it.each(optimizers)(
    'ends at a NaN in a sample, with the weights, the state and the files of the step before: %s',
    async (_, make) => {
      const run = async (broken: boolean) => {
        const { x, labels } = images();
        const model = hidingNetwork();
        const optimizer = make();
        const files: Uint8Array[] = [];
        const at = 13;
        if (broken) x[at * 64 + 9] = Number.NaN;
        // The sample comes third in an epoch of four steps.
        const train = { source: new ArraySource(x, labels, [8, 8, 1]), indices };
        let steps = 0;
        const options: FitOptions = {
          train,
          optimizer,
          epochs: 2,
          batchSize: 6,
          seed: 3,
          averaging: { decay: 0.5 },
          checkpoint: { save: async (file) => void files.push(file) },
        };
        return {
          model,
          optimizer,
          files,
          options,
          stopAfter: (n: number) => () => (++steps === n ? 'enough' : undefined),
        };
      };
      const broken = await run(true);
      const error = await failure(broken.model, broken.options);
      const { epoch, step, layer, sample } = error.place;
      expect({ epoch, layer, sample }).toEqual({ epoch: 1, layer: 'first', sample: 13 });
      // Where ReLU and max-pool let it through, it is in the loss, too.
      const [before, after] = error.message.split(` at epoch 1, step ${step}: `);
      expect(before).toMatch(/^(training stopped|the loss is NaN)$/);
      expect(after).toBe(
        'sample 13 holds NaN, which goes into layer first. The weights are those before that step',
      );
      const whole = await run(false);
      if (step > 1) await fit(whole.model, { ...whole.options, shouldStop: whole.stopAfter(step - 1) });
      expect(await values(broken.model)).toEqual(await values(whole.model));
      expect(await stateOf(broken.optimizer, broken.model)).toEqual(
        await stateOf(whole.optimizer, whole.model),
      );
      expect(broken.optimizer.iterations).toBe(step - 1);
      for (const parameter of broken.model.trainableParameters)
        expect(broken.optimizer.stepsOf(parameter)).toBe(step - 1);
      for (const file of broken.files)
        for (const { data } of decodeSafetensors(file).tensors.values())
          expect((data as Float32Array).every(Number.isFinite)).toBe(true);
    },
  );

  /** y = w * x of one weight, with a loss of one's own. */
  const oneWeight = (weight: number, more: Partial<FitOptions> & { loss: Loss }) => {
    const model = sequential([layers.dense({ units: 1, useBias: false, name: 'only' })], { inputShape: [1] });
    model.parameters[0].set(Float32Array.of(weight));
    const source = new ArraySource(Float32Array.of(1, 1, 0, 1), [0, 0, 0, 0], [1]);
    const options: FitOptions = {
      train: { source, indices: Uint32Array.of(0, 1, 2, 3) },
      optimizer: new SGD({ learningRate: 0.1 }),
      epochs: 3,
      metrics: [],
      ...more,
    };
    return { model, options };
  };

  it('names the gradient, and the sample that leads to it, where the loss is finite', async () => {
    // The slope of a root at 0 is infinite.
    const { model, options } = oneWeight(1, { loss: (y) => mean(sqrt(y)) });
    const error = await failure(model, options);
    expect(error.message).toMatch(
      /^training stopped at epoch 1, step 1: the loss is finite, the gradient of only.kernel isn't, for sample 2\. The weights/,
    );
    expect(error.place).toEqual({ epoch: 1, step: 1, layer: 'only', sample: 2 });
    expect([...(await model.parameters[0].data())]).toEqual([1]);
  });

  it('names loss and sample where all layers are finite', async () => {
    const { model, options } = oneWeight(1, { loss: (y) => mean(log(y)) });
    expect((await failure(model, options)).message).toMatch(
      /^the loss is -Infinity at epoch 1, step 1: every layer output is finite, so it arises in the loss itself, for sample 2\. The weights are those before that step$/,
    );
  });

  it.each<[string, Optimizer, Loss]>([
    ['the weight', new SGD({ learningRate: 3e38 }), (y) => mean(mul(y, -10))],
    [
      'a velocity',
      new SGD({ form: 'pytorch', learningRate: 1e-9, momentum: 0.9, weightDecay: 3e38 }),
      (y) => mean(mul(y, 2)),
    ],
    ['a moment', new Adam(), (y) => mean(mul(y, 1e25))],
  ])('names the weight where the step itself would overflow: %s', async (_, optimizer, loss) => {
    const { model, options } = oneWeight(1.5, { optimizer, loss });
    const error = await failure(model, options);
    expect(error.message).toBe(
      "training stopped at epoch 1, step 1: with it, weight only.kernel or the optimizer's state for it would overflow. The weights are those before that step; a lower learning rate may help",
    );
    expect([...(await model.parameters[0].data())]).toEqual([1.5]);
    for (const [, data] of await stateOf(optimizer, model)) expect(data).toEqual(Float32Array.of(0));
  });

  it.each<[string, Optimizer]>([
    ['clipNorm', new SGD({ clipNorm: 1 })],
    ['globalClipNorm', new SGD({ globalClipNorm: 1 })],
    ["SAM's", new SAM(new SGD())],
  ])('ends where finite gradients have an infinite norm: %s', async (_, optimizer) => {
    const { model, options } = oneWeight(1.5, { optimizer, loss: (y) => mean(mul(y, 1e25)) });
    expect((await failure(model, options)).message).toMatch(/would overflow|their norm isn't/);
    expect([...(await model.parameters[0].data())]).toEqual([1.5]);
  });

  it('names moving statistics that overflow while the loss is finite, and takes them back', async () => {
    // The variance of the batch overflows; what is divided by its root is 0.
    const model = sequential([layers.batchNormalization({ name: 'norm' }), layers.dense({ units: 2 })], {
      inputShape: [3],
    });
    const x = new Float32Array(8 * 3).map((_, i) => (i % 2 ? 1e25 : -1e25));
    const source = new ArraySource(x, [0, 1, 0, 1, 0, 1, 0, 1], [3]);
    const train = { source, indices: Uint32Array.of(0, 1, 2, 3, 4, 5, 6, 7) };
    const error = await failure(model, { train, optimizer: new Adam(), epochs: 1 });
    expect(error.message).toMatch(/step 1: the moving_variance of layer norm overflows\. The weights/);
    expect([...(await values(model)).get('norm.moving_variance')!]).toEqual([1, 1, 1]);
  });

  it('finds weights that no step changes, at the first step', async () => {
    const { x, labels } = images();
    const model = hidingNetwork();
    const frozen = model.layer('first');
    frozen.trainable = false;
    frozen.parameters[0].set(new Float32Array(frozen.parameters[0].size).fill(Number.NaN));
    const train = { source: new ArraySource(x, labels, [8, 8, 1]), indices };
    const error = await failure(model, { train, optimizer: new Adam(), epochs: 1 });
    expect(error.message).toMatch(/epoch 1, step 1: weight first.kernel holds NaN\. The weights/);
    expect(error.place.layer).toBe('first');
  });

  it('names a label that is no class, of a source that has none at hand', async () => {
    const { x, labels } = images();
    const source = new ArraySource(
      x,
      labels.map((label, i) => (i === 5 ? 77 : label)),
      [8, 8, 1],
    );
    hideLabels(source);
    const model = hidingNetwork();
    const error = await failure(model, { train: { source, indices }, optimizer: new Adam(), epochs: 1 });
    const [outputs] = model.outputShape;
    expect(error.message).toContain(
      `the loss itself, for sample 5, whose label is 77: the model has ${outputs} outputs, for labels from 0 to ${outputs - 1}`,
    );
    expect(error.message).not.toContain('learning rate');
  });

  it('leaves no memory behind', async () => {
    const { x, labels } = images();
    const run = async (breaks: (x: Float32Array, model: Model) => void) => {
      const [own, model] = [x.slice(), hidingNetwork()];
      breaks(own, model);
      const source = new ArraySource(own, labels, [8, 8, 1]);
      const optimizer = new Adam({ globalClipNorm: 1 });
      await failure(model, { train: { source, indices }, optimizer, epochs: 1, batchSize: 8 });
      for (const used of [source, model, optimizer]) used.dispose();
    };
    const ways: Parameters<typeof run>[0][] = [
      (x) => {
        x[9] = Number.NaN;
      },
      (_, model) => {
        const kernel = model.layer('first').parameters[0];
        kernel.set(new Float32Array(kernel.size).fill(3e38));
      },
    ];
    for (const breaks of ways) {
      const before = gpu.pool.liveBytes;
      for (let i = 0; i < 3; i++) await run(breaks);
      expect(gpu.pool.liveBytes).toBe(before);
    }
  });
});

describe('a loop of one’s own', () => {
  it('finds in its halt what minimize came upon, and keeps its weights', async () => {
    const model = sequential([layers.dense({ units: 2 })], { inputShape: [2] });
    const optimizer = new Adam({ learningRate: 0.1 });
    const halt = tensor(Uint32Array.of(0));
    const step = (x: Tensor) => {
      const y = relu(model.call(x, { training: true }));
      optimizer.minimize(mean(add(y, sub(y, 1))), model.trainableParameters, halt);
    };
    step(tensor([[1, 2]]));
    expect(await halt.item()).toBe(0);
    const before = await values(model);
    step(tensor([[1, Number.NaN]]));
    expect(await halt.item()).toBeGreaterThan(0);
    step(tensor([[1, 2]]));
    expect(await values(model)).toEqual(before);
  });

  it('can ask of tensors of any sizes whether all is finite', async () => {
    for (const bad of [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY]) {
      const sizes = [1, 2, 3, 4, 5, 63, 64, 65, 257, 1000];
      for (const [i, size] of sizes.entries()) {
        const halt = tensor(Uint32Array.of(0));
        // Their memory was another tensor's, whose values lie behind their last elements.
        for (const own of sizes) tensor(new Float32Array(64 * Math.ceil(own / 64)).fill(bad)).dispose();
        const tensors = sizes.map((own) => tensor(new Float32Array(own).fill(3e38)));
        haltUnlessFinite(tensors, halt);
        expect(await halt.item()).toBe(0);
        const one = new Float32Array(size).fill(1);
        one[size - 1] = bad;
        tensors[i].storage.gpu.write(tensors[i].storage.buffer, one);
        haltUnlessFinite(tensors, halt);
        expect(await halt.item()).toBeGreaterThan(0);
        for (const used of [...tensors, halt]) used.dispose();
      }
    }
  });
});
