import { describe, expect, it } from 'vitest';
import { concat } from '../../src/kernels/concat.ts';
import { sum } from '../../src/kernels/reduce.ts';
import { square } from '../../src/kernels/unary.ts';
import { functional } from '../../src/nn/functional.ts';
import { layers } from '../../src/nn/layers/index.ts';
import type { Model } from '../../src/nn/model.ts';
import { loadModel, modelFromConfig } from '../../src/nn/modelFile.ts';
import { Adam } from '../../src/nn/optimizers/index.ts';
import { sequential } from '../../src/nn/sequential.ts';
import { input, type SymbolicTensor } from '../../src/nn/symbolic.ts';
import { gradients } from '../../src/tensor/autograd.ts';
import { RandomStream } from '../../src/tensor/random.ts';
import { record } from '../../src/tensor/record.ts';
import { type Tensor, tensor } from '../../src/tensor/tensor.ts';
import { testGpu } from '../support/gpu.ts';

const values = (shape: number[], name = 'x'): Tensor =>
  tensor(
    new RandomStream(1, name).uniform(shape.reduce((a, b) => a * b)).map((u) => u - 0.5),
    shape,
  );

const bits = async (t: Tensor) => Array.from(await t.data());

/** A residual block: two convolutions with batch-norm beside a way around them. */
function residual(seed = 3): Model {
  const x = input({ shape: [6, 5, 4] });
  let y = layers.conv2d({ filters: 4, padding: 'same' }).apply(x);
  y = layers.batchNormalization().apply(y);
  y = layers.activation({ activation: 'relu' }).apply(y);
  y = layers.conv2d({ filters: 4, padding: 'same', name: 'second' }).apply(y);
  y = layers.add({ activation: 'relu' }).apply([y, x]);
  y = layers.dropout({ rate: 0.25 }).apply(y);
  y = layers.dense({ units: 3, activation: 'softmax' }).apply(layers.flatten().apply(y));
  return functional({ inputs: x, outputs: y, seed });
}

