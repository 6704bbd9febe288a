import { expect, it } from 'vitest';
import { avgPool2d } from '../../src/kernels/avgPool2d.ts';
import { conv2d } from '../../src/kernels/conv2d/index.ts';
import { globalAvgPool2d } from '../../src/kernels/globalAvgPool2d.ts';
import { maxPool2d } from '../../src/kernels/maxPool2d.ts';
import { layers, type MaxPooling2dConfig } from '../../src/nn/layers/index.ts';
import { loadModel } from '../../src/nn/modelFile.ts';
import { sequential } from '../../src/nn/sequential.ts';
import { RandomStream } from '../../src/tensor/random.ts';
import { tensor } from '../../src/tensor/tensor.ts';
import { testGpu } from '../support/gpu.ts';

const make = () =>
  sequential(
    [
      layers.maxPooling2d({ poolSize: 3, strides: 2, padding: 1 }),
      layers.averagePooling2d({ poolSize: [2, 3], strides: [1, 2], padding: 'same' }),
      layers.averagePooling2d({ ceilMode: true }),
      layers.globalAveragePooling2d(),
    ],
    { inputShape: [13, 20, 3] },
  );

it('knows the shapes of pools without a device', () => {
  const model = make();
  expect(model.layers.map(({ name, outputShape }) => [name, outputShape])).toEqual([
    ['max_pooling2d', [7, 10, 3]],
    ['average_pooling2d', [7, 5, 3]],
    ['average_pooling2d_1', [4, 3, 3]],
    ['global_average_pooling2d', [3]],
  ]);
  expect(() => sequential([layers.averagePooling2d()], { inputShape: [4] })).toThrow(
    /average_pooling2d: expected images \[height, width, channels\], got \[4\]/,
  );
  expect(() => sequential([layers.globalAveragePooling2d()], { inputShape: [4, 1] })).toThrow(
    /global_average_pooling2d: expected images/,
  );
});

it('computes what the ops do, and is the same from a file', async () => {
  await testGpu();
  const model = make();
  const x = tensor(new RandomStream(1, 'x').uniform(2 * 13 * 20 * 3), [2, 13, 20, 3]);
  const y = await model.call(x).data();
  const first = maxPool2d(x, { poolSize: 3, strides: 2, padding: 1 });
  const second = avgPool2d(first, { poolSize: [2, 3], strides: [1, 2], padding: 'same' });
  expect(await globalAvgPool2d(avgPool2d(second, { ceilMode: true })).data()).toEqual(y);
  const loaded = await loadModel(await model.save());
  expect(await loaded.call(x).data()).toEqual(y);
});

it('a pool after a convolution is part of it only where its windows are the plain ones', async () => {
  await testGpu();
  const x = tensor(new RandomStream(1, 'x').uniform(7 * 7), [1, 7, 7, 1]);
  const plain: MaxPooling2dConfig[] = [{}, { poolSize: [2, 2], strides: 2, padding: 'valid' }];
  const others: MaxPooling2dConfig[] = [
    { poolSize: 3 },
    { strides: 1 },
    { strides: [2, 1] },
    { padding: 'same' },
    { padding: 1 },
    { ceilMode: true },
  ];
  for (const config of [...plain, ...others]) {
    const convolution = layers.conv2d({ filters: 2, padding: 'same' });
    const pool = layers.maxPooling2d(config);
    const model = sequential([convolution, pool], { inputShape: [7, 7, 1] });
    expect(convolution.fuse(pool) !== undefined, JSON.stringify(config)).toBe(plain.includes(config));
    const [kernel, bias] = model.parameters.map((parameter) => parameter.tensor);
    const expected = maxPool2d(conv2d(x, kernel, bias, { padding: 'same' }), config);
    const y = model.call(x);
    expect(y.shape).toEqual([1, ...pool.outputShape]);
    expect(await y.data(), JSON.stringify(config)).toEqual(await expected.data());
  }
});
