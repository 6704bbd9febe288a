import fs from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { torchvisionTransforms } from '../../src/data/augmentation.ts';
import type { Experiment } from '../../src/experiments/experiment.ts';
import { experiments } from '../../src/experiments/index.ts';
import { type TrainOptions, train } from '../../src/experiments/train.ts';
import { layers } from '../../src/nn/layers/index.ts';
import { decodeSafetensors, encodeSafetensors } from '../../src/nn/safetensors.ts';
import { sequential } from '../../src/nn/sequential.ts';
import { Lines } from './lines.ts';
import { safetensorsOf, temporaryFolder } from './weft.ts';

const { averagePooling2d, conv2d, dense, flatten } = layers;

/** A recipe with everything that v5's hasn't got, of a network that compiles fast. */
const transfer: Experiment = {
  name: 'transfer',
  title: 'a small network with a large recipe',
  project: 'icdss',
  network: (seed) =>
    sequential(
      [
        conv2d({ filters: 2, activation: 'relu' }),
        averagePooling2d({ poolSize: 13 }),
        flatten(),
        dense({ units: 10, activation: 'softmax' }),
      ],
      { inputShape: [28, 28, 1], seed },
    ),
  parameters: undefined,
  reported: {},
  recipe: {
    batchSize: 6,
    optimizer: { name: 'SGD', form: 'pytorch', learningRate: 0.01, momentum: 0.9, sam: { rho: 0.05 } },
    epochs: 1,
    batches: 'all',
    trainingImages: 16,
    validationImages: 8,
    replicate: torchvisionTransforms([{ kind: 'randomHorizontalFlip', p: 0.8 }, { kind: 'randomErasing' }]),
    tested: 'last',
    frozenPhase: { frozenLayers: 1, optimizer: { name: 'Adam', learningRate: 0.01 }, epochs: 1 },
  },
};

const autoencoder: Experiment = {
  ...transfer,
  name: 'backAgain',
  task: 'reconstruct',
  network: (seed) =>
    sequential([conv2d({ filters: 1, padding: 'same', activation: 'sigmoid' })], {
      inputShape: [28, 28, 1],
      seed,
    }),
  recipe: {
    batchSize: 8,
    optimizer: { name: 'AdamW', learningRate: 0.01, weightDecay: 0.01 },
    epochs: 2,
    trainingImages: 16,
    validationImages: 0,
    tested: 'last',
  },
};

let folder: string;
const path = (name: string) => join(folder, name);
const json = async (name: string) => JSON.parse(await fs.readFile(path(name), 'utf8'));

beforeAll(async () => {
  (experiments as Experiment[]).push(transfer, autoencoder);
  folder = await temporaryFolder();
  // The frozen layer's weights are told apart by their value.
  const model = transfer.network(0);
  const weights = model.parameters.map(
    ({ name, shape, size }) => [name, { shape, data: new Float32Array(size).fill(0.25) }] as const,
  );
  await fs.writeFile(path('weights.safetensors'), encodeSafetensors(new Map(weights)));
});
afterAll(async () => {
  (experiments as Experiment[]).splice(-2);
  await fs.rm(folder, { recursive: true });
});

const adapter = process.env.WEFT_ADAPTER;
async function run(name: string, options: TrainOptions): Promise<{ code: number; lines: string[] }> {
  const out = new Lines();
  const code = await train(name, { adapter, noTune: true, ...options }, out);
  return { code, lines: out.lines };
}

const RECIPE: TrainOptions = { preset: 'recipe', seed: 5, limit: 8 };

describe('a recipe with a frozen phase', () => {
  const withWeights = () => ({ ...RECIPE, weights: path('weights.safetensors') });

  it('is refused without weights, saying why and what to do', async () => {
    await expect(run('transfer', { ...RECIPE, out: path('refused') })).rejects.toThrow(
      /transfer begins with 1 frozen layers.*random.*--weights FILE.*--unfrozen/,
    );
    await expect(fs.access(path('refused'))).rejects.toThrow();
  });

  it('keeps the frozen weights in it, and trains them afterwards', async () => {
    const { code, lines } = await run('transfer', { ...withWeights(), out: path('whole') });
    expect(code).toBe(0);
    expect(lines.filter((line) => line.startsWith('phase'))).toEqual([
      'phase 1 of 2: 1 of 4 layers frozen',
      'phase 2 of 2: 0 of 4 layers frozen',
    ]);
    const { epochs } = await json('whole/history.json');
    expect(epochs.map(({ epoch }: { epoch: number }) => epoch)).toEqual([1, 2]);
    const weightsOf = async (file: string) => {
      const { tensors } = decodeSafetensors(new Uint8Array(await fs.readFile(path(file))));
      return tensors.get('conv2d.kernel')!.data;
    };
    expect([...(await weightsOf('whole/checkpoint.safetensors'))].every((value) => value === 0.25)).toBe(
      true,
    );
    expect([...(await weightsOf('whole/last.safetensors'))].some((value) => value !== 0.25)).toBe(true);
    // 16 images, the copies among them, in batches of 6: the last one has 4.
    expect((await json('whole/manifest.json')).choices.plan).toMatchObject({
      trainingImages: 8,
      batches: 'all',
    });
    expect((await json('whole/result.json')).tested.epoch).toBe(2);
  });

  it('goes on from wherever it is stopped, bit for bit', async () => {
    // With the choices of the first run, so that nothing is timed before the first step. Each of these stops follows a step.
    const again: TrainOptions = { maxTime: 1e-3 };
    const first = await run('transfer', { ...again, like: path('whole'), out: path('parts') });
    const stops = [first];
    for (let i = 0; i < 3; i++) stops.push(await run('transfer', { ...again, resume: path('parts') }));
    for (const { code, lines } of stops) {
      expect(code).toBe(0);
      expect(lines.some((line) => line.includes('go on: weft train transfer --resume'))).toBe(true);
    }
    // Three steps make an epoch: the fourth stop is in the second phase.
    expect(stops.map(({ lines }) => lines.some((line) => line.startsWith('phase 2')))).toEqual([
      ...[false, false, false, true],
    ]);
    expect((await run('transfer', { resume: path('parts') })).code).toBe(0);
    const [expected, got] = await Promise.all([safetensorsOf(path('whole')), safetensorsOf(path('parts'))]);
    expect([...got.keys()]).toEqual([...expected.keys()]);
    for (const [file, bytes] of expected) expect(got.get(file)!.equals(bytes), file).toBe(true);
  }, 300_000);

  it('trains every layer from random weights where it is told so', async () => {
    const { code, lines } = await run('transfer', { ...RECIPE, unfrozen: true, epochs: 1, out: path('all') });
    expect(code).toBe(0);
    expect(lines.filter((line) => line.startsWith('phase'))).toEqual([]);
  });
});

describe('an autoencoder', () => {
  it('is trained to give images back, without validation, and tested by its error', async () => {
    const { code, lines } = await run('backAgain', { ...RECIPE, out: path('again') });
    expect(code).toBe(0);
    expect(lines.join('\n')).toMatch(/weights of epoch 2: mean squared error 0\.\d+ on 8 test images/);
    const { epochs } = await json('again/history.json');
    expect(Object.keys(epochs[0])).toEqual(['epoch', 'loss']);
    expect(epochs[1].loss).toBeLessThan(epochs[0].loss);
    expect((await json('again/result.json')).test).toEqual({ samples: 8, loss: expect.any(Number) });
  });
});
