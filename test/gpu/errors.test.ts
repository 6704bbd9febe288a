import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { GpuError, ShapeError } from '../../src/errors.ts';
import { Gpu } from '../../src/gpu/gpu.ts';
import { kernel } from '../../src/gpu/kernel.ts';
import { add, mul } from '../../src/kernels/binary.ts';
import { relu } from '../../src/kernels/relu.ts';
import { layers } from '../../src/nn/layers/index.ts';
import { sequential } from '../../src/nn/sequential.ts';
import { openAdapter } from '../../src/node/adapter.ts';
import { zeros } from '../../src/tensor/create.ts';
import { close, init } from '../../src/tensor/device.ts';
import { launch, range, split } from '../../src/tensor/launch.ts';
import { record } from '../../src/tensor/record.ts';
import { empty, hostTensor, type Tensor, tensor } from '../../src/tensor/tensor.ts';
import { testGpu } from '../support/gpu.ts';

// Every test opens a device of its own: some lose it.
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
const breakTensor = (y: Tensor) => launch(broken, { y }, { items: y.size });
const values = async (t: Tensor) => [...(await t.data())];
const caught = (promise: Promise<unknown>): Promise<Error> =>
  promise.then(
    () => expect.unreachable('it should fail'),
    (error) => error,
  );

/** The device that a `Gpu` is for. */
const deviceOf = (of: Gpu) => (of as unknown as { device: GPUDevice }).device;

/** Makes buffers of at least so many bytes fail as they do where there is no memory: the device gives an invalid one. */
function exhaust(of: Gpu, bytes: number): () => void {
  const device = deviceOf(of);
  const create = device.createBuffer.bind(device);
  const limited = (descriptor: GPUBufferDescriptor) =>
    create({ ...descriptor, size: descriptor.size >= bytes ? 2 ** 40 : descriptor.size });
  Object.defineProperty(device, 'createBuffer', { value: limited, configurable: true });
  return () => Object.defineProperty(device, 'createBuffer', { value: create, configurable: true });
}

