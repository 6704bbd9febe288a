import { describe, expect, it } from 'vitest';
import { relu } from '../../src/kernels/relu.ts';
import { extractor } from '../../src/nn/extractor.ts';
import { functional } from '../../src/nn/functional.ts';
import { layers } from '../../src/nn/layers/index.ts';
import { modelFromConfig } from '../../src/nn/modelFile.ts';
import { sequential } from '../../src/nn/sequential.ts';
import { input } from '../../src/nn/symbolic.ts';
import { RandomStream } from '../../src/tensor/random.ts';
import { tensor } from '../../src/tensor/tensor.ts';
import { testGpu } from '../support/gpu.ts';

const network = () =>
  sequential(
    [
      layers.conv2d({ filters: 3, padding: 'same', activation: 'relu' }),
      layers.maxPooling2d(),
      layers.flatten(),
      layers.dense({ units: 5 }),
      layers.dense({ units: 2, activation: 'softmax' }),
    ],
    { inputShape: [4, 4, 1], seed: 3 },
  );

describe('extractor', () => {
  it('has the outputs that were asked for, and only the layers on the way to them', () => {
    const inside = extractor(network(), ['max_pooling2d', 'conv2d']);
    expect(inside.outputShapes).toEqual([
      [2, 2, 3],
      [4, 4, 3],
    ]);
    expect(inside.layers.map(({ name }) => name)).toEqual(['conv2d', 'max_pooling2d']);
    expect(modelFromConfig(JSON.parse(JSON.stringify(inside.toConfig()))).outputShapes).toEqual(
      inside.outputShapes,
    );
  });

  it('refuses a layer that there is not, and one with several outputs', () => {
    expect(() => extractor(network(), ['conv2d_1'])).toThrow("no layer 'conv2d_1'; it has conv2d, ");
    expect(() => extractor(network(), [])).toThrow('at least one layer');
    const [x, twice] = [input({ shape: [3] }), layers.dense({ units: 3 })];
    const model = functional({ inputs: x, outputs: twice.apply(twice.apply(x)) });
    expect(() => extractor(model, ['dense'])).toThrow("layer 'dense' is called 2 times");
  });

  it('gives what the layers give, from weights that stay the model’s', async () => {
    await testGpu();
    const model = network();
    const x = tensor(new RandomStream(1, 'x').uniform(5 * 16), [5, 4, 4, 1]);
    const inside = extractor(model, ['conv2d', 'dense', 'dense_1']);
    const [maps, hidden, probabilities] = await inside.predict([x], { batchSize: 2 });
    const whole = await model.predict(x);
    expect(await probabilities.data()).toEqual(await whole.data());
    const [first] = model.layers;
    expect(await maps.data()).toEqual(await relu(first.linear(x, {})).data());
    expect(hidden.shape).toEqual([5, 5]);
    inside.dispose();
    expect(await (await model.predict(x)).data()).toEqual(await whole.data());
    model.dispose();
  });
});
