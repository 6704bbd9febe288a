import fs from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { v5 } from '../../src/experiments/czerny/v5.ts';
import { evaluateRuns } from '../../src/experiments/evaluate.ts';
import type { Experiment } from '../../src/experiments/experiment.ts';
import { experiments } from '../../src/experiments/index.ts';
import type { Kernels } from '../../src/experiments/manifest.ts';
import { predict } from '../../src/experiments/predict.ts';
import { batchSizes, presetOf, withOverrides } from '../../src/experiments/presets.ts';
import { readManifest } from '../../src/experiments/run.ts';
import { type TrainOptions, train } from '../../src/experiments/train.ts';
import { describeKernels, tuneExperiment } from '../../src/experiments/tune.ts';
import { layers } from '../../src/nn/layers/index.ts';
import { sequential } from '../../src/nn/sequential.ts';
import { cachePath } from '../../src/node/cacheDir.ts';
import type { StoredChoice, TuneRow } from '../../src/tensor/tune.ts';
import { Lines } from './lines.ts';
import { safetensorsOf, temporaryFolder } from './weft.ts';

const { conv2d, maxPooling2d, batchNormalization, flatten, dense } = layers;
/** A network with few kernels to compile, trained as v5 is. */
const small: Experiment = {
  ...v5,
  name: 'small',
  network: (seed) =>
    sequential(
      [
        ...[conv2d({ filters: 4, activation: 'relu' }), maxPooling2d({ poolSize: 2 }), batchNormalization()],
        ...[conv2d({ filters: 8, padding: 'same', activation: 'relu' }), maxPooling2d({ poolSize: 2 })],
        ...[flatten(), dense({ units: 10, activation: 'softmax' })],
      ],
      { inputShape: [28, 28, 1], seed },
    ),
};
const SMALL = { limit: 16, batchSize: 16, epochs: 2, seed: 3 };
const TIMEOUT = 300_000;

let folder: string;
/** What is decided, on the disk. */
let store: string;
const environment = { WEFT_CACHE_DIR: process.env.WEFT_CACHE_DIR, WEFT_ADAPTER: process.env.WEFT_ADAPTER };

beforeAll(async () => {
  (experiments as Experiment[]).push(small);
  folder = await temporaryFolder();
  // A cache of its own, in which everything lies that is in the real one but for the choices.
  const cache = join(folder, 'cache');
  await fs.mkdir(cache);
  const entries = await fs.readdir(cachePath()).catch(() => []);
  for (const name of entries.filter((name) => !name.startsWith('choices.json') && !name.startsWith('tmp-')))
    await fs.symlink(cachePath(name), join(cache, name));
  process.env.WEFT_CACHE_DIR = cache;
  store = join(cache, 'choices.json');
});
afterAll(async () => {
  (experiments as Experiment[]).pop();
  if (environment.WEFT_CACHE_DIR === undefined) delete process.env.WEFT_CACHE_DIR;
  else process.env.WEFT_CACHE_DIR = environment.WEFT_CACHE_DIR;
  await fs.rm(folder, { recursive: true });
});

let out: Lines;
beforeEach(() => {
  out = new Lines();
});
const found = (pattern: RegExp) => out.lines.filter((line) => pattern.test(line));

const path = (name: string) => join(folder, name);
const adapter = environment.WEFT_ADAPTER;
const run = (options: TrainOptions) => train('small', { adapter, ...options }, out);
const kernelsOf = async (name: string): Promise<Kernels> => (await readManifest(path(name))).choices!.kernels;

type Stored = Record<string, Record<string, StoredChoice>>;
const readStore = async (): Promise<Stored> => JSON.parse(await fs.readFile(store, 'utf8'));

/** Makes the store say something else of every key, as a tuning on a day with other noise might. */
async function decideOtherwise(kernels: Kernels): Promise<Record<string, string>> {
  const contents = await readStore();
  const changed: Record<string, string> = {};
  for (const choices of Object.values(contents)) {
    for (const [key, choice] of Object.entries(choices)) {
      const candidate = choice.among.find((name) => name !== kernels[key])!;
      choices[key] = { ...choice, candidate };
      changed[key] = candidate;
    }
  }
  await fs.writeFile(store, JSON.stringify(contents));
  return changed;
}

