import { describe, expect, it } from 'vitest';
import { add } from '../../src/kernels/binary.ts';
import { sum } from '../../src/kernels/reduce.ts';
import { relu } from '../../src/kernels/relu.ts';
import { softmax } from '../../src/kernels/softmax.ts';
import { leakyRelu, sigmoid, square, tanh } from '../../src/kernels/unary.ts';
import { functional } from '../../src/nn/functional.ts';
import type { Activation, Layer } from '../../src/nn/layer.ts';
import { layers } from '../../src/nn/layers/index.ts';
import { modelFromConfig } from '../../src/nn/modelFile.ts';
import { sequential } from '../../src/nn/sequential.ts';
import { input } from '../../src/nn/symbolic.ts';
import { gradients } from '../../src/tensor/autograd.ts';
import { RandomStream } from '../../src/tensor/random.ts';
import { scope } from '../../src/tensor/scope.ts';
import { type Tensor, tensor } from '../../src/tensor/tensor.ts';
import { testGpu } from '../support/gpu.ts';

const values = (shape: number[], name = 'x'): Tensor =>
  tensor(
    new RandomStream(1, name).uniform(shape.reduce((a, b) => a * b)).map((u) => 4 * u - 2),
    shape,
  );

const activations: [Activation, (x: Tensor) => Tensor][] = [
  ['linear', (x) => x],
  ['relu', relu],
  ['leakyRelu', (x) => leakyRelu(x, 0.3)],
  [{ leakyRelu: 0.01 }, (x) => leakyRelu(x, 0.01)],
  ['sigmoid', sigmoid],
  ['tanh', tanh],
  ['softmax', softmax],
];

const chain = (inputShape: number[], ...list: Layer[]) => sequential(list, { inputShape, seed: 2 });

describe('activations of layers', () => {
  it.each(activations)('%j is the op', async (activation, op) => {
    await testGpu();
    const x = values([3, 5]);
    const wanted = op(chain([5], layers.dense({ units: 4 })).call(x));
    const model = chain([5], layers.dense({ units: 4, activation }));
    const data = await model.call(x).data();
    expect(data).toEqual(await wanted.data());
    const alone = chain([5], layers.activation({ activation }));
    expect(await alone.call(x).data()).toEqual(await op(x).data());
    const again = modelFromConfig(JSON.parse(JSON.stringify(model.toConfig())));
    expect(await again.call(x).data()).toEqual(data);
  });

  it('leakyReLU is a layer with the slope of Keras', async () => {
    await testGpu();
    const x = values([3, 5]);
    for (const [config, slope] of [
      [{}, 0.3],
      [{ alpha: 0.1 }, 0.1],
    ] as const) {
      const model = chain([5], layers.leakyReLU(config));
      expect(await model.call(x).data()).toEqual(await leakyRelu(x, slope).data());
      expect(model.summary()).toContain(`leaky_re_lu (leakyRelu ${slope})`);
    }
  });

  const beforePool: Activation[] = [{ leakyRelu: 0.01 }, 'tanh', 'softmax'];
  it.each(beforePool)(
    '%j after a convolution gives the same before a max-pool as after',
    async (activation) => {
      await testGpu();
      const x = values([2, 8, 6, 3]);
      const run = (model: { call: (x: Tensor) => Tensor; parameters: { tensor: Tensor }[] }) =>
        scope(() => {
          const y = model.call(x);
          return [
            y,
            ...gradients(
              sum(square(y)),
              model.parameters.map((parameter) => parameter.tensor),
            ),
          ];
        });
      const conv = { filters: 4, padding: 'same' } as const;
      const fused = run(chain([8, 6, 3], layers.conv2d({ ...conv, activation }), layers.maxPooling2d()));
      const apart = run(
        chain([8, 6, 3], layers.conv2d(conv), layers.activation({ activation }), layers.maxPooling2d()),
      );
      for (const [i, t] of fused.entries()) {
        const [found, wanted] = [await t.data(), await apart[i].data()];
        const largest = Math.max(...wanted.map(Math.abs));
        found.forEach((value, at) => {
          expect(Math.abs(value - wanted[at]), `result ${i}, element ${at}`).toBeLessThan(1e-5 * largest);
        });
      }
    },
  );

  it('the logits are what a last softmax or sigmoid is given', async () => {
    await testGpu();
    const x = values([3, 5]);
    const plain = await chain([5], layers.dense({ units: 4 }))
      .call(x)
      .data();
    for (const activation of ['softmax', 'sigmoid'] as const) {
      expect(
        await chain([5], layers.dense({ units: 4, activation }))
          .logits(x)
          .data(),
      ).toEqual(plain);
      const apart = chain([5], layers.dense({ units: 4 }), layers.activation({ activation }));
      expect(await apart.logits(x).data()).toEqual(plain);
    }
    const bounded = chain([5], layers.dense({ units: 4, activation: 'tanh' }));
    expect(await bounded.logits(x).data()).toEqual(await bounded.call(x).data());
  });

  it('names an activation that there is not', () => {
    const make = (activation: unknown) => () =>
      chain([5], layers.dense({ units: 4, activation: activation as Activation }));
    expect(make('swish')).toThrow(
      "dense: expected an activation of linear, relu, leakyRelu, sigmoid, tanh, softmax or { leakyRelu: slope }, got 'swish'",
    );
    expect(make('toString')).toThrow("got 'toString'");
    expect(make({ leakyRelu: 'steep' })).toThrow('got an object { leakyRelu }');
  });
});

it('a sum with a relu keeps one tensor for the backward pass', async () => {
  const gpu = await testGpu();
  const shape = [16, 16, 4];
  const inputs = ['a', 'b', 'c'].map((name) => values([2, ...shape], name));
  for (const x of inputs) x.requiresGrad = true;
  const sources = inputs.map(() => input({ shape }));
  const model = functional({ inputs: sources, outputs: layers.add({ activation: 'relu' }).apply(sources) });
  const before = gpu.pool.liveBytes;
  const [y] = model.callAll(inputs);
  expect(gpu.pool.liveBytes - before).toBe(4 * y.size);
  const [a, b, c] = inputs;
  expect(await y.data()).toEqual(await relu(add(add(a, b), c)).data());
});