describe('a kernel that does not compile', () => {
  test('is a GpuError of one line, with the whole WGSL beside it', async () => {
    const y = tensor([1, 2]);
    breakTensor(y);
    const error = (await caught(y.data())) as GpuError;
    expect(error).toBeInstanceOf(GpuError);
    const { message, wgsl } = error;
    expect(message).toMatch(
      /^reading a tensor of shape \[2\]: kernel broken doesn't compile: line \d+: [^\n]*undefinedName[^\n]*$/,
    );
    const [, line] = /line (\d+):/.exec(message)!;
    expect(wgsl).toContain(`${line.padStart(4)}   y[item] = undefinedName + 1.0;`);
  });

  test('fails those that need what it writes, before the compiler has answered and after', async () => {
    const model = sequential([layers.dense({ units: 2 })], { inputShape: [2] });
    const x = tensor([[1, 2]]);
    for (let i = 0; i < 2; i++) {
      // Other work in flight, before and after it in the same batch of commands.
      const before = mul(x, 2);
      const y = empty([4]);
      breakTensor(y);
      const after = add(before, 1);
      const made = relu(y);
      const reads = [
        before.data(),
        after.data(),
        model.predict(x),
        y.data(),
        made.data(),
        mul(made, 2).data(),
      ];
      const settled = await Promise.allSettled(reads);
      expect(settled.map(({ status }) => status)).toEqual([
        ...['fulfilled', 'fulfilled', 'fulfilled'],
        ...['rejected', 'rejected', 'rejected'],
      ]);
      expect(await values(before)).toEqual([2, 4]);
      expect(await values(after)).toEqual([3, 5]);
    }
    await gpu.sync();
    expect((await model.save()).length).toBeGreaterThan(0);
  });

  test('can be launched any number of times', async () => {
    const y = empty([4]);
    for (let i = 0; i < 2; i++) {
      for (let launches = 0; launches < 300; launches++) breakTensor(y);
      expect((await caught(y.data())).message).toContain("kernel broken doesn't compile");
    }
    expect(await values(add(tensor([1, 2]), 1))).toEqual([2, 3]);
  });

  test('does not spoil the memory for its next owner', async () => {
    const y = empty([4]);
    breakTensor(y);
    await caught(y.data());
    y.dispose();
    expect(await values(tensor([1, 2, 3, 4]))).toEqual([1, 2, 3, 4]);
    const other = zeros([4]);
    breakTensor(other);
    gpu.write(other.storage.buffer, Float32Array.of(5, 6, 7, 8));
    expect(await values(other)).toEqual([5, 6, 7, 8]);
  });

  test('fails the recorded step that uses it, and what was recorded beside it goes on', async () => {
    const state = zeros([2]);
    const fine = record((x: Tensor) => add(x, 1));
    let isBroken = true;
    const step = record((x: Tensor) => {
      const y = add(x, state);
      if (isBroken) breakTensor(y);
      return y;
    });
    const x = tensor([1, 2]);
    const live = gpu.pool.liveBytes;
    for (let i = 0; i < 2; i++)
      await expect(step(x)).rejects.toThrow("a recorded step: kernel broken doesn't compile");
    await expect(step.prepare(x)).rejects.toThrow("kernel broken doesn't compile");
    await expect(step.profile(x)).rejects.toThrow("kernel broken doesn't compile");
    expect(gpu.pool.liveBytes).toBe(live);
    expect(await values(await fine(x))).toEqual([2, 3]);
    isBroken = false;
    expect(await values(await step(x))).toEqual([1, 2]);
    // An argument, or a tensor from outside, whose values failed.
    const y = empty([2]);
    breakTensor(y);
    await expect(step(y)).rejects.toThrow("kernel broken doesn't compile");
    breakTensor(state);
    await expect(step(x)).rejects.toThrow("kernel broken doesn't compile");
    expect(await values(await fine(x))).toEqual([2, 3]);
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

  test('a buffer that is read and written in one dispatch, or written twice', async () => {
    const move = kernel({
      name: 'in-place',
      lanes: 64,
      read: { x: 'f32' },
      write: { y: 'f32' },
      body: 'if (item < u.items) { y[item] = x[item]; }',
    });
    const both = kernel({
      name: 'twice',
      lanes: 64,
      write: { y: 'f32', z: 'f32' },
      body: 'if (item < u.items) { y[item] = 1.0; z[item] = 2.0; }',
    });
    const x = tensor(new Float32Array(128));
    const shared = "kernel in-place: 'x' and 'y' share a buffer, and it writes only one of them";
    const parts = { x: range(x, 0, 64), y: range(x, 64, 64) };
    expect(() => launch(move, parts, { items: 64 })).toThrow(shared);
    expect(() => launch(move, { x, y: x.view(64, [64]) }, { items: 64 })).toThrow(shared);
    const overlapping = { y: range(x, 0, 65), z: range(x, 64, 64) };
    expect(() => launch(both, overlapping, { items: 64 })).toThrow(
      "kernel twice: 'y' and 'z' overlap, and it writes both",
    );
    launch(both, { y: range(x, 0, 64), z: range(x, 64, 64) }, { items: 64 });
    expect(await values(x)).toEqual([...new Array(64).fill(1), ...new Array(64).fill(2)]);
    const step = record((t: Tensor) =>
      launch(move, { x: range(t, 0, 64), y: range(t, 64, 64) }, { items: 64 }),
    );
    await expect(step(x)).rejects.toThrow(shared);
    // Results of one step lie in one buffer, which makes no difference before they are bound together.
    const two = await record((t: Tensor) => [add(t, 1), add(t, 2)] as const)(x);
    const outcome = (() => {
      try {
        launch(move, { x: split(two[0], 1), y: split(two[1], 1) }, { items: 128 });
        return undefined;
      } catch (error) {
        return (error as Error).message;
      }
    })();
    expect([undefined, shared]).toContain(outcome);
    expect(await values(two[0])).toEqual([...new Array(64).fill(2), ...new Array(64).fill(3)]);
  });

  test('ranges outside a tensor, at places that nothing can be bound at, or too small for an element', async () => {
    const four = kernel({
      name: 'four',
      lanes: 1,
      read: { x: 'vec4f' },
      write: { y: 'f32' },
      body: 'y[0] = x[0].w;',
    });
    const [x, y] = [tensor([1, 2, 3, 4]), tensor([0])];
    const words =
      /^kernel four: 'x' is bound to \d+ bytes from byte \d+ of 256; it takes at least 16, from a multiple of 256 on$/;
    for (const part of [range(x, 0, 65), range(x, 1, 4), range(x, 64, 4), range(x, 0, 3)])
      expect(() => launch(four, { x: part, y }, { items: 1 })).toThrow(words);
    launch(four, { x, y }, { items: 1 });
    expect(await y.item()).toBe(4);
  });

  test('tensors of another GPU than the first operand', async () => {
    const x = tensor([1, 2]);
    const step = record((t: Tensor) => relu(t));
    await step(x);
    close();
    await testGpu();
    const y = tensor([3, 4]);
    expect(() => add(y, x)).toThrow(
      /^kernel \S+: '\w+' \(shape \[2\]\) lies on another GPU than the operands before it, one that was lost or closed$/,
    );
    expect(() => relu(x)).toThrow('the GPU device was closed');
    await expect(x.data()).rejects.toThrow('the GPU device was closed');
    await expect(step(y)).rejects.toThrow('a recorded step was called with tensors of another GPU');
    await expect(record((t: Tensor) => add(t, x))(y)).rejects.toThrow('lies on another GPU');
    expect(await values(add(y, 1))).toEqual([4, 5]);
    x.dispose();
    step.dispose();
  });
});

describe('values of a host tensor are checked before anything is written', () => {
  const wrong: [string, unknown, string][] = [
    ['too many', new Float32Array(2000), 'a Float32Array of 2000'],
    ['too few', Float32Array.of(1), 'a Float32Array of 1'],
    ['another type', Int32Array.of(1, 2, 3), 'a Int32Array of 3'],
    ['nothing', undefined, 'undefined'],
    ['a promise', Promise.resolve(Float32Array.of(1, 2, 3)), 'something else'],
    ['a list', [1, 2, 3], 'something else'],
  ];

  const expected = 'hostTensor: expected a Float32Array of 3 elements for shape [3], got';

  test('at once', async () => {
    const live = gpu.pool.liveBytes;
    for (const [what, given, got] of wrong) {
      const make = () => hostTensor([3], 'f32', () => given as Float32Array);
      expect(make, what).toThrow(ShapeError);
      expect(make, what).toThrow(`${expected} ${got}`);
    }
    expect(gpu.pool.liveBytes).toBe(live);
  });

  test('in a replay: that call fails, and the step lives on', async () => {
    let next: unknown = Float32Array.of(1, 2, 3);
    const step = record((x: Tensor) =>
      add(
        x,
        hostTensor([3], 'f32', () => next as Float32Array),
      ),
    );
    const x = tensor([10, 20, 30]);
    for (const [what, given, got] of wrong) {
      next = Float32Array.of(1, 2, 3);
      expect(await values(await step(x))).toEqual([11, 22, 33]);
      next = given;
      await expect(step(x), what).rejects.toThrow(`${expected} ${got}`);
    }
    next = Float32Array.of(4, 5, 6);
    expect(await values(await step(x))).toEqual([14, 25, 36]);
  });
});

describe('memory that there is not', () => {
  test('fails those that need it, by name', async () => {
    const x = tensor([1, 2]);
    const step = record((t: Tensor) => add(t, 1));
    await step(x);
    // More than a buffer can hold is known at once.
    const elements = gpu.limits.maxBufferSize;
    expect(() => zeros([elements])).toThrow(
      `a tensor of shape [${elements}] needs a buffer of ${4 * elements} bytes, maxBufferSize is ${elements}`,
    );
    const restore = exhaust(gpu, 100_000);
    const kept = mul(x, 3);
    const large = zeros([50_000]);
    const more = add(large, 1);
    const written = tensor(new Float32Array(50_000));
    const inFlight = add(kept, 1);
    const memory =
      /^reading a tensor of shape \[50000\]: the GPU has no memory for a tensor of shape \[50000\]: \d+ bytes, with \d+ allocated/;
    for (const t of [large, more, written]) expect((await caught(t.data())).message).toMatch(memory);
    expect(await values(inFlight)).toEqual([4, 7]);
    expect((await caught(written.data())).message).toMatch(memory);
    const outer = record((t: Tensor) => add(zeros([50_000]), add(t, 1)));
    const small = record((t: Tensor) => add(zeros([500]), add(t, 1)));
    const one = tensor([1]);
    for (let i = 0; i < 2; i++)
      await expect(outer(one)).rejects.toThrow(
        'a recorded step: the GPU has no memory for the temporaries of a recorded step',
      );
    expect(await values(await small(one))).toEqual(new Array(500).fill(2));
    expect(await values(await step(x))).toEqual([2, 3]);
    restore();
    // What there was no memory for can be had later.
    expect(await values(await outer(one))).toEqual(new Array(50_000).fill(2));
    for (const t of [large, more, written]) t.dispose();
    expect(await values(zeros([50_000]))).toEqual(new Array(50_000).fill(0));
  });

  test('fails a recorded step that copies its own result in, which never runs on an older argument', async () => {
    const step = record((t: Tensor) => add(t, 1));
    const x = zeros([5000]);
    const y = await step(x);
    await gpu.sync();
    const restore = exhaust(gpu, 10_000);
    for (const run of [() => step(y), () => step.profile(y)])
      await expect(run()).rejects.toThrow(
        'a recorded step: the GPU has no memory for a tensor of shape [5000]',
      );
    restore();
    const again = await step(await step(x));
    expect(new Set(await values(again))).toEqual(new Set([2]));
  });

  test('fails a read that has none', async () => {
    const x = zeros([5000]);
    await x.item().catch(() => {});
    await gpu.sync();
    const restore = exhaust(gpu, 10_000);
    expect((await caught(x.data())).message).toMatch(
      /^reading a tensor of shape \[5000\]: the GPU has no memory for reading: 32768 bytes/,
    );
    restore();
    expect((await values(x)).every((value) => value === 0)).toBe(true);
  });
});

test('what the device complains of beside the commands is told by the next read, whatever steps run before it', async () => {
  const step = record((t: Tensor) => add(t, 1));
  const x = tensor([1]);
  await step(x);
  deviceOf(gpu).createBuffer({ size: 16, usage: 0 });
  const y = await step(x);
  await new Promise((resolve) => setTimeout(resolve, 100));
  expect((await caught(y.data())).message).toMatch(/^the GPU refused a command: [^\n]*usage/i);
  expect(await values(y)).toEqual([2]);
});

describe('a device that is lost or closed', () => {
  test('rejects what waits, and what comes later', async () => {
    const x = tensor([1, 2]);
    const waiting = x.data();
    close();
    await expect(waiting).rejects.toThrow('the GPU device was closed');
    expect(() => relu(x)).toThrow('the GPU device was closed');
    expect(() => tensor([1])).toThrow('no GPU is open: await init() first');
  });

  test('rejects a recorded step that runs when it is closed, where somebody waits for it', async () => {
    const unhandled: unknown[] = [];
    const note = (error: unknown) => void unhandled.push(error);
    process.on('unhandledRejection', note);
    const step = record((t: Tensor) => add(t, 1));
    const x = tensor([1]);
    void step(x);
    void step.prepare(x);
    const awaited = step(x);
    close();
    await expect(awaited).rejects.toThrow('the GPU device was closed');
    await new Promise((resolve) => setTimeout(resolve, 50));
    process.off('unhandledRejection', note);
    expect(unhandled).toEqual([]);
    await expect(step(x)).rejects.toThrow('the GPU device was closed');
  });

  test('can be replaced after it was closed', async () => {
    close();
    const other = await testGpu();
    expect(other).not.toBe(gpu);
    expect(await tensor(5).item()).toBe(5);
  });

  test('can be replaced after it was lost', async () => {
    const x = tensor([1, 2]);
    const step = record((t: Tensor) => relu(t));
    const waiting = [x.data(), gpu.sync(), step(x)];
    deviceOf(gpu).destroy();
    for (const { status, ...rest } of await Promise.allSettled(waiting)) {
      expect(status).toBe('rejected');
      expect((rest as PromiseRejectedResult).reason).toBeInstanceOf(GpuError);
    }
    await expect(x.data()).rejects.toThrow(
      /^the GPU device was lost \(destroyed\): .*; init\(\) opens another$/,
    );
    expect(() => tensor([1])).toThrow('the GPU device was lost');
    const [other, same] = await Promise.all([testGpu(), testGpu()]);
    expect(other).not.toBe(gpu);
    expect(same).toBe(other);
    expect(await tensor(5).item()).toBe(5);
  });
});

describe('init', () => {
  test('gives calls that overlap one device, at whatever distance', async () => {
    for (const delay of [0, 5, 20, 60]) {
      close();
      const first = init({ adapter: process.env.WEFT_ADAPTER });
      await new Promise((resolve) => setTimeout(resolve, delay));
      const second = init({ adapter: process.env.WEFT_ADAPTER });
      expect(await second).toBe(await first);
    }
  });

  test('is ended by close(), and another begins', async () => {
    close();
    const first = init({ adapter: process.env.WEFT_ADAPTER });
    close();
    const second = testGpu();
    await expect(first).rejects.toThrow('close() was called before init() had opened the GPU');
    await second;
    expect(await tensor(5).item()).toBe(5);
  });

  test('can be called again where it failed', async () => {
    close();
    await expect(init({ adapter: 'no such adapter' })).rejects.toThrow("no adapter 'no such adapter'");
    await testGpu();
    expect(await tensor(5).item()).toBe(5);
  });

  test('lets go of the adapter where no device is opened on it', async () => {
    const { adapter, close: letGo } = await openAdapter({ adapter: process.env.WEFT_ADAPTER });
    const { features, info, limits } = adapter;
    const lost = async () => {
      const device = await adapter.requestDevice();
      device.destroy();
      return device;
    };
    const none = () => Promise.reject(new Error('none left'));
    for (const requestDevice of [none, lost]) {
      let onClose = () => {};
      const closed = new Promise<void>((resolve) => {
        onClose = resolve;
      });
      const stub = { features, info, limits, requestDevice } as unknown as GPUAdapter;
      await expect(Gpu.open(stub, { onClose })).rejects.toThrow(GpuError);
      await closed;
    }
    letGo();
  });
});
