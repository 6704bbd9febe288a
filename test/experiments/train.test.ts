import fs from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Manifest } from '../../src/experiments/manifest.ts';
import { loadModel } from '../../src/nn/modelFile.ts';
import {
  buildWeft,
  type Ended,
  errorOf,
  killAfterMs,
  killAfterWrite,
  safetensorsOf,
  signalAfter,
  temporaryFolder,
  weft,
} from './weft.ts';

/** Two epochs of two steps of the whole network: seconds on a software adapter. */
const SMALL = ['--limit', '32', '--batch-size', '16', '--epochs', '2'];
const TIMEOUT = 300_000;

let folder: string;
/** A run that nothing came in the way of. */
let whole: Ended;
const path = (name: string) => join(folder, name);
const train = (...args: string[]) => ['train', 'v5', ...args];

beforeAll(async () => {
  await buildWeft();
  folder = await temporaryFolder();
  whole = await weft(train(...SMALL, '--out', path('whole')));
}, TIMEOUT);
afterAll(() => fs.rm(folder, { recursive: true }));

const json = async (name: string, file: string) =>
  JSON.parse(await fs.readFile(join(path(name), file), 'utf8'));

/** That a run has the same networks, states and answers as the one that nothing came in the way of, byte for byte. */
async function expectSameFiles(name: string): Promise<void> {
  const [expected, got] = await Promise.all([safetensorsOf(path('whole')), safetensorsOf(path(name))]);
  expect([...got.keys()]).toEqual([...expected.keys()]);
  for (const [file, bytes] of expected) expect(got.get(file)!.equals(bytes), file).toBe(true);
  for (const file of ['history.json', 'history.csv', 'result.json', 'curves.svg']) {
    expect(await fs.readFile(join(path(name), file), 'utf8'), file).toBe(
      await fs.readFile(join(path('whole'), file), 'utf8'),
    );
  }
}