describe('a functional model without a device', () => {
  it('names layers as Keras does, in the order in which they were put on', () => {
    const names = residual().layers.map(({ name }) => name);
    expect(names).toEqual([
      ...['conv2d', 'batch_normalization', 'activation', 'second', 'add', 'dropout', 'flatten', 'dense'],
    ]);
    const unnamed = sequential(
      [
        layers.flatten(),
        layers.dense({ units: 2, name: 'dense_1' }),
        layers.dense({ units: 2 }),
        layers.dense({ units: 1 }),
      ],
      { inputShape: [3, 1, 1] },
    );
    expect(unnamed.layers.map(({ name }) => name)).toEqual(['flatten', 'dense_1', 'dense', 'dense_2']);
  });

  it('shows where a layer takes its inputs from', () => {
    expect(residual().summary()).toMatch(/add \(relu\) +\[N, 6, 5, 4\] +0 {2}second, input\n/);
  });

  it('counts a shared layer once and its multiply-adds at each call', () => {
    const [a, b] = [input({ shape: [5] }), input({ shape: [5] })];
    const shared = layers.dense({ units: 4 });
    const out = layers.concatenate().apply([shared.apply(a), shared.apply(b)]);
    const model = functional({ inputs: [a, b], outputs: out });
    expect(model.parameters.map(({ name, size }) => [name, size])).toEqual([
      ['dense.kernel', 20],
      ['dense.bias', 4],
    ]);
    expect(model.multiplyAdds).toBe(40);
    expect(model.outputShapes).toEqual([[8]]);
    expect(model.summary()).toContain('shared');
  });

  it('counts multiply-adds of convolutions', () => {
    // 6 x 5 outputs, 9 taps, 4 to 4 channels, twice; then 120 to 3.
    expect(residual().multiplyAdds).toBe(2 * 30 * 9 * 16 + 360);
  });

  it('refuses what is no graph of its inputs', () => {
    const [x, other] = [input({ shape: [4] }), input({ shape: [4], name: 'other' })];
    const dense = (from: SymbolicTensor) => layers.dense({ units: 2 }).apply(from);
    const y = layers.add().apply([dense(x), dense(other)]);
    expect(() => functional({ inputs: x, outputs: y })).toThrow(/takes an input 'other' that isn't among/);
    expect(() => functional({ inputs: [x, other], outputs: dense(x) })).toThrow(
      /no output depends on input 1/,
    );
    expect(() => functional({ inputs: dense(x), outputs: dense(x) })).toThrow(/is the output of a layer/);
    const twins = () => layers.dense({ units: 4, name: 'twin' });
    expect(() => functional({ inputs: x, outputs: twins().apply(twins().apply(x)) })).toThrow(
      /two layers .*'twin'/,
    );
  });

  it('refuses inputs that a layer cannot take', () => {
    const [a, b] = [input({ shape: [4, 4, 2] }), input({ shape: [4, 4, 3] })];
    expect(() => layers.add().apply([a, b])).toThrow(/add: expected inputs of one shape/);
    expect(() => layers.concatenate().apply([a, input({ shape: [4, 5, 3] })])).toThrow(
      /differ in channels only/,
    );
    expect(() => layers.flatten().apply([a, b])).toThrow(/flatten: expected one input, got 2/);
    const shared = layers.conv2d({ filters: 3 });
    shared.apply(a);
    expect(() => shared.apply(b)).toThrow(/its kernel \[3, 3, 2, 3\]/);
  });
});

describe('a functional model', () => {
  it('computes what its layers do one by one, and gives the memory back', async () => {
    const gpu = await testGpu();
    const model = residual();
    const x = values([2, 6, 5, 4]);
    const byName = (name: string) => model.layer(name);
    const run = (name: string, ...inputs: Tensor[]) => byName(name).call(inputs[0], {}, ...inputs.slice(1));
    const normal = run('activation', run('batch_normalization', run('conv2d', x)));
    const expected = run('dense', run('flatten', run('add', run('second', normal), x)));
    const before = gpu.pool.liveBytes;
    const y = model.call(x);
    expect(await bits(y)).toEqual(await bits(expected));
    y.dispose();
    expect(gpu.pool.liveBytes).toBe(before);
    expect(await bits(await model.predict(x))).toEqual(await bits(expected));
  });

  it('sums the gradients of a value that is taken twice', async () => {
    await testGpu();
    const x = input({ shape: [3] });
    const h = layers.dense({ units: 3, name: 'h' }).apply(x);
    // The linear activation hands its input on: both its handles must live as long as they are needed.
    const same = layers.activation({ activation: 'linear' }).apply(h);
    const model = functional({ inputs: x, outputs: layers.add().apply([h, same, h]) });
    const batch = values([4, 3]);
    const loss = sum(model.call(batch, { training: true }));
    const [dBias] = gradients(loss, [model.layer('h').parameters[1].tensor]);
    expect(await bits(dBias)).toEqual([12, 12, 12]);
  });

  it('takes several inputs and gives several outputs, an input among them', async () => {
    await testGpu();
    const [a, b] = [input({ shape: [2], name: 'a' }), input({ shape: [3], name: 'b' })];
    const joined = layers.concatenate().apply([a, b]);
    const model = functional({
      inputs: [a, b],
      outputs: [joined, a, layers.dense({ units: 1 }).apply(joined)],
    });
    const inputs = [values([5, 2], 'a'), values([5, 3], 'b')];
    const expected = await bits(concat(inputs, 1));
    const outputs = await model.predict(inputs, { batchSize: 2 });
    expect(outputs.map(({ shape }) => shape)).toEqual([
      [5, 5],
      [5, 2],
      [5, 1],
    ]);
    expect(await bits(outputs[0])).toEqual(expected);
    expect(await bits(outputs[1])).toEqual(await bits(inputs[0]));
    const called = model.callAll(inputs);
    expect(await bits(called[2])).toEqual(await bits(outputs[2]));
    called[1].dispose();
    expect(await bits(inputs[0])).toHaveLength(10);
    expect(() => model.call(inputs[0])).toThrow(/this model has 2 and 3/);
    expect(() => model.callAll([inputs[0]])).toThrow(/expected 2 inputs, got 1/);
    expect(() => model.callAll([inputs[0], values([4, 3])])).toThrow(/batches of one size, 5 .*input 'b'/);
  });

  it('comes back from its file', async () => {
    await testGpu();
    const model = residual();
    model.layer('second').trainable = false;
    const file = await model.save();
    const copy = loadModel(file);
    expect(copy.toConfig()).toEqual(model.toConfig());
    expect(copy.layers.map(({ name, trainable }) => [name, trainable])).toEqual(
      model.layers.map(({ name, trainable }) => [name, trainable]),
    );
    const x = values([2, 6, 5, 4]);
    expect(await bits(await copy.predict(x))).toEqual(await bits(await model.predict(x)));
    expect(await copy.save()).toEqual(file);
    const shared = layers.dense({ units: 3 });
    const one = input({ shape: [3] });
    const twice = functional({ inputs: one, outputs: shared.apply(shared.apply(one)), seed: 9 });
    const again = modelFromConfig(JSON.parse(JSON.stringify(twice.toConfig())));
    expect(again.parameters).toHaveLength(2);
    const z = values([2, 3]);
    expect(await bits(again.call(z))).toEqual(await bits(twice.call(z)));
  });
});

describe('a frozen layer', () => {
  const step = (model: Model, optimizer: Adam) =>
    record((x: Tensor) => {
      const loss = sum(square(model.call(x, { training: true })));
      optimizer.minimize(loss, model.trainableParameters);
      return loss;
    });

  it('keeps its weights, and its batch-norm stays in inference mode', async () => {
    await testGpu();
    const model = residual();
    for (const name of ['conv2d', 'batch_normalization']) model.layer(name).trainable = false;
    const before = await model.weights();
    const train = step(model, new Adam());
    await train(values([4, 6, 5, 4]));
    const after = await model.weights();
    const changed = [...before].filter(([name, { data }]) => `${data}` !== `${after.get(name)!.data}`);
    expect(changed.map(([name]) => name)).toEqual([
      'second.kernel',
      'second.bias',
      'dense.kernel',
      'dense.bias',
    ]);
    expect(model.summary()).toMatch(/batch_normalization frozen/);
  });

  it('trains again once it is unfrozen', async () => {
    await testGpu();
    const model = residual();
    const frozen = model.layers.slice(0, 2);
    for (const layer of frozen) layer.trainable = false;
    const x = values([4, 6, 5, 4]);
    await step(model, new Adam())(x);
    const before = await model.weights();
    for (const layer of frozen) layer.trainable = true;
    await step(model, new Adam())(x);
    const after = await model.weights();
    for (const [name, { data }] of before) expect(`${after.get(name)!.data}`, name).not.toBe(`${data}`);
  });
});

describe('conventions', () => {
  it('keeps the moving variance as Keras or as PyTorch does', async () => {
    await testGpu();
    const rows = values([6, 3]);
    const data = (await rows.data()) as Float32Array;
    const variance = (divisor: number) =>
      [0, 1, 2].map((c) => {
        const column = [0, 1, 2, 3, 4, 5].map((row) => data[3 * row + c]);
        const mean = column.reduce((a, b) => a + b) / 6;
        return column.reduce((total, v) => total + (v - mean) ** 2, 0) / divisor;
      });
    for (const [convention, momentum, divisor] of [
      ['keras', 0.99, 6],
      ['pytorch', 0.9, 5],
    ] as const) {
      const model = sequential([layers.batchNormalization({ convention })], { inputShape: [3] });
      await model.call(rows, { training: true }).data();
      const moving = await model.parameters[3].data();
      variance(divisor).forEach((v, c) => {
        expect(moving[c], convention).toBeCloseTo(momentum + (1 - momentum) * v, 6);
      });
    }
  });

  it('leaves gamma and beta out where they are not wanted', async () => {
    await testGpu();
    const plain = layers.batchNormalization({ scale: false, center: false });
    const model = sequential([plain], { inputShape: [3] });
    expect(model.parameters.map(({ ownName }) => ownName)).toEqual(['moving_mean', 'moving_variance']);
    const [x, usual] = [values([5, 3]), sequential([layers.batchNormalization()], { inputShape: [3] })];
    expect(await bits(model.call(x, { training: true }))).toEqual(
      await bits(usual.call(x, { training: true })),
    );
  });

  it("draws PyTorch's first weights and biases within 1 / sqrt(inputs)", async () => {
    await testGpu();
    const pytorch = { kernelInitializer: 'fanInUniform', biasInitializer: 'fanInUniform' } as const;
    const model = sequential([layers.conv2d({ filters: 200, ...pytorch })], { inputShape: [5, 5, 7] });
    for (const parameter of model.parameters) {
      const drawn = await parameter.data();
      const limit = 1 / Math.sqrt(63);
      const largest = drawn.reduce((most, v) => Math.max(most, Math.abs(v)), 0);
      expect(largest, parameter.name).toBeLessThanOrEqual(limit);
      expect(largest, parameter.name).toBeGreaterThan(0.95 * limit);
    }
  });
});
