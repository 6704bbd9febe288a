import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { beforeAll, describe, expect, test, vi } from 'vitest';
import { ArraySource } from '../../src/data/batchSource.ts';
import type { Gpu } from '../../src/gpu/gpu.ts';
import { kernel } from '../../src/gpu/kernel.ts';
import { add, mul } from '../../src/kernels/binary.ts';
import { sum } from '../../src/kernels/reduce.ts';
import { relu } from '../../src/kernels/relu.ts';
import { softmaxCrossEntropy } from '../../src/kernels/softmaxCrossEntropy.ts';
import { type FitOptions, fit } from '../../src/nn/fit.ts';
import { layers } from '../../src/nn/layers/index.ts';
import { Adam } from '../../src/nn/optimizers/index.ts';
import { sequential } from '../../src/nn/sequential.ts';
import { defineOp, gradients, variable } from '../../src/tensor/autograd.ts';
import { full, ones } from '../../src/tensor/create.ts';
import { launch } from '../../src/tensor/launch.ts';
import { record } from '../../src/tensor/record.ts';
import { scope } from '../../src/tensor/scope.ts';
import { empty, type Tensor, tensor } from '../../src/tensor/tensor.ts';
import { testGpu } from '../support/gpu.ts';

/*
 * Work that is done again and again leaves nothing: no byte on the GPU, no growing heap. WEFT_LEAKS=full does it as often as a long
 * process does, and prints what it finds.
 */

const isFull = process.env.WEFT_LEAKS === 'full';
if (isFull) vi.setConfig({ testTimeout: 1_800_000 });
const times = (few: number, many: number) => (isFull ? many : few);
/** What the heap may seem to grow by: it is never quite the same after two collections. A step that leaked 322 bytes took 644 KB. */
const HEAP_NOISE = 300_000;

// Code that is optimized late would look like what is left.
setFlagsFromString('--no-opt');
setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;

let gpu: Gpu;
/** Bytes of all buffers of the device that weren't destroyed. */
let deviceBytes = 0;
beforeAll(async () => {
  gpu = await testGpu();
  const { device } = gpu as unknown as { device: GPUDevice };
  const create = device.createBuffer.bind(device);
  Object.defineProperty(device, 'createBuffer', {
    value: (descriptor: GPUBufferDescriptor) => {
      const buffer = create(descriptor);
      const destroy = buffer.destroy.bind(buffer);
      let alive = true;
      deviceBytes += descriptor.size;
      const value = () => {
        if (alive) deviceBytes -= descriptor.size;
        alive = false;
        return destroy();
      };
      return Object.defineProperty(buffer, 'destroy', { value });
    },
  });
});