describe('weft train v5', () => {
  it('says on what it trains, how, and what came out', () => {
    expect(errorOf(whole)).toBe('');
    expect(whole.code).toBe(0);
    const facts = [
      /^data: Fashion-MNIST from ./m,
      /^run: .*whole, seed \d+ \(chosen at random\)$/m,
      /^adapter: .+ \((software|hardware)\)$/m,
      /^904,074 parameters: 902,154 trainable, 1,920 not$/m,
      /^preset (quick|recipe) \(the default on a .*\): 32 training, 32 validation and 32 test images, batch 16/m,
      /^the other preset, (recipe|quick): about .* here/m,
      /^epoch 1\/2 {2}loss \d.*validation loss \d/m,
      /^epoch 2\/2 /m,
      /accuracy 0\.\d{4}, loss \d\.\d{4} on 32 of 10,000 test images \(stratified\)$/m,
      /^Ankle boot +0?\.?\d/m,
      /^true \\ predicted /m,
      /^files: .*whole$/m,
    ];
    for (const fact of facts) expect(whole.stdout).toMatch(fact);
  });

  it('leaves its files', async () => {
    const files = ['best.safetensors', 'checkpoint.safetensors', 'curves.svg', 'history.csv', 'history.json'];
    files.push('last.safetensors', 'manifest.json', 'probabilities.safetensors', 'result.json');
    expect((await fs.readdir(path('whole'))).sort()).toEqual(files);
    const manifest: Manifest = await json('whole', 'manifest.json');
    expect(manifest).toMatchObject({
      experiment: 'v5',
      flags: { limit: 32, batchSize: 16, epochs: 2 },
      resumed: [],
    });
    expect(manifest.choices).toMatchObject({ plan: { trainingImages: 32, epochs: 2 } });
    expect(manifest.choices!.secondsPerImage).toBeGreaterThan(0);
    const { epochs, stretches } = await json('whole', 'history.json');
    expect(epochs.map(({ epoch }: { epoch: number }) => epoch)).toEqual([1, 2]);
    expect(stretches.map(({ epoch }: { epoch: number }) => epoch)).toEqual([0.5, 1, 1.5, 2]);
    const { test, tested } = await json('whole', 'result.json');
    expect(test.samples).toBe(32);
    expect(test.confusion.flat().reduce((sum: number, count: number) => sum + count)).toBe(32);
    expect(tested.valLoss).toBe(Math.min(...epochs.map(({ valLoss }: { valLoss: number }) => valLoss)));
    expect(loadModel(await fs.readFile(join(path('whole'), 'best.safetensors'))).summary()).toContain(
      '904,074',
    );
  });

  it(
    'does a run again, bit for bit, killed between two writes and at a random moment on the way',
    async () => {
      const name = 'killed';
      await fs.mkdir(path(name));
      // The first epoch's best weights are there, its checkpoint isn't: the run begins anew from its manifest.
      const first = await weft(train('--like', path('whole'), '--out', path(name)), {
        control: killAfterWrite(path(name), 'best.safetensors'),
      });
      expect(first.signal).toBe('SIGKILL');
      expect(await fs.readdir(path(name))).not.toContain('checkpoint.safetensors');
      // By the clock of the run before, which had its kernels compiled, too, and did less than half of what this one has to do.
      const ms = first.ms * (0.1 + 0.7 * Math.random());
      const second = await weft(train('--resume', path(name)), { control: killAfterMs(ms) });
      expect(second.signal, `after ${ms} ms`).toBe('SIGKILL');
      const last = await weft(train('--resume', path(name)));
      expect(errorOf(last)).toBe('');
      await expectSameFiles(name);
    },
    TIMEOUT,
  );

  it(
    'finishes its step on Ctrl-C, says how to go on, and does so for the time it is given',
    async () => {
      const name = 'interrupted';
      const first = await weft(train('--like', path('whole'), '--out', path(name)), {
        control: signalAfter('epoch 1/2', 'SIGINT'),
      });
      expect(first.code).toBe(130);
      expect(first.stdout).toMatch(/stopped by SIGINT; go on: weft train v5 --resume .*interrupted\n$/);
      const checkpoint = await fs.readFile(join(path(name), 'checkpoint.safetensors'));
      // The time is over before the first step; each call makes one all the same.
      const second = await weft(train('--resume', path(name), '--max-time', '0.001s'));
      expect(second.code).toBe(0);
      expect(second.stdout).toMatch(
        /the time of --max-time is over; go on: weft train v5 --resume .*interrupted\n$/,
      );
      const newer = await fs.readFile(join(path(name), 'checkpoint.safetensors'));
      expect(checkpoint.equals(newer)).toBe(false);
      await fs.cp(path(name), path('damaged'), { recursive: true });
      const file = join(path('damaged'), 'checkpoint.safetensors');
      await fs.writeFile(file, newer.with(newer.length - 1, newer[newer.length - 1] ^ 1));
      const damaged = await weft(train('--resume', path('damaged')));
      expect(errorOf(damaged)).toMatch(
        /^error: .*damaged\/checkpoint\.safetensors: safetensors: the file is damaged: /,
      );
      const last = await weft(train('--resume', path(name)));
      expect(errorOf(last)).toBe('');
      await expectSameFiles(name);
      expect((await json(name, 'manifest.json')).resumed).toHaveLength(2);
    },
    TIMEOUT,
  );

  it('leaves a finished run as it is', async () => {
    const written = async () => (await fs.stat(join(path('whole'), 'best.safetensors'))).mtimeMs;
    const before = await written();
    const again = await weft(train('--resume', path('whole')));
    expect(again.code).toBe(0);
    expect(again.stdout).toContain('whole is finished');
    expect(await written()).toBe(before);
    const over = await weft(train('--out', path('whole')));
    expect(over.code).toBe(1);
    expect(errorOf(over)).toMatch(/whole holds files already/);
  });

  it(
    'refuses to go on on another adapter',
    async () => {
      await fs.cp(path('interrupted'), path('moved'), { recursive: true });
      await fs.rm(join(path('moved'), 'result.json'));
      const manifest = await json('moved', 'manifest.json');
      await fs.writeFile(
        join(path('moved'), 'manifest.json'),
        JSON.stringify({ ...manifest, adapter: 'Some other GPU' }),
      );
      const refused = await weft(train('--resume', path('moved')));
      expect(refused.code).toBe(1);
      expect(errorOf(refused)).toMatch(
        /^error: this run belongs to the adapter Some other GPU, .*--allow-other-adapter/,
      );
      const allowed = await weft(train('--resume', path('moved'), '--allow-other-adapter'));
      expect(allowed.code).toBe(0);
      expect(allowed.stdout).toContain('another adapter than Some other GPU');
      expect((await json('moved', 'manifest.json')).adapter).toBe(manifest.adapter);
    },
    TIMEOUT,
  );

  it(
    'stops where the loss is no number, naming step and layer, and keeps the last checkpoint',
    async () => {
      const ended = await weft(
        train('--limit', '32', '--batch-size', '16', '--epochs', '1', '--lr', '1e30', '--out', path('wild')),
      );
      expect(ended.code).toBe(1);
      expect(errorOf(ended)).toMatch(
        /^error: the loss is (NaN|Infinity) at epoch 1, step 2: .*(conv2d|dense|batch_normalization)/,
      );
      expect(errorOf(ended).split('\n')).toHaveLength(1);
      expect(await fs.readdir(path('wild'))).toContain('manifest.json');
    },
    TIMEOUT,
  );

  it(
    'loses nothing on a full disk',
    async () => {
      const ended = await weft(train('--like', path('whole'), '--out', path('full')), {
        preload: new URL('fullDisk.mjs', import.meta.url),
      });
      expect(ended.code).toBe(1);
      expect(errorOf(ended)).toMatch(
        /^error: could not write .*checkpoint\.safetensors: the disk is full\. Nothing that was there before is lost$/,
      );
      expect(
        (await fs.readdir(path('full'))).filter((name) => name.endsWith('.tmp') || name === 'lock'),
      ).toEqual([]);
      const last = await weft(train('--resume', path('full')));
      expect(errorOf(last)).toBe('');
      await expectSameFiles('full');
    },
    TIMEOUT,
  );
});

