import { describe, expect, it } from 'vitest';
import type { AdamForm } from '../../src/kernels/adam.ts';
import { mul } from '../../src/kernels/binary.ts';
import { sum } from '../../src/kernels/reduce.ts';
import { softmaxCrossEntropy } from '../../src/kernels/softmaxCrossEntropy.ts';
import { WeightAverage } from '../../src/nn/averaging.ts';
import { layers } from '../../src/nn/layers/index.ts';
import { Adam, AdamW, type LossFunction, type Optimizer, SAM, SGD } from '../../src/nn/optimizers/index.ts';
import { Parameter } from '../../src/nn/parameter.ts';
import { schedules } from '../../src/nn/schedules.ts';
import { sequential } from '../../src/nn/sequential.ts';
import { record } from '../../src/tensor/record.ts';
import { type Tensor, tensor } from '../../src/tensor/tensor.ts';
import { type AdamState, adam } from '../reference/adam.ts';
import { type Array64, createRandom, make, zeros } from '../reference/array64.ts';
import { clipped, perturbed } from '../reference/gradientScales.ts';
import { modelGradients } from '../reference/model.ts';
import { type SgdState, sgd } from '../reference/sgd.ts';
import { compare } from '../support/checkOp.ts';
import { testGpu } from '../support/gpu.ts';

const gpu = await testGpu();

const [SAMPLES, INPUTS, UNITS, CLASSES] = [12, 5, 6, 3];

/** Two dense layers, and samples of one seed: a ReLU's kink isn't met by chance. */
function smallNetwork() {
  const random = createRandom(3);
  const x = random.uniform([SAMPLES, INPUTS]);
  x.data.forEach((value, i) => {
    x.data[i] = Math.fround(value);
  });
  const labels = random.integers(SAMPLES, CLASSES);
  const model = sequential(
    [layers.dense({ units: UNITS, activation: 'relu' }), layers.dense({ units: CLASSES })],
    { inputShape: [INPUTS], seed: 4 },
  );
  const lossOf: LossFunction = (pass) =>
    softmaxCrossEntropy(model.logits(given, { training: true, ...pass }), truth);
  const given = tensor(Float32Array.from(x.data), x.shape);
  const truth = tensor(Int32Array.from(labels));
  const weights = () =>
    Promise.all(model.parameters.map(async (p) => make(p.shape, await p.data()))) as Promise<Array64[]>;
  const gradientsAt = (values: Array64[]) => {
    const named = new Map(model.parameters.map(({ name }, i) => [name, values[i]]));
    const { loss, gradients } = modelGradients(model, { weights: named, input: x, labels });
    return { loss, gradients: model.parameters.map(({ name }) => gradients.get(name)!) };
  };
  return { model, lossOf, weights, gradientsAt };
}

/** Steps of an optimizer on the small network, beside steps of a reference. */
async function follow(
  optimizer: Optimizer,
  steps: number,
  next: (weights: Array64[], step: number, gradientsAt: (w: Array64[]) => Array64[]) => Array64[],
) {
  const { model, lossOf, weights, gradientsAt } = smallNetwork();
  let expected = await weights();
  const step = record(() => optimizer.minimize(lossOf, model.trainableParameters));
  for (let t = 1; t <= steps; t++) {
    const { loss } = gradientsAt(expected);
    expect(Math.abs((await (await step()).item()) / loss - 1), `loss of step ${t}`).toBeLessThan(1e-4);
    expected = next(expected, t, (w) => gradientsAt(w).gradients);
  }
  // Round-offs of the gradients grow with the steps.
  for (const [i, found] of (await weights()).entries())
    compare(found.data, expected[i], 100 * steps, `${optimizer.config.name}: parameter ${i}`);
  step.dispose();
  optimizer.dispose();
  model.dispose();
}

const noVelocity = (w: Array64): SgdState => ({ w, v: zeros(w.shape) });

/** A weight of 1. */
const oneWeight = () => {
  const model = sequential([layers.dense({ units: 1, useBias: false })], { inputShape: [1] });
  model.parameters[0].set(Float32Array.of(1));
  return model.parameters[0];
};

