import fs from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import ensembleKept from '../../results/ensemble-3-lavapipe.json' with { type: 'json' };
import searchKept from '../../results/search-twoConv-lavapipe.json' with { type: 'json' };
import twoConvKept from '../../results/twoConv-lavapipe.json' with { type: 'json' };
import twoConvFirstKept from '../../results/twoConvFirst-lavapipe.json' with { type: 'json' };
import v5Kept from '../../results/v5-quick-lavapipe.json' with { type: 'json' };
import { classificationReport } from '../../src/analysis/classification.ts';
import { FASHION_MNIST_CLASSES } from '../../src/data/fashionMnist.ts';
import { WeftError } from '../../src/errors.ts';
import { readEnsemble, writeEnsemble } from '../../src/experiments/ensemble/ensembleFile.ts';
import { ensembleSections } from '../../src/experiments/ensemble/section.ts';
import { writeEvaluation } from '../../src/experiments/evaluation.ts';
import { readInside, writeInside } from '../../src/experiments/inspect/inside.ts';
import { insideSections } from '../../src/experiments/inspect/section.ts';
import { settle } from '../../src/experiments/presets.ts';
import { twoConv } from '../../src/experiments/rasiaq/twoConvolutions.ts';
import { readRun } from '../../src/experiments/report/reportedRun.ts';
import { resultsSection } from '../../src/experiments/report/results.ts';
import { historiesOf, readSections } from '../../src/experiments/report/runSections.ts';
import { RepeatFolder, RunFolder, readManifest } from '../../src/experiments/run.ts';
import { readSearch, SEARCH, SearchFolder } from '../../src/experiments/search/folder.ts';
import { formatTrials } from '../../src/experiments/search/outcome.ts';
import { searchSection } from '../../src/experiments/search/section.ts';
import { type Data, openData } from '../../src/experiments/session.ts';
import { encodeTested } from '../../src/experiments/testing.ts';
import { readMaps, writeMap } from '../../src/experiments/tsne/artefact.ts';
import { tsneSection } from '../../src/experiments/tsne/section.ts';
import { reportPage } from '../../src/report/page.ts';
import { learningCurvesSection } from '../../src/report/sections/learningCurves.ts';
import { space } from '../../src/search/space.ts';
import { mutateJson } from '../support/mutateJson.ts';
import { draws } from '../support/property.ts';
import { Lines } from './lines.ts';
import { temporaryFolder } from './weft.ts';

/*
 * Folders of runs may come from anybody: whatever is in their files, what comes of it is a page or one clear error.
 */

let folder: string;
let data: Data;
const path = (...names: string[]) => join(folder, ...names);
const versions = { weft: '0.1.0', node: 'v20.0.0', webgpu: '0.6.2' };
const made = '2026-01-31T12:05:00.000Z';
const images = 40;

const labels = Array.from({ length: images }, (_, n) => n % 10);
const predictions = labels.map((label, n) => (n < 30 ? label : (label + 1) % 10));
const score = classificationReport(labels, predictions, FASHION_MNIST_CLASSES);
const epoch = (n: number) => ({ epoch: n, loss: 1 / n, accuracy: 0.5, valLoss: 2 / n, valAccuracy: 0.25 });
const begun = {
  ...{ format: 1 as const, experiment: 'twoConv', seed: 7, created: made, flags: { limit: 40 }, versions },
  ...{ adapter: 'a GPU', dataFrom: '/data', resumed: [{ at: made, adapter: 'a GPU', versions }] },
  choices: {
    plan: settle(twoConv, 'quick', { limit: 40, epochs: 2 }, 0.002),
    why: 'as --preset says',
    secondsPerImage: 0.002,
    kernels: { 'matmul [n,9]': 'tiled' },
  },
};