describe('several networks', () => {
  it(
    'are trained one after the other, tested, and vote',
    async () => {
      const name = 'repeats';
      const args = ['--limit', '16', '--batch-size', '16', '--epochs', '1', '--repeats', '2', '--seed', '3'];
      const ended = await weft(train(...args, '--out', path(name)));
      expect(errorOf(ended)).toBe('');
      expect(ended.stdout).toMatch(/mean of 2: accuracy .*\nensemble of 2 \(soft vote\): accuracy /);
      expect((await fs.readdir(path(name))).sort()).toEqual([
        'best.safetensors',
        'manifest.json',
        'repeat-1',
        'repeat-2',
        'result.json',
      ]);
      const { accuracies, accuracy, ensemble, winner } = await json(name, 'result.json');
      const results = await Promise.all([1, 2].map((repeat) => json(name, `repeat-${repeat}/result.json`)));
      expect(results[0].seed).not.toBe(results[1].seed);
      expect(accuracies).toEqual(results.map(({ test }) => test.accuracy));
      expect(accuracy.mean).toBeCloseTo((accuracies[0] + accuracies[1]) / 2);
      expect(ensemble.samples).toBe(16);
      expect(winner.valLoss).toBe(Math.min(...results.map(({ tested }) => tested.valLoss)));
      const best = (folder: string) => fs.readFile(join(path(folder), 'best.safetensors'));
      expect(await best(name)).toEqual(await best(`${name}/repeat-${winner.repeat}`));

      const evaluated = await weft(['evaluate', path(name)]);
      expect(evaluated.code).toBe(0);
      // The run's own words: the same networks, the same images.
      const said = (text: string) => text.slice(text.indexOf('mean of 2'), text.indexOf('lowest validation'));
      expect(evaluated.stdout).toContain(said(ended.stdout).trimEnd());
    },
    TIMEOUT,
  );
});

describe('weft evaluate', () => {
  it(
    'tests a run again, with the same result, and several runs together',
    async () => {
      const ended = await weft(['evaluate', path('whole')]);
      expect(ended.code).toBe(0);
      const { test } = await json('whole', 'result.json');
      expect(ended.stdout).toContain(
        `whole: accuracy ${test.accuracy.toFixed(4)}, loss ${test.loss.toFixed(4)} on 32 of 10,000`,
      );
      const limited = await weft(['evaluate', path('whole'), path('repeats'), '--limit', '8']);
      expect(limited.stdout).toMatch(/whole: accuracy .* on 8 of 10,000/);
      expect(limited.stdout).toContain('ensemble of 3 (soft vote)');
    },
    TIMEOUT,
  );

  it('says that a run has no weights yet', async () => {
    const ended = await weft(['evaluate', path('wild')]);
    expect(ended.code).toBe(1);
    expect(errorOf(ended)).toMatch(/wild has no weights yet: go on with it first/);
  });
});

describe('weft predict', () => {
  it('says what test images show, with probabilities', async () => {
    const ended = await weft(['predict', path('whole'), 'test:0', 'test:1']);
    expect(ended.code).toBe(0);
    const answers = ended.stdout.split(/^(?=test:\d+: \w)/m).slice(1);
    expect(answers).toHaveLength(2);
    ['Ankle boot', 'Pullover'].forEach((label, i) => {
      expect(answers[i]).toMatch(new RegExp(`^test:${i}: `));
      expect(answers[i]).toContain(`its label: ${label}`);
      const rows = [...answers[i].matchAll(/ (0\.\d{4}|1\.0000)$/gm)].map(([, value]) => Number(value));
      expect(rows).toHaveLength(10);
      expect(rows).toEqual([...rows].sort((a, b) => b - a));
      expect(rows.reduce((sum, value) => sum + value)).toBeCloseTo(1, 2);
    });
    // What is said of an image doesn't hang on which others are asked about.
    const alone = await weft(['predict', path('whole'), 'test:1']);
    expect(alone.stdout).toContain(answers[1].trimEnd());
  });

  it('names a test image that there is not, and a file that is no image', async () => {
    const beyond = await weft(['predict', path('whole'), 'test:10000']);
    expect(errorOf(beyond)).toContain('test images are numbered from test:0 to test:9999');
    const text = await weft(['predict', path('whole'), join(path('whole'), 'history.csv')]);
    expect(errorOf(text)).toMatch(/history\.csv is no picture: PNG, JPEG and WebP are read$/);
    expect([beyond.code, text.code]).toEqual([1, 1]);
  });
});
