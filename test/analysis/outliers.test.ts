import { describe, expect, it } from 'vitest';
import { rankOutliers, reconstructionErrors } from '../../src/analysis/outliers.ts';
import { ImageSource } from '../../src/data/batchSource.ts';
import { layers } from '../../src/nn/layers/index.ts';
import { sequential } from '../../src/nn/sequential.ts';
import { RandomStream } from '../../src/tensor/random.ts';
import { tensor } from '../../src/tensor/tensor.ts';
import { testGpu } from '../support/gpu.ts';

const { dense, flatten, reshape } = layers;
const autoencoder = () =>
  sequential([flatten(), dense({ units: 3 }), dense({ units: 8 }), reshape({ targetShape: [2, 2, 2] })], {
    inputShape: [2, 2, 2],
    seed: 4,
  });

describe('reconstructionErrors', () => {
  it('is the mean squared difference of each image, across batches, of samples in their order', async () => {
    await testGpu();
    const model = autoencoder();
    const bytes = Uint8Array.from(new RandomStream(1, 'x').uniform(11 * 8), (value) => 256 * value);
    const pixels = Float32Array.from(bytes, (byte) => byte / 255);
    const x = tensor(pixels, [11, 2, 2, 2]);
    const y = (await (await model.predict(x)).data()) as Float32Array;
    const expected = Array.from({ length: 11 }, (_, n) => {
      const differences = pixels.subarray(n * 8, n * 8 + 8).map((value, i) => (y[n * 8 + i] - value) ** 2);
      return differences.reduce((sum, value) => sum + value, 0) / 8;
    });
    const errors = await reconstructionErrors(model, x, { batchSize: 4 });
    expect(errors.length).toBe(11);
    for (const [n, error] of errors.entries()) expect(error).toBeCloseTo(expected[n], 5);
    const set = { images: bytes, labels: new Uint8Array(11), count: 11, height: 2, width: 2, channels: 2 };
    const source = new ImageSource({ ...set, classNames: ['only'] });
    const some = await reconstructionErrors(model, { source, indices: Uint32Array.of(9, 2) });
    expect(some[0]).toBeCloseTo(expected[9], 5);
    expect(some[1]).toBeCloseTo(expected[2], 5);
    source.dispose();
    model.dispose();
  });

  it('refuses what is no autoencoder, and one that gives no numbers', async () => {
    await testGpu();
    const x = tensor(new Float32Array(16).fill(1), [2, 2, 2, 2]);
    const classifier = sequential([flatten(), dense({ units: 3 })], { inputShape: [2, 2, 2] });
    await expect(reconstructionErrors(classifier, x)).rejects.toThrow(
      'expected an autoencoder, which gives [2, 2, 2] back, got a model that gives [3]',
    );
    const model = autoencoder();
    model.layer('dense').parameters[1].set(Float32Array.of(0, Number.POSITIVE_INFINITY, 0));
    await expect(reconstructionErrors(model, x)).rejects.toThrow('no numbers back for image 0');
    model.dispose();
  });
});

describe('rankOutliers', () => {
  it('puts the largest first, equal ones in their order', () => {
    expect(rankOutliers(Float32Array.of(1, 4, 2, 4), 3)).toEqual([
      { index: 1, score: 4 },
      { index: 3, score: 4 },
      { index: 2, score: 2 },
    ]);
    expect(rankOutliers([3, 5]).map(({ index }) => index)).toEqual([1, 0]);
    expect(rankOutliers([], 4)).toEqual([]);
  });

  it('refuses a score that is no number', () => {
    expect(() => rankOutliers([1, Number.NaN])).toThrow('the score of sample 1 is no number');
  });
});