/** A folder of each kind, with all that commands put there. */
async function writeFolders(): Promise<void> {
  const run = await RunFolder.create(path('run'), begun);
  const repeat = run.repeat(1);
  const probabilities = Float32Array.from({ length: 10 * images }, (_, at) =>
    at % 10 === predictions[Math.floor(at / 10)] ? 0.91 : 0.01,
  );
  const test = { ...score, loss: 0.5 };
  const stretches = [{ epoch: 0.5, loss: 1, accuracy: 0.4 }];
  await repeat.saveHistory({ epochs: [epoch(1), epoch(2)], stretches });
  await repeat.saveProbabilities(encodeTested({ result: test, probabilities }));
  await repeat.saveResult({ repeat: 1, seed: 1, epochs: 2, tested: epoch(2), test });
  await run.unlock();
  const speed = { batch: 1, msPerImage: 2, imagesPerSecond: 500, runs: 3 };
  const answer = { index: 3, label: 1, predicted: 2, probability: 0.9 };
  const answers = {
    confusionByTrueClass: score.confusion.map((row) => row.map((count) => count / 4)),
    mostConfidentMistakes: [answer],
    firstRight: [{ ...answer, predicted: 1 }],
    firstWrong: [answer],
  };
  const about = { format: 1 as const, made, versions, adapter: 'a GPU' };
  await writeEvaluation(run.path, { ...about, test, speed: { single: speed, batch: speed }, answers });
  const maps = {
    layer: 'conv2d',
    shape: [1, 2, 2, 3],
    data: new Float32Array(12).fill(1),
    blank: [[0, 1, 2]],
  };
  await writeInside(run.path, {
    images: [{ name: 'test:0', pixels: new Uint8Array(784), truth: 1, steps: [] }],
    classNames: FASHION_MNIST_CLASSES,
    maps: new Map([['conv2d', maps]]),
    filters: { layer: 'conv2d', shape: [2, 1, 1, 1], data: Float32Array.of(1, 2), range: [1, 2] },
    dead: { images, layers: new Map([['conv2d', { layer: 'conv2d', channels: 3, dead: [1] }]]) },
  });
  const map = {
    ...{ ...about, of: 'pixels', dimensions: 784, set: 'test' as const, images: labels.map((_, i) => i) },
    ...{ labels, classNames: FASHION_MNIST_CLASSES, places: labels.flatMap((label, i) => [label, i / 7]) },
    ...{ perplexity: 8, learningRate: 50, seed: 0, iterations: 60, divergence: 0.5, seconds: 2 },
    neighbors: { k: 10, values: 0.5, places: 0.6 },
  };
  await fs.mkdir(path('pixels'));
  await writeMap(path('pixels'), map);
  await fs.mkdir(path('ensemble'));
  await writeEnsemble(path('ensemble'), {
    ...{ ...about, kind: 'ensemble', seed: 7, dataFrom: '/data', testImages: 10_000, best: 0 },
    members: [
      { name: 'one', test: score, heldOutAccuracy: 0.5 },
      { name: 'two', test: score },
    ],
    methods: [{ name: 'soft vote', how: 'by sums', test: score, gain: { points: 0, fixed: 1, broken: 1 } }],
    stacking: { refused: 'no images are left' },
  });
  const search = await SearchFolder.create(path('search'), {
    ...begun,
    objective: 'val-accuracy',
    search: {
      ...{ method: 'tpe', trials: 3, direction: 'maximize' },
      space: {
        'optimizer.learningRate': space.logUniform(1e-4, 1e-2, { steps: 3 }),
        batchSize: space.choice([32, 64]),
        dropout: space.uniform(0, 0.5),
      },
    },
    trials: [
      { rate: 0.001, value: 0.8 },
      { rate: 0.002, value: undefined },
    ].map(({ rate, value }, i) => ({
      ...{ number: i + 1, seconds: 3, state: value === undefined ? 'failed' : 'complete' },
      parameters: { 'optimizer.learningRate': rate, batchSize: 32, dropout: 0.25 },
      ...(value === undefined ? { message: 'no memory' } : { value }),
    })),
  });
  await search.unlock();
}

async function runPage(): Promise<string> {
  const run = await readRun(path('run'), 'run');
  const curves = learningCurvesSection(historiesOf([run]));
  const { sections } = await readSections(run, data);
  return reportPage({ title: 'run', sections: [resultsSection([run]), curves, ...sections] });
}

const pages: Record<string, () => Promise<string>> = {
  run: runPage,
  inside: async () => {
    const found = await readInside(path('run'));
    return reportPage({ title: 'inside', sections: found ? insideSections(found) : [] });
  },
  pixels: async () =>
    reportPage({ title: 'map', sections: (await readMaps(path('pixels'))).map(tsneSection) }),
  ensemble: async () =>
    reportPage({ title: 'ensemble', sections: ensembleSections((await readEnsemble(path('ensemble')))!) }),
  search: async () => {
    const manifest = await readSearch(path('search'));
    return formatTrials(manifest) + reportPage({ title: 'search', sections: [searchSection(manifest)] });
  },
};

const files: readonly (readonly [folder: string, file: string])[] = [
  ...['manifest', 'history', 'result', 'evaluation', 'inside'].map(
    (file) => ['run', `${file}.json`] as const,
  ),
  ['pixels', 'tsne-pixels.json'],
  ['ensemble', 'ensemble.json'],
  ['search', SEARCH],
];

beforeAll(async () => {
  folder = await temporaryFolder();
  data = await openData(undefined, new Lines());
  await writeFolders();
});
afterAll(() => fs.rm(folder, { recursive: true }));

