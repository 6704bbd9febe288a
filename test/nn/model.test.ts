import { describe, expect, it } from 'vitest';
import { v5 } from '../../src/experiments/czerny/v5.ts';
import { sum } from '../../src/kernels/reduce.ts';
import { initializers } from '../../src/nn/initializers.ts';
import { layers } from '../../src/nn/layers/index.ts';
import type { Model } from '../../src/nn/model.ts';
import { loadModel } from '../../src/nn/modelFile.ts';
import { decodeSafetensors, encodeSafetensors } from '../../src/nn/safetensors.ts';
import { sequential } from '../../src/nn/sequential.ts';
import { gradients } from '../../src/tensor/autograd.ts';
import { RandomStream } from '../../src/tensor/random.ts';
import { record } from '../../src/tensor/record.ts';
import { type Tensor, tensor } from '../../src/tensor/tensor.ts';
import { testGpu } from '../support/gpu.ts';

describe('a model without a device', () => {
  it('counts the parameters of v5 layer by layer', () => {
    const model = v5.network(0);
    const counts = model.layers
      .map(({ parameters }) => parameters.reduce((total, { size }) => total + size, 0))
      .filter((count) => count > 0);
    expect(counts).toEqual([
      640, 256, 73856, 512, 73792, 256, 73856, 512, 73792, 256, 73856, 2048, 262656, 262656, 5130,
    ]);
    expect(model.summary()).toContain('904,074 parameters: 902,154 trainable, 1,920 not');
    expect(model.summary()).toContain('[N, 5, 5, 128]');
  });

  it('refuses shapes that do not fit, naming the layer', () => {
    expect(() => sequential([layers.dense({ units: 3 })], { inputShape: [4, 4, 1] })).toThrow(
      /dense: expected vectors.*got \[4, 4, 1\]/,
    );
    expect(() => sequential([layers.maxPooling2d({ poolSize: 5 })], { inputShape: [4, 4, 1] })).toThrow(
      /max_pooling2d.*5x5/,
    );
    expect(() => sequential([layers.dropout({ rate: 1 })], { inputShape: [4] })).toThrow(/rate/);
  });

  it('refuses a layer that is part of another model', () => {
    const layer = layers.dense({ units: 2 });
    sequential([layer], { inputShape: [3] });
    expect(() => sequential([layer], { inputShape: [3] })).toThrow(/already part of a model/);
  });
});

describe('moments for a batch-norm', () => {
  const makeModel = () =>
    sequential([layers.dropout({ rate: 0.3 }), layers.batchNormalization()], {
      inputShape: [5, 3, 8],
      seed: 3,
    });
  const values = Float32Array.from(new RandomStream(1, 'x').uniform(4 * 5 * 3 * 8), (value) => value + 10);

  it('are gathered by the layer before it, in training', async () => {
    const gpu = await testGpu();
    const x = tensor(values, [4, 5, 3, 8]);
    const dispatchesOf = (run: () => Tensor) => {
      const before = gpu.counters.dispatches;
      const y = run();
      return { dispatches: gpu.counters.dispatches - before, y };
    };
    const [model, alone] = [makeModel(), makeModel()];
    // Parameters are made and written at their first use.
    for (const { parameters } of [model, alone]) for (const parameter of parameters) await parameter.data();
    const options = { training: true };
    const together = dispatchesOf(() => model.call(x, options));
    const oneByOne = dispatchesOf(() => alone.layers.reduce((y, layer) => layer.call(y, options), x));
    expect(together.dispatches).toBe(oneByOne.dispatches - 1);
    const [a, b] = [await together.y.data(), await oneByOne.y.data()];
    a.forEach((value, i) => {
      expect(Math.abs(value - b[i]), `element ${i}`).toBeLessThan(1e-5);
    });
    expect(dispatchesOf(() => model.call(x)).dispatches).toBe(1);
  });

  it('leave nothing behind in a recorded step', async () => {
    const gpu = await testGpu();
    const model = makeModel();
    const x = tensor(values, [4, 5, 3, 8]);
    const step = record((x: Tensor) => {
      const y = model.call(x, { training: true });
      return gradients(
        sum(y),
        model.trainableParameters.map(({ tensor }) => tensor),
      );
    });
    await step(x);
    const [live, { buffers, bindGroups }] = [gpu.pool.liveBytes, { ...gpu.counters }];
    const allocated = step.allocatedBytes;
    await step(x);
    expect(gpu.pool.liveBytes).toBe(live);
    expect(step.allocatedBytes).toBe(allocated);
    expect(gpu.counters).toMatchObject({ buffers, bindGroups });
    step.dispose();
  });
});