async function expectSame(name: string, other: string): Promise<void> {
  const [expected, got] = await Promise.all([safetensorsOf(path(other)), safetensorsOf(path(name))]);
  expect([...got.keys()]).toEqual([...expected.keys()]);
  for (const [file, bytes] of expected) expect(got.get(file)!.equals(bytes), file).toBe(true);
}

describe('a run', () => {
  let kernels: Kernels;
  let otherwise: Record<string, string>;

  it(
    'times the kernels that it asks for, writes down which it takes, and keeps them for the next',
    async () => {
      expect(await run({ ...SMALL, out: path('first') })).toBe(0);
      kernels = await kernelsOf('first');
      const keys = Object.keys(kernels);
      expect(keys.filter((key) => key.startsWith('conv2d forward'))).toHaveLength(2);
      expect(keys.filter((key) => key.startsWith('conv2d inputGradient'))).toHaveLength(1);
      expect(keys.filter((key) => key.startsWith('conv2d filterGradient'))).toHaveLength(2);
      expect(keys.filter((key) => key.startsWith('matmul'))).toHaveLength(3);
      expect(keys.filter((key) => !key.endsWith(', large'))).toEqual([]);
      const [line] = found(/^kernels \(\d+ timed here in .*\): conv2d forward /);
      expect(line).toContain(describeKernels(kernels));
      const [stored] = Object.values(await readStore());
      for (const [key, { candidate }] of Object.entries(stored)) expect(candidate).toBe(kernels[key]);
    },
    TIMEOUT,
  );

  it(
    'takes what an earlier tuning decided: other kernels, other bits',
    async () => {
      otherwise = await decideOtherwise(kernels);
      expect(await run({ ...SMALL, out: path('otherwise') })).toBe(0);
      expect(await kernelsOf('otherwise')).toEqual({ ...kernels, ...otherwise });
      expect(found(/^kernels \(\d+ from an earlier tuning/)).toHaveLength(1);
      const [first, other] = await Promise.all(
        ['first', 'otherwise'].map((name) => safetensorsOf(path(name))),
      );
      expect(first.get('last.safetensors')!.equals(other.get('last.safetensors')!)).toBe(false);
    },
    TIMEOUT,
  );

  it(
    'is done again from its manifest bit for bit, whatever the store says by now',
    async () => {
      expect(await run({ like: path('first'), out: path('again') })).toBe(0);
      expect(await kernelsOf('again')).toEqual(kernels);
      expect(found(/^kernels \(from the manifest\): /)).toEqual([
        `kernels (from the manifest): ${describeKernels(kernels)}`,
      ]);
      await expectSame('again', 'first');
    },
    TIMEOUT,
  );

  it(
    'keeps its kernels when it is resumed',
    async () => {
      // The time is over before the first step, which is made all the same.
      expect(await run({ like: path('first'), out: path('resumed'), maxTime: 1e-3 })).toBe(0);
      expect(found(/go on: weft train/)).toHaveLength(1);
      expect(await run({ resume: path('resumed') })).toBe(0);
      expect(await kernelsOf('resumed')).toEqual(kernels);
      await expectSame('resumed', 'first');
    },
    TIMEOUT,
  );

  it(
    'says which of its kernels are not there any more, wherever it would have taken them',
    async () => {
      await fs.cp(path('first'), path('old'), { recursive: true });
      const manifest = await readManifest(path('old'));
      const key = Object.keys(kernels).find((key) => key.startsWith('conv2d forward'))!;
      const choices = { ...manifest.choices!, kernels: { ...kernels, [key]: 'gone' } };
      await fs.writeFile(join(path('old'), 'manifest.json'), JSON.stringify({ ...manifest, choices }));
      const message = /^the run was made with the kernel 'gone' for conv2d forward .*the bits are others$/;
      expect(await run({ like: path('old'), out: path('like-old') })).toBe(0);
      expect(found(message)).toHaveLength(1);
      out = new Lines();
      expect(await evaluateRuns([path('old'), path('first')], { adapter, limit: 16 }, out)).toBe(0);
      expect(found(message)).toHaveLength(1);
      out = new Lines();
      expect(await predict(path('old'), ['test:0'], { adapter }, out)).toBe(0);
      // One image is another decision, which the run hasn't made.
      expect(found(message)).toHaveLength(0);
    },
    TIMEOUT,
  );

  it(
    'times none where it is told so',
    async () => {
      const before = await fs.readFile(store, 'utf8');
      expect(await run({ ...SMALL, noTune: true, out: path('untimed') })).toBe(0);
      expect(found(/^kernels \(\d+ by predicted cost\): /)).toHaveLength(1);
      const untimed = await kernelsOf('untimed');
      expect(Object.keys(untimed).sort()).toEqual(Object.keys(kernels).sort());
      expect((await readManifest(path('untimed'))).flags.noTune).toBe(true);
      expect(await fs.readFile(store, 'utf8')).toBe(before);
    },
    TIMEOUT,
  );
});

describe('weft tune', () => {
  const tuning = (options: object) => tuneExperiment('small', { adapter, batchSize: 16, ...options }, out);

  it(
    'shows what was timed, writes it to a file, and times nothing twice',
    async () => {
      const json = path('rows.json');
      expect(await tuning({ json, retune: true })).toBe(0);
      const rows: TuneRow[] = JSON.parse(await fs.readFile(json, 'utf8'));
      const chosen = rows.filter((row) => row.chosen);
      expect(new Set(rows.map(({ key }) => key)).size).toBe(chosen.length);
      expect(rows.filter(({ wrong }) => wrong)).toEqual([]);
      // Predictions of one image, too.
      expect(chosen.filter(({ key }) => /^conv2d forward .*, one$/.test(key))).toHaveLength(2);
      expect(found(/^conv2d forward 28x28 .* chosen/).length).toBeGreaterThan(0);
      expect(found(/^tuned in /)).toHaveLength(1);

      out = new Lines();
      expect(await tuning({})).toBe(0);
      expect(found(/^nothing was timed/)).toHaveLength(1);
      expect(found(/ chosen$/)).toHaveLength(chosen.length);
    },
    TIMEOUT,
  );

  it(
    'does its work where its store is damaged or cannot be written, and says so',
    async () => {
      await fs.writeFile(store, '{');
      expect(await tuning({})).toBe(0);
      expect(found(/^the tuned choices in .*choices\.json can't be used: /)).toHaveLength(1);
      await fs.rm(store);
      await fs.mkdir(store);
      out = new Lines();
      expect(await tuning({})).toBe(0);
      expect(found(/^tuned choices are not kept: /)).toHaveLength(1);
      expect(found(/^tuned in /)).toHaveLength(1);
      await fs.rmdir(store);
    },
    TIMEOUT,
  );
});

describe('kernels in a line', () => {
  it('are counted by op and pass', () => {
    const kernels = {
      'conv2d forward 28x28 1-64 3x3 same, large': 'broadcast',
      'matmul [n,512] [512,10], large': 'plain',
      'conv2d forward 14x14 64-128 3x3 same, large': 'broadcast',
      'conv2d forward 7x7 64-128 3x3 same relu, large': 'tiled',
      'conv2d inputGradient 7x7 64-128 3x3 same, large': 'plain',
    };
    expect(describeKernels(kernels)).toBe(
      'conv2d forward 2 broadcast, 1 tiled; matmul 1 plain; conv2d inputGradient 1 plain',
    );
  });
});

describe('the batches of a run', () => {
  const sizes = (overrides: object) => batchSizes(withOverrides(presetOf(v5, 'quick'), overrides));
  it('are those that it trains, validates and tests with, and those left over', () => {
    expect(sizes({})).toEqual({ training: [64], inference: [128, 1000 % 128, 2000 % 128, 64] });
    expect(sizes({ batchSize: 512 })).toEqual({
      training: [512],
      inference: [256, 1000 % 256, 2000 % 256, 512],
    });
    expect(batchSizes(withOverrides(presetOf(v5, 'recipe'), {}))).toEqual({
      training: [512],
      inference: [256, 10_000 % 256],
    });
  });

  it('are never larger than there are images', () => {
    const limited = (limit: number) => batchSizes(withOverrides(presetOf(v5, 'quick'), { limit }), limit);
    expect(limited(100)).toEqual({ training: [64], inference: [100, 64] });
    expect(limited(10)).toEqual({ training: [10], inference: [10] });
  });
});
