import { beforeAll, describe, expect, it } from 'vitest';
import type { Gpu } from '../../src/gpu/gpu.ts';
import { extractor } from '../../src/nn/extractor.ts';
import { layers } from '../../src/nn/layers/index.ts';
import { sequential } from '../../src/nn/sequential.ts';
import { noGrad } from '../../src/tensor/autograd.ts';
import { RandomStream } from '../../src/tensor/random.ts';
import { record } from '../../src/tensor/record.ts';
import { scope } from '../../src/tensor/scope.ts';
import { type Tensor, tensor } from '../../src/tensor/tensor.ts';
import { testGpu } from '../support/gpu.ts';

let gpu: Gpu;
beforeAll(async () => {
  gpu = await testGpu();
});

/** Every kind of layer, dropout and batch-norm among them: what inference does otherwise than training. */
const make = (seed: number) =>
  sequential(
    [
      layers.conv2d({ filters: 8, padding: 'same', activation: 'relu' }),
      layers.batchNormalization(),
      layers.maxPooling2d(),
      layers.dropout({ rate: 0.5 }),
      layers.flatten(),
      layers.dense({ units: 5, activation: 'softmax' }),
    ],
    { inputShape: [6, 6, 2], seed },
  );

const SAMPLE = 72;
const pixels = new RandomStream(3, 'images').uniform(11 * SAMPLE);
const images = (first: number, count: number) =>
  tensor(pixels.slice(first * SAMPLE, (first + count) * SAMPLE), [count, 6, 6, 2]);

async function read(predicted: Promise<Tensor>): Promise<number[]> {
  const y = await predicted;
  const values = [...(await y.data())];
  y.dispose();
  return values;
}

/** The largest difference, in units in the last place of probabilities near 1. */
function ulps(a: readonly number[], b: readonly number[]): number {
  expect(a).toHaveLength(b.length);
  return Math.max(...a.map((value, i) => Math.abs(value - b[i]))) / 2 ** -24;
}