describe('optimizers', () => {
  it("SGD follows PyTorch's form with weight decay and both gradients clipped together, under a cycle of rate and momentum", async () => {
    const cycle = schedules.oneCycle({ maxLearningRate: 0.5, totalSteps: 25, divFactor: 5 });
    let velocities: Array64[] | undefined;
    const optimizer = new SGD({
      form: 'pytorch',
      learningRate: cycle,
      momentum: 0.9,
      nesterov: true,
      weightDecay: 0.01,
      globalClipNorm: 0.2,
    });
    await follow(optimizer, 25, (weights, step, gradientsAt) => {
      const slopes = clipped(gradientsAt(weights), 0.2, true);
      const attrs = {
        form: 'pytorch',
        nesterov: true,
        weightDecay: 0.01,
        learningRate: cycle.rate(step - 1),
        momentum: cycle.momentum!(step - 1),
      } as const;
      const after = weights.map((w, i) => sgd({ w, v: velocities?.[i] ?? zeros(w.shape) }, slopes[i], attrs));
      velocities = after.map(({ v }) => v);
      return after.map(({ w }) => w);
    });
  });

  it.each([
    { name: 'Adam', weightDecay: 0.03, clipNorm: 0.05 },
    { name: 'AdamW', weightDecay: 0.3, form: 'pytorch' },
  ] as const)(
    '$name follows its reference, with each gradient clipped by itself or none',
    async (options) => {
      const { name, weightDecay, ...more } = options;
      const form: AdamForm = name === 'Adam' ? 'keras' : 'pytorch';
      const learningRate = schedules.inverseTime({ learningRate: 0.02, decay: 0.1 });
      const isAdam = name === 'Adam';
      const optimizer = new (isAdam ? Adam : AdamW)({ ...more, weightDecay, learningRate });
      let states: AdamState[] | undefined;
      await follow(optimizer, 20, (weights, step, gradientsAt) => {
        const slopes = isAdam ? clipped(gradientsAt(weights), 0.05, false) : gradientsAt(weights);
        const attrs = {
          form,
          learningRate: learningRate.rate(step - 1),
          beta1: 0.9,
          beta2: 0.999,
          epsilon: isAdam ? 1e-7 : 1e-8,
          [isAdam ? 'weightDecay' : 'decoupledWeightDecay']: weightDecay,
          step,
        };
        states = weights.map((w, i) =>
          adam(states?.[i] ?? { w, m: zeros(w.shape), v: zeros(w.shape) }, slopes[i], attrs),
        );
        return states.map(({ w }) => w);
      });
    },
  );

  it('SAM takes the gradient where the loss is highest nearby, and its base makes the step from the weights', async () => {
    const rho = 0.3;
    let states: SgdState[] | undefined;
    const base = new SGD({ learningRate: 0.2, momentum: 0.9 });
    await follow(new SAM(base, { rho }), 15, (weights, _, gradientsAt) => {
      const there = perturbed(weights, gradientsAt(weights), rho);
      const slopes = gradientsAt(there);
      const attrs = { learningRate: 0.2, momentum: 0.9, nesterov: false };
      states = weights.map((w, i) => sgd(states?.[i] ?? noVelocity(w), slopes[i], attrs));
      return states.map(({ w }) => w);
    });
  });

  it('SAM on one weight, worked by hand', async () => {
    // loss = w^2 at w = 3: the gradient 6 has the norm 6, so the second one is taken at 3 + 0.5 and is 7.
    const parameter = new Parameter({ name: 'layer', seed: 0, trainable: true }, 'w', [1], {
      initializer: 'ones',
    });
    parameter.set(Float32Array.of(3));
    const optimizer = new SAM(new SGD({ learningRate: 0.1 }), { rho: 0.5 });
    const passes: boolean[] = [];
    const loss = optimizer.minimize(
      ({ updateStatistics }) => {
        passes.push(updateStatistics);
        return sum(mul(parameter.tensor, parameter.tensor));
      },
      [parameter],
    );
    expect(await loss.item()).toBe(9);
    expect((await parameter.data())[0]).toBeCloseTo(2.3, 6);
    expect(passes).toEqual([true, false]);
    expect(() => optimizer.minimize(loss, [parameter])).toThrow(/SAM computes the loss twice.*function/);
    expect(() => new SAM(new SGD(), { rho: 0 })).toThrow(/SAM: rho must be a number above 0, got 0/);
  });

  it('moving statistics are updated by the first of two passes alone', async () => {
    const statisticsAfter = async (optimizer: Optimizer) => {
      const model = sequential([layers.dense({ units: 4 }), layers.batchNormalization()], {
        inputShape: [INPUTS],
        seed: 1,
      });
      const x = tensor(Float32Array.from(createRandom(1).uniform([8, INPUTS]).data), [8, INPUTS]);
      optimizer.minimize((pass) => {
        const y = model.call(x, { training: true, ...pass });
        return sum(mul(y, mul(y, y)));
      }, model.trainableParameters);
      const weights = await model.weights();
      return ['moving_mean', 'moving_variance'].map((name) => [
        ...weights.get(`batch_normalization.${name}`)!.data,
      ]);
    };
    const once = await statisticsAfter(new SGD());
    expect(once[0].every((mean) => mean !== 0)).toBe(true);
    expect(await statisticsAfter(new SAM(new SGD(), { rho: 2 }))).toEqual(once);
  });

  it('many parameters, a clip, SAM and an average: a recorded step creates nothing on the GPU and learns', async () => {
    const model = sequential(
      [8, 8, 8, 3].map((units) => layers.dense({ units, activation: units === 3 ? 'linear' : 'relu' })),
      { inputShape: [INPUTS], seed: 2 },
    );
    const optimizer = new SAM(new Adam({ learningRate: 0.01, globalClipNorm: 1 }));
    const averages = new WeightAverage(model.parameters, { decay: 0.5 });
    const step = record((x: Tensor, labels: Tensor) => {
      const loss = optimizer.minimize(
        (pass) => softmaxCrossEntropy(model.logits(x, { training: true, ...pass }), labels),
        model.trainableParameters,
      );
      averages.update();
      return loss;
    });
    const random = createRandom(9);
    const x = tensor(Float32Array.from(random.uniform([SAMPLES, INPUTS]).data), [SAMPLES, INPUTS]);
    const labels = tensor(Int32Array.from(random.integers(SAMPLES, CLASSES)));
    const first = await (await step(x, labels)).item();
    const made = () => {
      const { buffers, bindGroups, pipelines, readbacks } = gpu.counters;
      return [buffers, bindGroups, pipelines, readbacks];
    };
    const before = made();
    for (let i = 0; i < 60; i++) await step(x, labels);
    expect(made()).toEqual(before);
    expect(await (await step(x, labels)).item()).toBeLessThan(0.3 * first);
    expect([optimizer.iterations, averages.updates]).toEqual([62, 62]);
    // The average of the last few steps is near the weights, and is not them.
    const [weights, there] = [await model.weights(), model.parameters[0].name];
    averages.swap();
    const averaged = await model.weights();
    const distance = Math.max(
      ...averaged.get(there)!.data.map((value, i) => Math.abs(value - weights.get(there)!.data[i])),
    );
    expect(distance).toBeGreaterThan(0);
    expect(distance).toBeLessThan(0.1);
    averages.swap();
    expect(await model.weights()).toEqual(weights);
    for (const used of [step, optimizer, averages, model]) used.dispose();
  });

  it('describe themselves as plain data, with the defaults of their form', () => {
    const learningRate = schedules.inverseTime({ learningRate: 0.1, decay: 1e-3 });
    expect(new SAM(new SGD({ learningRate, momentum: 0.9, globalClipNorm: 1 })).config).toEqual({
      name: 'SAM',
      rho: 0.05,
      base: {
        name: 'SGD',
        learningRate: { kind: 'inverseTime', learningRate: 0.1, decay: 1e-3 },
        form: 'keras',
        momentum: 0.9,
        nesterov: false,
        weightDecay: 0,
        clipNorm: undefined,
        globalClipNorm: 1,
      },
    });
    expect([new Adam().config.epsilon, new Adam({ form: 'pytorch' }).config.epsilon]).toEqual([1e-7, 1e-8]);
    expect(new AdamW().config).toMatchObject({ name: 'AdamW', learningRate: 1e-3, weightDecay: 0.01 });
  });

  it('refuse options that make no sense', () => {
    expect(() => new SGD({ nesterov: true })).toThrow(/nesterov needs a momentum/);
    expect(() => new Adam({ clipNorm: 0 })).toThrow(
      /Adam: clipNorm must be a number above 0 and up to Infinity, got 0/,
    );
    expect(() => new Adam({ clipNorm: 1, globalClipNorm: 1 })).toThrow(/exclude each other/);
    expect(() => new WeightAverage([], { decay: 1 })).toThrow(
      /averaging: decay must be a number from 0 to below 1, got 1/,
    );
  });

  const adamNumbers: [option: string, wrong: unknown[], range: string][] = [
    [
      'learningRate',
      [Number.NaN, -1, Number.POSITIVE_INFINITY, '0.1', null, () => 0.1, {}],
      'a number of at least 0',
    ],
    ['beta1', [2, 1, -0.1, Number.NaN, '0.9'], 'a number from 0 to below 1'],
    ['beta2', [1, Number.NaN, null], 'a number from 0 to below 1'],
    ['epsilon', [-1, Number.NaN, '1e-7'], 'a number of at least 0'],
    ['weightDecay', [-1, Number.NaN, []], 'a number of at least 0'],
    ['clipNorm', [-1, Number.NaN, 'a', null], 'a number above 0 and up to Infinity'],
    ['globalClipNorm', [0, Number.NaN], 'a number above 0 and up to Infinity'],
    ['form', ['tf', 1, null], "'keras' or 'pytorch'"],
  ];
  const sgdNumbers: typeof adamNumbers = [
    ['learningRate', [Number.NaN, -1], 'a number of at least 0'],
    ['momentum', [2, -0.1, Number.NaN, '0.9', null], 'a number from 0 to 1'],
    ['weightDecay', [-1, Number.NaN], 'a number of at least 0'],
    ['form', ['torch'], "'keras' or 'pytorch'"],
  ];
  it.each([
    ...adamNumbers.map((row) => ['Adam', (options: object) => new Adam(options), ...row] as const),
    ...adamNumbers.map((row) => ['AdamW', (options: object) => new AdamW(options), ...row] as const),
    ...sgdNumbers.map((row) => ['SGD', (options: object) => new SGD(options), ...row] as const),
    [
      'SAM',
      (options: object) => new SAM(new SGD(), options),
      'rho',
      [-1, Number.NaN, null],
      'a number above 0',
    ] as const,
  ])(
    'of %s: name option and range of a wrong number, and what they got',
    (name, make, option, wrong, range) => {
      for (const value of wrong)
        expect(() => make({ [option]: value })).toThrow(`${name}: ${option} must be ${range}`);
      for (const options of [null, 0.1, 'adam', [0.1]])
        expect(() => make(options as unknown as object)).toThrow(/its options must be an object/);
    },
  );

  it('refuse a wrong learning rate between steps as well, and one that a schedule gives', () => {
    const optimizer = new SAM(new Adam());
    for (const wrong of [Number.NaN, -1, '0.1', null, undefined])
      expect(() => {
        optimizer.learningRate = wrong as number;
      }).toThrow('Adam: learningRate must be a number of at least 0');
    expect(optimizer.learningRate).toBe(1e-3);
    const own = new SGD({ learningRate: { rate: (step) => 1 / step - 1, config: { kind: 'own' } } });
    const weight = oneWeight();
    const apply = () => own.apply([weight], [tensor([[1]])]);
    expect(apply).toThrow(/its rate at step 0 must be a number of at least 0, got Infinity/);
    own.iterations = 2;
    expect(apply).toThrow(/its rate at step 2 must be a number of at least 0, got -0.5/);
    expect(own.iterations).toBe(2);
  });

  it("go on for the weights whose state they have, and count each weight's own steps", async () => {
    for (const make of [
      () => new Adam({ learningRate: 0.1 }),
      () => new AdamW({ form: 'pytorch', learningRate: schedules.constant({ learningRate: 0.1 }) }),
    ]) {
      const [shared, alone, fresh] = [make(), make(), make()];
      const [first, same, second, other] = [0, 1, 2, 3].map(oneWeight);
      const slopes = [0.3, -2, 0.5, 0.1, 1];
      for (const slope of slopes) shared.apply([first], [tensor([[slope]])]);
      // The new weight's steps are its first ones, whether it steps alone or with one that has made some.
      shared.apply([second], [tensor([[0.7]])]);
      shared.apply([first, second], [tensor([[slopes[0]]]), tensor([[0.2]])]);
      for (const slope of [...slopes, slopes[0]]) alone.apply([same], [tensor([[slope]])]);
      for (const slope of [0.7, 0.2]) fresh.apply([other], [tensor([[slope]])]);
      expect(await first.data()).toEqual(await same.data());
      expect(await second.data()).toEqual(await other.data());
      expect([shared.iterations, shared.stepsOf(first), shared.stepsOf(second)]).toEqual([7, 6, 2]);
    }
  });
});
