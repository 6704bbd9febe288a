import { expect, test } from 'vitest';
import { layers } from '../../src/nn/layers/index.ts';
import { sequential } from '../../src/nn/sequential.ts';
import { tensor } from '../../src/tensor/tensor.ts';
import { testGpu } from '../support/gpu.ts';

test('20,000 layers are made, called, summarised, saved and loaded in linear time, and give their memory back', async () => {
  const gpu = await testGpu();
  const x = tensor([[1, 2]]);
  /** Milliseconds a layer. */
  const timed = async (count: number) => {
    const start = performance.now();
    const model = sequential(
      Array.from({ length: count }, (_, i) =>
        i % 100 ? layers.activation({ activation: 'relu' }) : layers.dense({ units: 2 }),
      ),
      { inputShape: [2] },
    );
    expect(model.summary().split('\n').length).toBe(count + 4);
    const y = model.call(x);
    expect((await y.data()).length).toBe(2);
    y.dispose();
    model.load(await model.save());
    model.dispose();
    return (performance.now() - start) / count;
  };
  await timed(500);
  const live = gpu.pool.liveBytes;
  const short = Math.min(await timed(2000), await timed(2000));
  expect(await timed(20_000)).toBeLessThan(4 * short);
  expect(gpu.pool.liveBytes).toBe(live);
});
