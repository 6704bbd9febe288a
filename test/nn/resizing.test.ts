import { expect, it } from 'vitest';
import { resizeBilinear } from '../../src/kernels/resizeBilinear.ts';
import { upSampling2d } from '../../src/kernels/upSampling2d.ts';
import { layers } from '../../src/nn/layers/index.ts';
import { loadModel } from '../../src/nn/modelFile.ts';
import { sequential } from '../../src/nn/sequential.ts';
import { RandomStream } from '../../src/tensor/random.ts';
import { tensor } from '../../src/tensor/tensor.ts';
import { testGpu } from '../support/gpu.ts';

const make = () =>
  sequential(
    [
      layers.resizing({ height: 9, width: 4 }),
      layers.upSampling2d({ size: [1, 3] }),
      layers.upSampling2d(),
      layers.resizing({ height: 5, width: 5, alignCorners: true }),
    ],
    { inputShape: [6, 7, 2] },
  );

it('knows the shapes of resized images without a device', () => {
  expect(make().layers.map(({ name, outputShape }) => [name, outputShape])).toEqual([
    ['resizing', [9, 4, 2]],
    ['up_sampling2d', [9, 12, 2]],
    ['up_sampling2d_1', [18, 24, 2]],
    ['resizing_1', [5, 5, 2]],
  ]);
  expect(() => sequential([layers.resizing({ height: 0, width: 2 })], { inputShape: [2, 2, 1] })).toThrow(
    /resizing: height must be a whole number of at least 1, got 0/,
  );
  expect(() => sequential([layers.upSampling2d()], { inputShape: [3] })).toThrow(
    /up_sampling2d: expected images/,
  );
});

it('computes what the ops do, and is the same from a file', async () => {
  await testGpu();
  const model = make();
  const x = tensor(new RandomStream(1, 'x').uniform(2 * 6 * 7 * 2), [2, 6, 7, 2]);
  const y = await model.call(x).data();
  const enlarged = upSampling2d(upSampling2d(resizeBilinear(x, [9, 4]), [1, 3]));
  expect(await resizeBilinear(enlarged, [5, 5], { alignCorners: true }).data()).toEqual(y);
  const loaded = await loadModel(await model.save());
  expect(await loaded.call(x).data()).toEqual(y);
});
