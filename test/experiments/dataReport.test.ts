import fs from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type DataReportOptions, dataReport } from '../../src/experiments/dataReport/dataReport.ts';
import { layers } from '../../src/nn/layers/index.ts';
import { sequential } from '../../src/nn/sequential.ts';
import { close } from '../../src/tensor/device.ts';
import { testGpu } from '../support/gpu.ts';
import { Lines } from './lines.ts';
import { temporaryFolder } from './weft.ts';

let folder: string;
const path = (name: string) => join(folder, name);

/** Writes the page. @returns what it holds, and what was printed */
async function report(options: Partial<DataReportOptions>): Promise<{ html: string; printed: string }> {
  const out = new Lines();
  const page = path('page.html');
  expect(await dataReport({ out: page, adapter: process.env.WEFT_ADAPTER, ...options }, out)).toBe(0);
  return { html: await fs.readFile(page, 'utf8'), printed: out.lines.join('\n') };
}

/** An autoencoder that gives black images back: what is bright is its outlier. */
async function writeAutoencoder(file: string): Promise<void> {
  await testGpu();
  const model = sequential([layers.rescaling({ scale: 0 })], { inputShape: [28, 28, 1] });
  await fs.writeFile(file, await model.save());
  model.dispose();
  close();
}

beforeAll(async () => {
  folder = await temporaryFolder();
  await writeAutoencoder(path('black.safetensors'));
}, 60_000);
afterAll(() => fs.rm(folder, { recursive: true, force: true }));

const titles = (html: string) => [...html.matchAll(/<h2[^>]*>(.*?)<\/h2>/g)].map(([, title]) => title);

describe('weft data-report', () => {
  it('shows the sets, augmented copies and outliers', async () => {
    const augment = ['cnn4', 'ownBaseline2'];
    const { html, printed } = await report({ augment, autoencoder: path('black.safetensors'), limit: 200 });
    expect(printed).toContain(`page: ${path('page.html')}`);
    expect(titles(html)).toEqual([
      'Training images',
      'Test images',
      'Augmentation of cnn4',
      'Augmentation of ownBaseline2',
      'Outliers',
    ]);
    expect(html).toContain('60,000 of 28x28, grey');
    // The published mean and deviation of Fashion-MNIST's training pixels.
    expect(html).toContain('mean 0.2860, standard deviation 0.3530');
    expect(html).toContain('train:0, Ankle boot, and 9 copies with');
    const errors = [...html.matchAll(/alt="train:\d+, [^"]*: reconstruction error (\d\.\d{4})"/g)];
    const scores = errors.map(([, score]) => Number(score));
    expect(scores).toHaveLength(28);
    expect(scores).toEqual([...scores].sort((a, b) => b - a));
    expect(scores[0]).toBeGreaterThan(0.3);
  }, 60_000);

  it('shows what needs no GPU where there is none, and says what is missing', async () => {
    const { html } = await report({ adapter: 'no such adapter' });
    expect(titles(html)).toEqual(['Training images', 'Test images', 'Augmentation of v5', 'Outliers']);
    expect(html).toContain('This needs a GPU, or software that takes its place, and none was found: ');
    expect(html).toContain('weft train autoencoder');
  }, 60_000);
});
