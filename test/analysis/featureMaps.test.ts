import { beforeAll, describe, expect, it } from 'vitest';
import { deadChannels, featureMaps, filters } from '../../src/analysis/featureMaps.ts';
import { ImageSource } from '../../src/data/batchSource.ts';
import { functional } from '../../src/nn/functional.ts';
import { layers } from '../../src/nn/layers/index.ts';
import type { Model } from '../../src/nn/model.ts';
import { sequential } from '../../src/nn/sequential.ts';
import { input } from '../../src/nn/symbolic.ts';
import { RandomStream } from '../../src/tensor/random.ts';
import { type Tensor, tensor } from '../../src/tensor/tensor.ts';
import { testGpu } from '../support/gpu.ts';

beforeAll(async () => {
  await testGpu();
});

const { conv2d, dense, flatten } = layers;

/** 1x1 filters, so that what a channel gives is plain: weight times pixel, plus bias. */
const pointwise = (filters: number, activation: 'relu' | 'linear' = 'relu') =>
  conv2d({ filters, kernelSize: 1, activation });

function setWeights(model: Model, layer: string, weights: Record<string, number[]>): void {
  for (const parameter of model.layer(layer).parameters)
    parameter.set(Float32Array.from(weights[parameter.ownName]));
}

/** Channel 0: x; 1: nothing above 0, a dead ReLU; 2: above 0 where x is above 0.9; 3: the constant 1 of a filter of zeros. */
function planted(): Model {
  const model = sequential([pointwise(4), flatten(), dense({ units: 3, activation: 'relu' })], {
    inputShape: [3, 2, 1],
    seed: 1,
  });
  setWeights(model, 'conv2d', { kernel: [1, -1, 1, 0], bias: [0, 0, -0.9, 1] });
  setWeights(model, 'dense', { kernel: new Array(72).fill(1), bias: [0, -1000, 0] });
  return model;
}

/** N images of 0.5, the last pixel of one of them 1. */
function images(count: number, bright = -1): Tensor {
  const pixels = new Float32Array(count * 6).fill(0.5);
  if (bright >= 0) pixels[bright * 6 + 5] = 1;
  return tensor(pixels, [count, 3, 2, 1]);
}

describe('featureMaps', () => {
  it('gives what each convolution gives, and says which channels are zero for each image', async () => {
    const model = planted();
    const maps = await featureMaps(model, images(2, 1));
    expect([...maps.keys()]).toEqual(['conv2d']);
    const { shape, data, blank } = maps.get('conv2d')!;
    expect(shape).toEqual([2, 3, 2, 4]);
    expect([...data.slice(0, 8)]).toEqual([0.5, 0, 0, 1, 0.5, 0, 0, 1]);
    expect(data[data.length - 2]).toBeCloseTo(0.1, 6);
    expect(blank).toEqual([[1, 2], [1]]);
    model.dispose();
  });

  it('takes any layer, units as channels where there is no height and width', async () => {
    const model = planted();
    const maps = await featureMaps(model, images(1), { layers: ['dense', 'conv2d', 'dense'] });
    expect([...maps.keys()]).toEqual(['dense', 'conv2d']);
    expect(maps.get('dense')).toMatchObject({ shape: [1, 3], blank: [[1]] });
    expect([...maps.get('dense')!.data]).toEqual([9, 0, 9]);
    model.dispose();
  });

  it('looks into models of branches, with frozen layers and several inputs', async () => {
    const [a, b] = [input({ shape: [3, 2, 1] }), input({ shape: [3, 2, 1] })];
    const [left, right] = [pointwise(1, 'linear'), pointwise(2, 'linear')];
    left.trainable = false;
    const joined = layers.concatenate().apply([left.apply(a), right.apply(b)]);
    const model = functional({ inputs: [a, b], outputs: joined });
    setWeights(model, 'conv2d', { kernel: [2], bias: [0] });
    setWeights(model, 'conv2d_1', { kernel: [-1, 0], bias: [0, 0] });
    const maps = await featureMaps(model, [images(1), images(1)]);
    expect([...maps.get('conv2d')!.data]).toEqual(new Array(6).fill(1));
    expect([...maps.get('conv2d_1')!.data.slice(0, 2)]).toEqual([-0.5, 0]);
    expect(maps.get('conv2d_1')!.blank).toEqual([[1]]);
    model.dispose();
  });

  it('leaves a layer with several outputs out, and refuses it by its name', async () => {
    const [x, twice, once] = [input({ shape: [3, 2, 1] }), pointwise(1), pointwise(1)];
    const model = functional({ inputs: x, outputs: once.apply(twice.apply(twice.apply(x))) });
    const maps = await featureMaps(model, images(1));
    expect([...maps.keys()]).toEqual([once.name]);
    await expect(featureMaps(model, images(1), { layers: [twice.name] })).rejects.toThrow(
      `layer '${twice.name}' is called 2 times`,
    );
    model.dispose();
  });

  it('says what is wrong with layers and images', async () => {
    const model = planted();
    await expect(featureMaps(model, images(1), { layers: ['conv'] })).rejects.toThrow(
      "no layer 'conv'; it has",
    );
    await expect(featureMaps(model, images(1), { layers: [] })).rejects.toThrow('layers holds no name');
    await expect(featureMaps(model, tensor([[1, 2]]))).rejects.toThrow('expected a batch [N, 3, 2, 1]');
    const flat = sequential([dense({ units: 2 })], { inputShape: [3] });
    await expect(featureMaps(flat, tensor([[1, 2, 3]]))).rejects.toThrow('the model has no convolution');
  });
});

