import fs from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { classificationReport } from '../../src/analysis/classification.ts';
import { FASHION_MNIST_CLASSES } from '../../src/data/fashionMnist.ts';
import { Console } from '../../src/experiments/console.ts';
import { findExperiment } from '../../src/experiments/index.ts';
import type { Overrides } from '../../src/experiments/manifest.ts';
import { settle } from '../../src/experiments/presets.ts';
import { report } from '../../src/experiments/report/report.ts';
import { RunFolder } from '../../src/experiments/run.ts';
import { encodeTested } from '../../src/experiments/testing.ts';
import { temporaryFolder } from './weft.ts';

let folder: string;
beforeAll(async () => {
  folder = await temporaryFolder();
});
afterAll(() => fs.rm(folder, { recursive: true }));

/** A console whose lines are kept. */
function listening(): { out: Console; lines: string[] } {
  const lines: string[] = [];
  const out = Object.assign(new Console(), { line: (text = '') => void lines.push(text) });
  return { out, lines };
}

const versions = { weft: '0.0.1', node: 'v20.0.0', webgpu: '0.6.2' };

/** A run's folder with its manifest and nothing else. */
function begin(name: string, experiment: string, overrides: Overrides): Promise<RunFolder> {
  const plan = settle(findExperiment(experiment), 'quick', { limit: 40, ...overrides }, 0.002);
  return RunFolder.create(join(folder, name), {
    ...{ format: 1, experiment, seed: 7, created: '2026-01-31T12:05:00.000Z', flags: overrides, versions },
    ...{ adapter: 'a <GPU>', dataFrom: '/data', resumed: [] },
    choices: { plan, why: 'as --preset says', secondsPerImage: 0.002, kernels: { 'matmul [n,9]': 'tiled' } },
  });
}

const epoch = (n: number) => ({ epoch: n, loss: 1 / n, accuracy: 0.5, valLoss: 2 / n, valAccuracy: 0.25 });

/** Finishes repeats: `right` of their 40 answers are. */
async function finish(run: RunFolder, right: readonly number[]): Promise<void> {
  for (const [i, count] of right.entries()) {
    const labels = Array.from({ length: 40 }, (_, n) => n % 10);
    const predictions = labels.map((label, n) => (n < count ? label : (label + 1) % 10));
    const result = { ...classificationReport(labels, predictions, FASHION_MNIST_CLASSES), loss: 0.5 };
    const probabilities = Float32Array.from({ length: 400 }, (_, at) =>
      at % 10 === predictions[Math.floor(at / 10)] ? 0.91 : 0.01,
    );
    const repeat = run.repeat(i + 1);
    await repeat.saveHistory({ epochs: [epoch(1), epoch(2)], stretches: [] });
    await repeat.saveProbabilities(encodeTested({ result, probabilities }));
    const about = { repeat: i + 1, seed: i, epochs: 2, tested: { ...epoch(2), valLoss: 1 - i / 10 } };
    await repeat.saveResult({ ...about, test: result });
  }
}

const read = async (path: string): Promise<string> =>
  (await fs.readFile(path, 'utf8')).replaceAll(/<svg.*?<\/svg>/gs, '<svg/>');

describe('weft report', () => {
  it('writes a page of one run into its folder, without a GPU, and says what is missing', async () => {
    const run = await begin('one', 'twoConv', { epochs: 2, learningRate: 0.01 });
    await finish(run, [30]);
    const { out, lines } = listening();
    expect(await report([run.path], {}, out)).toBe(0);
    expect(lines).toContain(`report: ${join(run.path, 'report.html')}`);
    const html = await read(join(run.path, 'report.html'));
    expect(html).toContain('<title>one</title>');
    expect(html).toContain('<dt>test accuracy</dt><dd>0.7500</dd>');
    expect(html).toContain('<dt>epochs</dt><dd>2</dd>');
    expect(html).toContain('<dt>options</dt><dd>--epochs 2 --lr 0.01</dd>');
    expect(html).toContain('<dt>adapter</dt><dd>a &lt;GPU&gt;</dd>');
    expect(html).toContain('<dt>training speed</dt><dd>500 images/s</dd>');
    expect(html).toContain('Accuracy 0.7500: 30 of 40 samples are right.');
    expect(html).toContain('The most confident mistakes');
    expect(html.match(/<img alt="Image \d+, /g)?.length).toBe(10 + 9 + 9);
    expect(html).toContain('conv2d_1');
    expect(html).toContain(`weft evaluate ${run.path}`);
    expect(html).not.toContain('--resume');
  });

  it('compares runs, whose repeats have a mean and whose training need not be over', async () => {
    const repeated = await begin('repeated', 'twoConv', { epochs: 2, repeats: 2 });
    await finish(repeated, [30, 34]);
    const unfinished = await begin('unfinished', 'autoencoder', { epochs: 3 });
    await unfinished
      .repeat(1)
      .saveHistory({ epochs: [{ epoch: 1, loss: 0.3, valLoss: 0.2 }], stretches: [] });
    const page = join(folder, 'pages', 'both.html');
    const { out } = listening();
    await report([repeated.path, unfinished.path], { out: page, title: 'Both' }, out);
    const html = await read(page);
    expect(html).toContain('<title>Both</title>');
    // Of 0.75 and 0.85.
    expect(html).toContain('repeated, 2 repeats</th><td>0.8000 ± 0.0707</td>');
    expect(html).toContain('<h3>Classification: repeat 2</h3>');
    expect(html).not.toContain('<h3>Classification: repeat 1</h3>');
    expect(html).toContain('1 of 3, unfinished');
    expect(html).toContain(`weft train autoencoder --resume ${unfinished.path}`);
    for (const name of ['repeated', 'unfinished']) expect(html).toContain(`<h2>${name}</h2>`);
  });

  it('tells runs apart whose folders have the same name', async () => {
    const runs = [
      await begin('one/final', 'twoConv', { epochs: 1 }),
      await begin('two/final', 'twoConv', { epochs: 1 }),
    ];
    const page = join(folder, 'final.html');
    await report(
      runs.map(({ path }) => path),
      { out: page },
      listening().out,
    );
    const html = await read(page);
    for (const { path } of runs) expect(html).toContain(`<h2>${path}</h2>`);
  });

  it('refuses a folder that holds nothing to report', async () => {
    const { out } = listening();
    await expect(report([folder], {}, out)).rejects.toThrow(
      `${folder} is no folder that a report can be written of: it holds no manifest.json, no `,
    );
  });

  it('takes the place of a link of its name, and leaves alone where that leads', async () => {
    const run = await begin('linked', 'twoConv', {});
    const victim = join(folder, 'victim');
    await fs.writeFile(victim, 'mine');
    await fs.symlink(victim, join(run.path, 'report.html'));
    expect(await report([run.path], {}, listening().out)).toBe(0);
    expect(await fs.readFile(victim, 'utf8')).toBe('mine');
    expect(await read(join(run.path, 'report.html'))).toContain('<title>linked</title>');
  });

  it('suggests commands that a shell takes as they are meant', async () => {
    const run = await begin("my runs; it's", 'twoConv', {});
    await finish(run, [30]);
    const { out, lines } = listening();
    expect(await report([run.path], {}, out)).toBe(0);
    const quoted = `'${run.path.replaceAll("'", "'\\''")}'`;
    expect(lines.filter((line) => line.includes(`weft evaluate ${quoted}`))).toHaveLength(1);
  });
});
