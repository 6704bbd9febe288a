import { expect, test } from 'vitest';
import { layers } from '../../src/nn/layers/index.ts';
import { sequential } from '../../src/nn/sequential.ts';
import { close } from '../../src/tensor/device.ts';
import { testGpu } from '../support/gpu.ts';

test('weights that no buffer holds are refused when the layer is put on its input, before any is drawn', async () => {
  const wide = () => sequential([layers.dense({ units: 2 ** 31 })], { inputShape: [10] });
  const filters = () => sequential([layers.conv2d({ filters: 2 ** 30 })], { inputShape: [8, 8, 3] });
  close();
  expect(wide).toThrow(
    /dense\.kernel: expected at most 1073741824 values, .*, got 21474836480 of shape \[10, 2147483648\]/,
  );
  expect(filters).toThrow(/conv2d\.kernel: expected at most \d+ values/);
  const { limits } = await testGpu();
  expect(wide).toThrow(`at most ${Math.floor(limits.maxBufferSize / 4)} values`);
  // A dense layer's are cut where they pass a binding, a convolution's are not.
  const convolution = () => sequential([layers.conv2d({ filters: 4096 })], { inputShape: [8, 8, 1024] });
  if (limits.maxStorageBufferBindingSize < 4 * 9 * 1024 * 4096)
    expect(convolution).toThrow(
      /conv2d\.kernel: expected at most \d+ values, which one binding of the GPU holds/,
    );
});
