import { describe, expect, it } from 'vitest';
import { experiments } from '../../src/experiments/index.ts';
import '../../src/node/hdf5Host.ts';
import { loadKerasModel, saveKerasModel } from '../../src/formats/keras/index.ts';
import { layers } from '../../src/nn/layers/index.ts';
import type { Model } from '../../src/nn/model.ts';
import { sequential } from '../../src/nn/sequential.ts';
import { noGrad } from '../../src/tensor/autograd.ts';
import { sizeOf } from '../../src/tensor/shape.ts';
import { tensor } from '../../src/tensor/tensor.ts';
import { testGpu } from '../support/gpu.ts';
import { withVariants } from '../support/variants.ts';

async function answers(model: Model): Promise<Float32Array> {
  const x = tensor(
    Float32Array.from({ length: sizeOf(model.inputShape) }, (_, i) => Math.sin(i)),
    [1, ...model.inputShape],
  );
  // Shapes are many, and each would compile: the plain variants take all of them.
  const y = withVariants(
    () => 'plain',
    () => noGrad(() => model.call(x)),
  );
  const data = await y.data();
  for (const each of [x, y]) each.dispose();
  return data as Float32Array;
}

async function expectSame(model: Model): Promise<void> {
  const again = await loadKerasModel(await saveKerasModel(model));
  expect([...(await again.weights()).keys()]).toEqual([...(await model.weights()).keys()]);
  const [one, other] = [await answers(model), await answers(again)];
  expect(Math.max(...one.map((value, i) => Math.abs(value - other[i])))).toBeLessThan(1e-6);
  for (const each of [model, again]) each.dispose();
}

describe('Keras files of', () => {
  it.each(experiments.map(({ name, network }) => [name, network] as const))('%s', async (_, network) => {
    await testGpu();
    await expectSame(network(1, 4));
  });

  it('layers that Keras has in another form', async () => {
    await testGpu();
    await expectSame(
      sequential(
        [
          layers.conv2d({ filters: 3, strides: 2, padding: 1, activation: { leakyRelu: 0.1 } }),
          layers.maxPooling2d({ poolSize: [2, 1], strides: 1, padding: 'same' }),
          layers.averagePooling2d({ ceilMode: true }),
          layers.upSampling2d({ size: [2, 1] }),
          layers.resizing({ height: 3, width: 5 }),
          layers.rescaling({ scale: 2, offset: -1 }),
          layers.reshape({ targetShape: [5, -1, 3] }),
          layers.leakyReLU({ alpha: 0.2 }),
          layers.globalAveragePooling2d(),
          layers.dense({ units: 2, activation: { leakyRelu: 0.1 } }),
        ],
        { inputShape: [10, 10, 2] },
      ),
    );
  });
});