describe('predict', () => {
  it('gives what call gives in inference mode, in batches of any size and one at a time', async () => {
    const model = make(1);
    const x = images(0, 11);
    const eager = scope(() => noGrad(() => model.call(x)));
    const expected = [...(await eager.data())];
    expect(expected).toHaveLength(11 * 5);
    for (const batchSize of [undefined, 11, 4, 3, 1]) {
      const y = await model.predict(x, { batchSize });
      expect(y.shape).toEqual([11, 5]);
      expect(y.requiresGrad || y.node !== undefined).toBe(false);
      expect(ulps([...(await y.data())], expected), `batchSize ${batchSize}`).toBeLessThan(8);
      y.dispose();
    }
    for (let n = 0; n < 11; n++) {
      const one = images(n, 1);
      const found = await read(model.predict(one));
      expect(ulps(found, expected.slice(5 * n, 5 * n + 5)), `image ${n}`).toBeLessThan(8);
      one.dispose();
    }
    for (const used of [model, x, eager]) used.dispose();
  });

  it('makes no GPU object and holds no more memory from the second call on', async () => {
    const model = make(1);
    const [one, many] = [images(0, 1), images(0, 11)];
    const calls = async () => {
      await read(model.predict(one));
      // Batches of 4, 4 and 3.
      await read(model.predict(many, { batchSize: 4 }));
    };
    const state = () => {
      const { buffers, bindGroups, pipelines } = gpu.counters;
      return { buffers, bindGroups, pipelines, live: gpu.pool.liveBytes };
    };
    await calls();
    const before = state();
    const { dispatches } = gpu.counters;
    for (let i = 0; i < 3; i++) await calls();
    expect(state()).toEqual(before);
    expect(gpu.counters.dispatches).toBeGreaterThan(dispatches);
    for (const used of [model, one, many]) used.dispose();
  });

  it('keeps calls that are not awaited apart, though their images are disposed of at once', async () => {
    const model = make(1);
    const apart = [];
    for (let n = 0; n < 6; n++) {
      const x = images(n, 1);
      apart.push(await read(model.predict(x)));
      x.dispose();
    }
    expect(new Set(apart.map(String)).size).toBe(6);
    const together = await Promise.all(
      apart.map((_, n) => {
        const x = images(n, 1);
        const result = model.predict(x);
        x.dispose();
        return result;
      }),
    );
    // Read only when all have run: no call wrote over the result of an earlier one.
    for (const [n, y] of together.entries()) {
      expect([...(await y.data())]).toEqual(apart[n]);
      y.dispose();
    }
    model.dispose();
  });

  it('sees weights that were set or loaded', async () => {
    const [model, other] = [make(1), make(2)];
    const x = images(0, 3);
    const first = await read(model.predict(x));
    const wanted = await read(other.predict(x));
    expect(wanted).not.toEqual(first);
    const [own, foreign] = [await model.weights(), await other.weights()];
    model.setWeights(foreign);
    expect(await read(model.predict(x))).toEqual(wanted);
    model.load(await other.save());
    expect(await read(model.predict(x))).toEqual(wanted);
    model.setWeights(own);
    expect(await read(model.predict(x))).toEqual(first);
    for (const used of [model, other, x]) used.dispose();
  });

  it('leaves nothing in memory when the model is disposed of', async () => {
    const x = images(0, 3);
    const before = gpu.pool.liveBytes;
    const model = make(1);
    await read(model.predict(x, { batchSize: 2 }));
    expect(gpu.pool.liveBytes).toBeGreaterThan(before);
    model.dispose();
    expect(gpu.pool.liveBytes).toBe(before);
    const other = make(2);
    const late = other.predict(x);
    other.dispose();
    await expect(late).rejects.toThrow(/model was disposed of before this prediction was done/);
    expect(gpu.pool.liveBytes).toBe(before);
    x.dispose();
  });

  it('is an error once the model was disposed of, as is all that needs its weights', async () => {
    const x = images(0, 3);
    const model = make(1);
    const inside = extractor(model, ['conv2d']);
    (await model.predict(x)).dispose();
    (await inside.predict(x)).dispose();
    model.dispose();
    expect(() => model.predict(x)).toThrow('model.predict() was called after model.dispose()');
    const used = 'weight conv2d.kernel was used after the dispose() of its model or layer';
    expect(() => model.call(x)).toThrow(used);
    await expect(model.save()).rejects.toThrow(used);
    const weights = await make(1).weights();
    expect(() => model.setWeights(weights)).toThrow(used);
    await expect(inside.predict(x)).rejects.toThrow(
      'a recorded step uses weight conv2d.kernel of shape [3, 3, 2, 8], which was disposed of',
    );
    for (const used of [inside, x]) used.dispose();
  });

  it('says which shape was wrong, and what belongs inside record()', async () => {
    const model = make(1);
    const [single, wrong, x] = [
      images(0, 1).alias([6, 6, 2]),
      images(0, 1).alias([1, 6, 2, 6]),
      images(0, 2),
    ];
    expect(() => model.predict(single)).toThrow(
      'predict: expected a batch [N, 6, 6, 2], got [6, 6, 2], a single sample: reshape it to [1, 6, 6, 2]',
    );
    expect(() => model.predict(wrong)).toThrow('expected a batch [N, 6, 6, 2], got [1, 6, 2, 6]');
    expect(() => model.call(single)).toThrow('model: expected a batch [N, 6, 6, 2], got [6, 6, 2]');
    for (const batchSize of [0, 1.5, Number.NaN])
      expect(() => model.predict(x, { batchSize })).toThrow(
        `a batchSize that is a whole number of at least 1, got ${batchSize}`,
      );
    const step = record((x: Tensor) => ({ y: model.predict(x) }));
    await expect(step(x)).rejects.toThrow(/predict\(\) was called inside record\(\): use model\.call\(x\)/);
    step.dispose();
    model.dispose();
  });
});