async function memory() {
  await gpu.sync();
  gpu.pool.trim();
  for (let i = 0; i < 3; i++) {
    collect();
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  return { heap: heapUsed + arrayBuffers, live: gpu.pool.liveBytes, device: deviceBytes };
}

/** Does the work `warm` times, then `count` times more, which must leave nothing. */
async function expectNothingLeft(
  warm: number,
  count: number,
  work: (i: number) => Promise<unknown>,
): Promise<void> {
  for (let i = 0; i < warm; i++) await work(i);
  const before = await memory();
  for (let i = 0; i < count; i++) await work(warm + i);
  const after = await memory();
  if (isFull) console.log(`${expect.getState().currentTestName}: ${count} times,`, { before, after });
  expect(after.live).toBe(before.live);
  expect(after.device).toBe(before.device);
  expect(after.heap - before.heap).toBeLessThan(HEAP_NOISE);
}

/** Resolves where the work fails so. Without `expect`, which keeps something of each promise that it is given. */
async function failsWith(message: string, work: () => unknown): Promise<void> {
  try {
    await work();
  } catch (error) {
    if ((error as Error).message.includes(message)) return;
    throw error;
  }
  throw new Error(`'${message}' was expected to be thrown`);
}

const { conv2d, batchNormalization, maxPooling2d, dropout, flatten, dense } = layers;
const convolutional = (seed = 0) =>
  sequential(
    [
      conv2d({ filters: 4, activation: 'relu' }),
      batchNormalization(),
      maxPooling2d(),
      dropout({ rate: 0.2 }),
      flatten(),
      dense({ units: 3 }),
    ],
    { inputShape: [12, 12, 1], seed },
  );

describe('nothing is left by', () => {
  test('steps, reads and predictions', async () => {
    const [model, optimizer] = [convolutional(), new Adam({ learningRate: 1e-3 })];
    const step = record((x: Tensor, labels: Tensor) => {
      const loss = softmaxCrossEntropy(model.logits(x, { training: true }), labels);
      optimizer.minimize(loss, model.trainableParameters);
      return loss;
    });
    const labels = tensor(Int32Array.of(0, 1));
    const makeStep = async (i: number) => {
      const x = full([2, 12, 12, 1], (i % 7) / 7);
      (await step(x, labels)).dispose();
      x.dispose();
    };
    await expectNothingLeft(300, times(2000, 20_000), makeStep);
    await expectNothingLeft(100, times(1000, 2000), () => labels.data());
    const x = ones([2, 12, 12, 1]);
    const predict = async () => (await model.predict(x)).dispose();
    await expectNothingLeft(100, times(300, 2000), predict);
    for (const used of [step, optimizer, model, labels, x]) used.dispose();
  });

  test('models, optimizers and steps that are made and disposed of', async () => {
    const x = ones([4, 12, 12, 1]);
    const labels = tensor(Int32Array.of(0, 1, 2, 0));
    await expectNothingLeft(20, times(15, 300), async (i) => {
      const [model, optimizer] = [convolutional(i), new Adam()];
      const step = record(() => {
        const loss = softmaxCrossEntropy(model.logits(x, { training: true }), labels);
        optimizer.minimize(loss, model.trainableParameters);
        return loss;
      });
      const loss = await step();
      await loss.item();
      (await model.predict(x)).dispose();
      for (const used of [loss, step, optimizer, model]) used.dispose();
    });
    for (const used of [x, labels]) used.dispose();
  });

  test('a recorded step with ever new shapes', async () => {
    const step = record((x: Tensor) => relu(add(x, 1)));
    const warm = 40;
    // The largest comes first: what plans share is as large as the largest needs.
    const largest = warm + times(200, 500);
    await expectNothingLeft(warm, largest - warm, async (i) => {
      const x = ones([largest - i]);
      (await step(x)).dispose();
      x.dispose();
    });
    step.dispose();
  });

  test('fits that fail', async () => {
    const values = Float32Array.from({ length: 64 }, (_, i) => i / 64);
    const indices = Uint32Array.from({ length: 32 }, (_, i) => i);
    const labels = new Array(32).fill(0);
    const whole = new ArraySource(values, labels, [2]);
    const spoilt = new ArraySource(Float32Array.from(values).fill(Number.NaN, 5, 6), labels, [2]);
    const failing = { onEpochEnd: () => Promise.reject(new Error('on purpose')) };
    const kinds: [Partial<FitOptions>, string][] = [
      [{ train: { source: spoilt, indices } }, 'epoch 1'],
      [{ callbacks: [failing] }, 'on purpose'],
    ];
    const model = sequential([dense({ units: 8, activation: 'relu' }), dense({ units: 2 })], {
      inputShape: [2],
    });
    const optimizer = new Adam();
    await expectNothingLeft(20, times(12, 200), async (i) => {
      const [options, message] = kinds[i % kinds.length];
      const train = { source: whole, indices };
      const validation = { source: whole, indices };
      await failsWith(message, () => fit(model, { train, validation, optimizer, epochs: 2, ...options }));
    });
    for (const used of [model, optimizer, whole, spoilt]) used.dispose();
  });

  test('errors in ops, steps, backward passes and kernels', async () => {
    const broken = kernel({
      name: 'broken-leak',
      lanes: 1,
      write: { y: 'f32' },
      body: 'y[0] = noSuchThing;',
    });
    const failing = defineOp({
      name: 'failing-leak',
      shape: ([x]) => x,
      forward: ({ inputs: [x], output }) => gpu.copy(x.storage.buffer, output.storage.buffer, 4 * x.size),
      backward: () => {
        throw new Error('on purpose');
      },
    });
    const v = variable(ones([16]));
    const throwing = record((x: Tensor) => {
      sum(mul(add(x, tensor([1])), v));
      throw new Error('on purpose');
    });
    const uncompiled = record((x: Tensor) => {
      const y = add(x, 1);
      launch(broken, { y }, { items: 1 });
      return y;
    });
    const [x, ones3] = [ones([16]), ones([3])];
    await expectNothingLeft(20, times(100, 500), async () => {
      await failsWith('on purpose', () => scope(() => gradients(sum(failing([v], undefined)), [v])));
      await failsWith('broadcast', () => add(x, ones3));
      await failsWith('on purpose', () => throwing(x));
      await failsWith("doesn't compile", () => uncompiled(x));
      const y = empty([16]);
      launch(broken, { y }, { items: 1 });
      await failsWith("doesn't compile", () => y.data());
      y.dispose();
    });
    for (const used of [v, throwing, uncompiled, x, ones3]) used.dispose();
  });
});
