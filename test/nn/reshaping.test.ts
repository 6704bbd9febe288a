import { expect, it } from 'vitest';
import { layers } from '../../src/nn/layers/index.ts';
import { loadModel } from '../../src/nn/modelFile.ts';
import { sequential } from '../../src/nn/sequential.ts';
import { tensor } from '../../src/tensor/tensor.ts';
import { testGpu } from '../support/gpu.ts';

const make = () =>
  sequential(
    [
      layers.rescaling({ scale: 0.5, offset: -1 }),
      layers.reshape({ targetShape: [3, -1] }),
      layers.reshape({ targetShape: [2, 3, 1] }),
      layers.rescaling({ scale: 4 }),
    ],
    { inputShape: [6] },
  );

it('knows the shapes without a device', () => {
  expect(make().layers.map(({ name, outputShape }) => [name, outputShape])).toEqual([
    ['rescaling', [6]],
    ['reshape', [3, 2]],
    ['reshape_1', [2, 3, 1]],
    ['rescaling_1', [2, 3, 1]],
  ]);
  expect(() => sequential([layers.reshape({ targetShape: [4, -1] })], { inputShape: [6] })).toThrow(
    /reshape: expected a shape of 6 elements, as x \[6\] has, got \[4, -1\]/,
  );
});

it('computes and is the same from a file, for any batch', async () => {
  await testGpu();
  const model = make();
  const loaded = await loadModel(await model.save());
  for (const batch of [2, 1]) {
    const x = Float32Array.from({ length: 6 * batch }, (_, i) => i);
    const expected = Float32Array.from(x, (value) => 4 * (0.5 * value - 1));
    for (const each of [model, loaded]) {
      const y = each.call(tensor(x, [batch, 6]));
      expect(y.shape).toEqual([batch, 2, 3, 1]);
      expect(await y.data()).toEqual(expected);
    }
  }
});
