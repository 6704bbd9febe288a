import { expect, it } from 'vitest';
import { conv2d } from '../../src/kernels/conv2d/index.ts';
import { conv2dTranspose } from '../../src/kernels/conv2dTranspose.ts';
import { layers } from '../../src/nn/layers/index.ts';
import { loadModel } from '../../src/nn/modelFile.ts';
import { sequential } from '../../src/nn/sequential.ts';
import { RandomStream } from '../../src/tensor/random.ts';
import { tensor } from '../../src/tensor/tensor.ts';
import { testGpu } from '../support/gpu.ts';

const make = () =>
  sequential(
    [
      layers.conv2d({
        filters: 4,
        kernelSize: [5, 2],
        strides: 2,
        padding: 'same',
        kernelRegularizer: { l2: 0.01 },
        activation: 'relu',
      }),
      layers.conv2d({
        filters: 3,
        kernelSize: 2,
        padding: [
          [0, 1],
          [2, 0],
        ],
        strides: [1, 2],
      }),
      layers.conv2dTranspose({
        filters: 2,
        strides: [1, 2],
        padding: 'same',
        outputPadding: [0, 1],
        kernelRegularizer: { l2: 0.5 },
      }),
    ],
    { inputShape: [9, 12, 1], seed: 4 },
  );

it('knows the shapes and penalties of strided and transposed convolutions without a device', () => {
  const model = make();
  expect(model.layers.map(({ outputShape }) => outputShape)).toEqual([
    [5, 6, 4],
    [5, 4, 3],
    [5, 8, 2],
  ]);
  expect(model.parameters.map(({ name, shape }) => [name, shape])).toEqual([
    ['conv2d.kernel', [5, 2, 1, 4]],
    ['conv2d.bias', [4]],
    ['conv2d_1.kernel', [2, 2, 4, 3]],
    ['conv2d_1.bias', [3]],
    ['conv2d_transpose.kernel', [3, 3, 2, 3]],
    ['conv2d_transpose.bias', [2]],
  ]);
  expect(
    model.layers.flatMap(({ penalties }) => penalties).map(({ parameter, l2 }) => [parameter.name, l2]),
  ).toEqual([
    ['conv2d.kernel', 0.01],
    ['conv2d_transpose.kernel', 0.5],
  ]);
  expect(() =>
    sequential([layers.conv2dTranspose({ filters: 1, outputPadding: 1 })], { inputShape: [3, 3, 1] }),
  ).toThrow(/output padding from 0 to below the strides/);
});

it('computes what the ops do, and is the same from a file', async () => {
  await testGpu();
  const model = make();
  const x = tensor(new RandomStream(1, 'x').uniform(2 * 9 * 12), [2, 9, 12, 1]);
  const y = await model.call(x).data();
  const [w1, b1, w2, b2, w3, b3] = model.parameters.map((parameter) => parameter.tensor);
  const first = conv2d(x, w1, b1, { strides: 2, padding: 'same', activation: 'relu' });
  const second = conv2d(first, w2, b2, {
    padding: [
      [0, 1],
      [2, 0],
    ],
    strides: [1, 2],
  });
  const third = conv2dTranspose(second, w3, b3, { strides: [1, 2], padding: 'same', outputPadding: [0, 1] });
  expect(await third.data()).toEqual(y);
  const loaded = await loadModel(await model.save());
  expect(await loaded.call(x).data()).toEqual(y);
});