describe('initializers', () => {
  it('draw within the limits and with the deviations of their papers', () => {
    const glorot = initializers.glorotUniform([3, 3, 64, 128], new RandomStream(1, 'a'));
    const limit = Math.sqrt(6 / (9 * (64 + 128)));
    expect(Math.max(...glorot)).toBeLessThanOrEqual(limit);
    expect(Math.max(...glorot)).toBeGreaterThan(0.99 * limit);
    expect(deviation(glorot) / (limit / Math.sqrt(3))).toBeCloseTo(1, 2);
    const he = initializers.heNormal([3, 3, 64, 128], new RandomStream(1, 'b'));
    expect(deviation(he) / Math.sqrt(2 / (9 * 64))).toBeCloseTo(1, 2);
  });

  it('give every weight of a seed its own values, the same each time', () => {
    const [a, b] = [
      initializers.glorotUniform([8, 8], new RandomStream(1, 'a')),
      initializers.glorotUniform([8, 8], new RandomStream(1, 'b')),
    ];
    expect(a).not.toEqual(b);
    expect(a).toEqual(initializers.glorotUniform([8, 8], new RandomStream(1, 'a')));
    expect(a).not.toEqual(initializers.glorotUniform([8, 8], new RandomStream(2, 'a')));
  });
});

function deviation(values: Float32Array): number {
  const mean = values.reduce((a, b) => a + b, 0) / values.length;
  return Math.sqrt(values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length);
}

describe('saving and loading', () => {
  const make = (seed: number) =>
    sequential(
      [
        layers.conv2d({ filters: 3, activation: 'relu' }),
        layers.batchNormalization(),
        layers.flatten(),
        layers.dense({ units: 4, activation: 'softmax' }),
      ],
      { inputShape: [5, 5, 2], seed },
    );

  it('brings back the model and its outputs', async () => {
    await testGpu();
    const model = make(1);
    const x = tensor(new RandomStream(0, 'x').uniform(2 * 50), [2, 5, 5, 2]);
    const outputs = async (of: Model) => (await of.predict(x)).data();
    const file = await model.save();
    const copy = loadModel(file);
    expect(await outputs(copy)).toEqual(await outputs(model));
    expect(await copy.save()).toEqual(file);
    const other = make(2);
    expect(await outputs(other)).not.toEqual(await outputs(model));
    other.load(file);
    expect(await outputs(other)).toEqual(await outputs(model));
  });

  it('changes nothing and names the weight where a file does not fit', async () => {
    await testGpu();
    const model = make(1);
    const before = await model.save();
    const other = sequential([layers.conv2d({ filters: 5 }), layers.flatten(), layers.dense({ units: 4 })], {
      inputShape: [5, 5, 2],
    });
    const file = await other.save();
    expect(() => model.load(file)).toThrow(/conv2d.kernel.*\[3, 3, 2, 5\].*\[3, 3, 2, 3\]/);
    expect(await model.save()).toEqual(before);
  });
});

describe('safetensors', () => {
  const tensors = new Map([
    ['a', { shape: [2, 2], data: Float32Array.of(1, 2, 3, 4) }],
    ['b', { shape: [3], data: Int32Array.of(-1, 0, 1) }],
  ]);

  it('reads what it writes, aligned, with metadata', () => {
    const file = encodeSafetensors(tensors, { key: 'value' });
    expect(new DataView(file.buffer).getBigUint64(0, true) % 8n).toBe(0n);
    expect(decodeSafetensors(file)).toEqual({ tensors, metadata: { key: 'value' } });
  });

  it.each([
    ['empty', (file: Uint8Array) => file.subarray(0, 0), /not a safetensors file: 0 bytes/],
    ['cut in the header', (file: Uint8Array) => file.subarray(0, 40), /cut short/],
    [
      'cut in the data',
      (file: Uint8Array) => file.subarray(0, file.length - 4),
      /'b' claims bytes 16 to 28 of 24/,
    ],
    ['no JSON', (file: Uint8Array) => file.map((byte, i) => (i === 8 ? 0 : byte)), /damaged JSON/],
  ])('refuses a file that is %s', (_, damage, message) => {
    expect(() => decodeSafetensors(damage(encodeSafetensors(tensors)))).toThrow(message);
  });
});