describe("a stranger's folder", () => {
  it('is shown where nothing is wrong with it', async () => {
    for (const page of Object.values(pages)) expect(await page()).toContain('</html>');
  });

  it.each(files)(
    '%s/%s with faults of any kind gives a page or one clear error, in time',
    async (name, file) => {
      const good = await fs.readFile(path(name, file), 'utf8');
      let shown = 0;
      for (const draw of draws(file, 50)) {
        const bad = mutateJson(good, draw);
        await fs.writeFile(path(name, file), bad);
        const start = performance.now();
        try {
          await (file === 'inside.json' ? pages.inside : pages[name])();
          shown++;
        } catch (error) {
          const { message, stack } = error as Error;
          expect(error, `${draw.label}: ${stack}\n${bad.slice(0, 5000)}`).toBeInstanceOf(WeftError);
          expect(message.split('\n'), draw.label).toHaveLength(1);
          expect(message.length, `${draw.label}: ${message}`).toBeLessThan(1000);
        }
        expect(performance.now() - start, draw.label).toBeLessThan(5000);
      }
      await fs.writeFile(path(name, file), good);
      // Some faults are none, and most are: it would be no test if all were the same.
      expect(shown).toBeLessThan(40);
    },
    60_000,
  );

  const change = async (
    name: string,
    file: string, // biome-ignore lint/suspicious/noExplicitAny: a file's value is whatever it is.
    edit: (value: any) => void,
  ) => {
    const value = JSON.parse(await fs.readFile(path(name, file), 'utf8'));
    edit(value);
    await fs.writeFile(path(name, file), JSON.stringify(value));
  };

  it('shows no picture from outside of it', async () => {
    const good = await fs.readFile(path('run', 'inside.json'), 'utf8');
    await fs.writeFile(path('secret.png'), await fs.readFile(path('run', 'inside', 'image-1.png')));
    await fs.symlink(path('secret.png'), path('run', 'link.png'));
    for (const picture of ['../secret.png', path('secret.png'), 'link.png']) {
      await change('run', 'inside.json', ({ images }: { images: { picture: string }[] }) => {
        images[0].picture = picture;
      });
      await expect(pages.run()).rejects.toThrow(`names '${picture.slice(0, 40)}`);
      await expect(pages.inside()).rejects.toThrow('which is outside of it');
    }
    await change('run', 'inside.json', ({ images }: { images: { picture: string }[] }) => {
      images[0].picture = 'history.json';
    });
    await expect(pages.inside()).rejects.toThrow("'history.json', which is no PNG picture");
    await fs.writeFile(path('run', 'inside.json'), good);
  });

  it('has no repeat and no trial elsewhere', async () => {
    const plan = { ...begun.choices.plan, repeats: 2 };
    const run = await RunFolder.create(path('several'), { ...begun, choices: { ...begun.choices, plan } });
    await run.unlock();
    await fs.symlink(folder, path('several', 'repeat-2'));
    await expect(RunFolder.open(path('several'))).rejects.toThrow("names 'repeat-2', which is outside of it");
  });

  it('holds what JSON has for no number', async () => {
    const repeat = new RepeatFolder(path('nan'), async () => {});
    const epochs = [{ epoch: 1, loss: Number.NaN, valLoss: Number.NaN }];
    await repeat.saveHistory({ epochs, stretches: [] });
    expect(await repeat.history()).toEqual({ epochs, stretches: [] });
  });
});

describe('what earlier versions wrote', () => {
  const old = [twoConvKept, twoConvFirstKept, v5Kept];

  it.each(old)('is read: $manifest.experiment', async ({ manifest, epochs, result }) => {
    const folder = path(`old-${manifest.experiment}`);
    await fs.mkdir(folder);
    const write = (file: string, value: object) => fs.writeFile(join(folder, file), JSON.stringify(value));
    await write('manifest.json', manifest);
    await write('history.json', { epochs, stretches: [] });
    if ('tested' in result || 'best' in result) await write('result.json', result);
    const { choices } = await readManifest(folder);
    expect(choices?.plan.optimizer).toEqual({ name: 'Adam', learningRate: 0.001 });
    expect(choices?.plan).toMatchObject({ repeats: 1, batches: 'whole', pixelScale: 1, frozenLayers: 0 });
    const { repeats } = await readRun(folder, 'old');
    expect(repeats[0].epochs).toEqual(epochs);
    const { sections } = await readSections(await readRun(folder, 'old'), undefined);
    expect(reportPage({ title: 'old', sections })).toContain('Adam 0.001');
    if (repeats[0].result) expect(repeats[0].result.tested.epoch).toBe(epochs.length);
  });

  it.each([
    ['search', searchKept.search, () => readSearch(path('old-search'))],
    ['ensemble', ensembleKept.ensemble, () => readEnsemble(path('old-ensemble'))],
  ] as const)('is read: %s', async (name, kept, read) => {
    await fs.mkdir(path(`old-${name}`));
    await fs.writeFile(path(`old-${name}`, `${name}.json`), JSON.stringify(kept));
    expect(await read()).toMatchObject({ seed: kept.seed });
  });
});
