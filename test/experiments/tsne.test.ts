import fs from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { artefacts } from '../../src/experiments/report/artefacts.ts';
import { readMaps, type TsneMap } from '../../src/experiments/tsne/artefact.ts';
import { layerBeforeLogits } from '../../src/experiments/tsne/command.ts';
import { tsneSection } from '../../src/experiments/tsne/section.ts';
import { layers } from '../../src/nn/layers/index.ts';
import { sequential } from '../../src/nn/sequential.ts';
import { reportPage } from '../../src/report/page.ts';
import { buildWeft, errorOf, temporaryFolder, weft } from './weft.ts';

let folder: string;
const path = (name: string) => join(folder, name);
const small = ['--images', '60', '--perplexity', '8', '--iterations', '60'];

/** Runs `weft tsne` and reads the map that it writes: of a layer, in a folder. */
async function mapOf(args: string[], folder: string, of: string): Promise<{ map: TsneMap; stdout: string }> {
  const ended = await weft(['tsne', ...args]);
  expect(errorOf(ended)).toBe('');
  expect(ended.code).toBe(0);
  const map = (await readMaps(folder)).find((map) => map.of === of);
  if (!map) throw new Error(`no map of ${of} in ${folder}`);
  return { map, stdout: ended.stdout };
}

/** The share of a map's images whose class is the first that most of their ten nearest places have. */
function accuracyOf({ places, labels }: TsneMap): number {
  const distance = (i: number, j: number) =>
    Math.hypot(places[2 * i] - places[2 * j], places[2 * i + 1] - places[2 * j + 1]);
  const right = labels.filter((own, i) => {
    const nearest = labels
      .map((label, j) => ({ label, at: j === i ? Number.POSITIVE_INFINITY : distance(i, j) }))
      .sort((a, b) => a.at - b.at)
      .slice(0, 10)
      .map(({ label }) => label);
    const votes = (label: number) => nearest.filter((other) => other === label).length;
    return nearest.find((label) => votes(label) === Math.max(...nearest.map(votes))) === own;
  });
  return right.length / labels.length;
}

let pixels: { map: TsneMap; stdout: string };
beforeAll(async () => {
  await buildWeft();
  folder = await temporaryFolder();
  pixels = await mapOf([...small, '--seed', '3', '--out', path('pixels')], path('pixels'), 'pixels');
}, 300_000);
afterAll(() => fs.rm(folder, { recursive: true }));

describe('weft tsne', () => {
  it('places images by their pixels, as many of every class, and says how it went', async () => {
    const { map, stdout } = pixels;
    expect(map).toMatchObject({ of: 'pixels', set: 'test', dimensions: 784, perplexity: 8, seed: 3 });
    expect(map).toMatchObject({ learningRate: 50, iterations: 60 });
    expect(map).not.toHaveProperty('network');
    expect(map.places).toHaveLength(120);
    expect(map.places.every(Number.isFinite)).toBe(true);
    expect(new Set(map.images).size).toBe(60);
    for (const label of map.classNames.keys())
      expect(map.labels.filter((own) => own === label)).toHaveLength(6);
    expect(map.divergence).toBeGreaterThan(0);
    expect(map.neighbors.k).toBe(10);
    expect(map.neighbors.values).toBeGreaterThan(0);
    // A distance in f32 may put another neighbour before.
    expect(Math.abs(map.neighbors.places - accuracyOf(map))).toBeLessThan(1.5 / 60);
    expect(stdout).toContain('t-SNE of 60 test images by pixels: 784 values each');
    expect(stdout).toContain(`60 steps in `);
    expect(stdout).toContain(`KL divergence ${map.divergence.toFixed(4)}`);
    const svg = await fs.readFile(path('pixels/tsne-pixels.svg'), 'utf8');
    for (const name of map.classNames) expect(svg).toContain(name);
  });

  it("places them by what a layer of a run's network gives, beside its weights", async () => {
    const run = path('run');
    const network = ['--set', 'width=4', '--limit', '32', '--epochs', '1', '--no-tune'];
    const trained = await weft(['train', 'twoConv', ...network, '--out', run]);
    expect(errorOf(trained)).toBe('');
    const { map } = await mapOf([run, ...small, '--set', 'train'], run, 'dense');
    expect(map).toMatchObject({ of: 'dense', network: run, set: 'train' });
    expect(map.dimensions).toBeLessThan(784);
    expect(map.places).toHaveLength(120);
    const conv = await mapOf([run, ...small, '--layer', 'conv2d'], run, 'conv2d');
    expect(conv.map.dimensions % 4).toBe(0);
    const sections = await Promise.all(artefacts.map(({ sections }) => sections(run)));
    expect(sections.flatMap((own) => own ?? []).map(({ title }) => title)).toEqual([
      't-SNE of layer conv2d',
      't-SNE of layer dense',
    ]);
    const wrong = await weft(['tsne', run, '--layer', 'nothing', ...small]);
    expect(wrong.code).toBe(1);
    expect(errorOf(wrong)).toContain("the model has no layer 'nothing'; it has ");
  });

  it.each([
    ['a layer of no network', ['--layer', 'dense'], '--layer dense: of which network?'],
    ['a set that there is not', ['--set', 'validation'], "'validation' is invalid"],
  ])('refuses %s', async (_, args, message) => {
    const ended = await weft(['tsne', ...args]);
    expect(ended.code).toBe(1);
    expect(errorOf(ended)).toContain(message);
    expect(errorOf(ended)).not.toContain('    at ');
  });

  it('has a section in a report', () => {
    const { map } = pixels;
    const html = reportPage({ title: 'Report', sections: [tsneSection(map)] });
    expect(html).toContain('t-SNE of pixels');
    expect(html).toContain(map.divergence.toFixed(4));
    expect(html).toContain('<svg');
  });
});

describe('the layer before the logits', () => {
  const { conv2d, flatten, dense, dropout } = layers;

  it('is the one whose values they are made of, without dropout', () => {
    const parts = [conv2d({ filters: 2 }), flatten(), dense({ units: 5, activation: 'relu' })];
    const model = sequential([...parts, dropout({ rate: 0.5 }), dense({ units: 3 })], {
      inputShape: [4, 4, 1],
    });
    expect(layerBeforeLogits(model, 'it')).toBe('dense');
  });

  it('must be named where there is none', () => {
    const model = sequential([dense({ units: 3 })], { inputShape: [4] });
    expect(() => layerBeforeLogits(model, 'it')).toThrow(
      'it has no layer before its logits: name one with --layer',
    );
  });
});