describe('deadChannels', () => {
  it('finds channels with one value everywhere, across batches', async () => {
    const model = planted();
    const x = images(5, 4);
    const done: number[] = [];
    const onProgress = (images: number) => done.push(images);
    const found = await deadChannels(model, x, { batchSize: 2, onProgress });
    expect(done).toEqual([2, 4, 5]);
    expect(found.get('conv2d')).toEqual({ layer: 'conv2d', channels: 4, dead: [1, 3] });
    expect(found.get('dense')).toEqual({ layer: 'dense', channels: 3, dead: [1] });
    const without = await deadChannels(model, images(4), { layers: ['conv2d'] });
    expect([...without.keys()]).toEqual(['conv2d']);
    // All images alike: no channel tells anything of them.
    expect(without.get('conv2d')!.dead).toEqual([0, 1, 2, 3]);
    model.dispose();
  });

  it('agrees with the activations themselves, from a source of bytes', async () => {
    const count = 40;
    const bytes = Uint8Array.from(new RandomStream(3, 'bytes').uniform(count * 36), (value) => 256 * value);
    const set = { images: bytes, labels: new Uint8Array(count), count, height: 6, width: 6, channels: 1 };
    const source = new ImageSource({ ...set, classNames: ['only'] });
    const model = sequential(
      [
        conv2d({ filters: 12, activation: 'relu' }),
        pointwise(7, 'linear'),
        layers.activation({ activation: 'relu' }),
      ],
      { inputShape: [6, 6, 1], seed: 5 },
    );
    const [bias] = model.layer('conv2d').parameters.slice(1);
    bias.set(Float32Array.from({ length: 12 }, (_, i) => (i % 3 === 0 ? -3 : 0)));
    const indices = Uint32Array.from({ length: 30 }, (_, i) => i + 5);
    const found = await deadChannels(model, { source, indices }, { batchSize: 10 });
    expect([...found.keys()]).toEqual(['conv2d', 'conv2d_1', 'activation']);
    const x = tensor(
      Float32Array.from(bytes.subarray(5 * 36, 35 * 36), (byte) => byte / 255),
      [30, 6, 6, 1],
    );
    const maps = await featureMaps(model, x, { layers: [...found.keys()], batchSize: 10 });
    for (const [name, { channels, dead }] of found) {
      const { data } = maps.get(name)!;
      const ranges = Array.from({ length: channels }, (_, channel) => {
        const values = data.filter((_, i) => i % channels === channel);
        return Math.max(...values) - Math.min(...values);
      });
      expect(dead, name).toEqual(ranges.flatMap((range, channel) => (range === 0 ? channel : [])));
    }
    expect(found.get('conv2d')!.dead).toEqual(expect.arrayContaining([0, 3, 6, 9]));
    source.dispose();
    model.dispose();
  });

  it('refuses nothing to look at', async () => {
    const model = planted();
    const none = { source: new ImageSource(emptySet), indices: new Uint32Array(0) };
    await expect(deadChannels(model, none)).rejects.toThrow('deadChannels: images has no samples');
    await expect(deadChannels(model, images(1), { batchSize: 0 })).rejects.toThrow('batchSize must be');
    await expect(deadChannels(model, images(1), { layers: ['x'] })).rejects.toThrow("no layer 'x'");
    const linear = sequential([dense({ units: 2 })], { inputShape: [3] });
    await expect(deadChannels(linear, tensor([[1, 2, 3]]))).rejects.toThrow('no convolution and no ReLU');
  });
});

const emptySet = {
  ...{ images: new Uint8Array(6), labels: new Uint8Array(1), count: 1, height: 3, width: 2, channels: 1 },
  classNames: ['only'],
};

describe('filters', () => {
  it('takes each filter out of the weights', async () => {
    const model = sequential([conv2d({ filters: 2, kernelSize: [1, 2] }), pointwise(3)], {
      inputShape: [3, 2, 2],
    });
    // [height, width, input channel, filter]
    setWeights(model, 'conv2d', { kernel: [1, 10, 2, 20, 3, 30, 4, -40], bias: [0, 0] });
    expect(await filters(model)).toEqual({
      layer: 'conv2d',
      shape: [2, 1, 2, 2],
      data: Float32Array.of(1, 2, 3, 4, 10, 20, 30, -40),
      range: [-40, 30],
    });
    expect((await filters(model, 'conv2d_1')).shape).toEqual([3, 1, 1, 2]);
    model.dispose();
  });

  it('says where there are none', async () => {
    const model = planted();
    await expect(filters(model, 'dense')).rejects.toThrow(
      "filters: layer 'dense' is no convolution (dense); there are conv2d",
    );
    await expect(filters(model, 'x')).rejects.toThrow("no layer 'x'");
    const flat = sequential([dense({ units: 2 })], { inputShape: [3] });
    await expect(filters(flat)).rejects.toThrow('filters: the model has no convolution');
  });
});
