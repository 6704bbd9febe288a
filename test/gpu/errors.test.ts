import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { GpuError } from '../../src/errors.ts';
import type { Gpu } from '../../src/gpu/gpu.ts';
import { kernel } from '../../src/gpu/kernel.ts';
import { relu } from '../../src/kernels/relu.ts';
import { close } from '../../src/tensor/device.ts';
import { launch, range } from '../../src/tensor/launch.ts';
import { tensor } from '../../src/tensor/tensor.ts';
import { testGpu } from '../support/gpu.ts';

// A device that failed stays failed: every test opens its own.
let gpu: Gpu;
beforeEach(async () => {
  gpu = await testGpu();
});
afterEach(() => close());

const broken = kernel({
  name: 'broken',
  lanes: 64,
  write: { y: 'f32' },
  body: 'y[item] = undefinedName + 1.0;',
});

describe('a kernel that does not compile', () => {
  test("is a GpuError with the compiler's message, its line and the whole WGSL", async () => {
    const y = tensor([1, 2]);
    launch(broken, { y }, { items: 2 });
    const error: GpuError = await y.data().catch((caught) => caught);
    expect(error).toBeInstanceOf(GpuError);
    const { message } = error;
    expect(message).toMatch(/^kernel broken doesn't compile:\n {2}line \d+: .*undefinedName/);
    const [, line] = /line (\d+):/.exec(message)!;
    expect(message).toContain(`${line.padStart(4)}   y[item] = undefinedName + 1.0;`);
  });

  test('leaves a device that says so', async () => {
    const x = tensor([1, 2]);
    launch(broken, { y: x }, { items: 2 });
    await x.data().catch(() => {});
    expect(() => relu(x)).toThrow("kernel broken doesn't compile");
    expect(() => tensor([1])).toThrow("kernel broken doesn't compile");
    await expect(gpu.sync()).rejects.toThrow("kernel broken doesn't compile");
  });
});

describe('mistakes in a launch are refused before they reach the device', () => {
  test('a binding, a uniform or an element type that is missing', async () => {
    const scale = kernel({
      name: 'scale',
      lanes: 64,
      read: { x: 'f32' },
      write: { y: 'f32' },
      uniforms: { by: 'f32' },
      body: 'if (item < u.items) { y[item] = u.by * x[item]; }',
    });
    const x = tensor([1, 2]);
    expect(() => launch(scale, { x }, { items: 2, uniforms: { by: 2 } })).toThrow(
      "kernel scale: nothing was bound to 'y'",
    );
    expect(() => launch(scale, { x, y: tensor([0, 0]) }, { items: 2 })).toThrow(
      "kernel scale: uniform 'by' was not given",
    );
    expect(() => kernel({ name: 'wide', lanes: 257, body: '' })).toThrow(
      'kernel wide: lanes must be 1 to 256, got 257',
    );
    expect([...(await x.data())]).toEqual([1, 2]);
  });

  test('one buffer read and written in one dispatch is an error of the device', async () => {
    const swap = kernel({
      name: 'in-place',
      lanes: 64,
      read: { x: 'f32' },
      write: { y: 'f32' },
      body: 'if (item < u.items) { y[item] = x[item]; }',
    });
    const x = tensor(new Float32Array(128));
    launch(swap, { x: range(x, 0, 64), y: range(x, 64, 64) }, { items: 64 });
    await expect(x.data()).rejects.toBeInstanceOf(GpuError);
  });
});

test('closing the device rejects what waits, and what comes later', async () => {
  const x = tensor([1, 2]);
  const waiting = x.data();
  close();
  await expect(waiting).rejects.toThrow('the GPU device was closed');
  expect(() => relu(x)).toThrow('the GPU device was closed');
  expect(() => tensor([1])).toThrow('no GPU is open: await init() first');
});

test('a device can be opened after another was closed', async () => {
  close();
  const other = await testGpu();
  expect(other).not.toBe(gpu);
  expect(await tensor(5).item()).toBe(5);
});
