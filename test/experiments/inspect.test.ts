import fs from 'node:fs/promises';
import { join } from 'node:path';
import { decode } from 'fast-png';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { listNumbers } from '../../src/experiments/inspect/deadTable.ts';
import { readInside } from '../../src/experiments/inspect/inside.ts';
import { type InspectOptions, inspect } from '../../src/experiments/inspect/inspect.ts';
import { insideSections } from '../../src/experiments/inspect/section.ts';
import type { Manifest } from '../../src/experiments/manifest.ts';
import type { Plan } from '../../src/experiments/plan.ts';
import { settle } from '../../src/experiments/presets.ts';
import { twoConv } from '../../src/experiments/rasiaq/twoConvolutions.ts';
import { layers } from '../../src/nn/layers/index.ts';
import { sequential } from '../../src/nn/sequential.ts';
import { close } from '../../src/tensor/device.ts';
import { testGpu } from '../support/gpu.ts';
import { Lines } from './lines.ts';
import { temporaryFolder } from './weft.ts';

/** Inspects, and says what was printed. */
async function look(what: string, options: InspectOptions): Promise<string> {
  const out = new Lines();
  expect(await inspect(what, { adapter: process.env.WEFT_ADAPTER, ...options }, out)).toBe(0);
  return out.lines.join('\n');
}

let folder: string;
const path = (name: string) => join(folder, name);

/** A network whose filter 5 is a ReLU that is never above 0. */
async function writeModel(file: string): Promise<void> {
  await testGpu();
  const { conv2d, flatten, dense, maxPooling2d } = layers;
  const model = sequential(
    [
      conv2d({ filters: 18, activation: 'relu', name: 'first/conv' }),
      maxPooling2d(),
      flatten(),
      dense({ units: 10, activation: 'softmax' }),
    ],
    { inputShape: [28, 28, 1], seed: 2 },
  );
  const [kernel, bias] = model.parameters;
  const weights = await kernel.data();
  kernel.set(weights.map((weight, i) => (i % 18 === 5 ? -Math.abs(weight) : weight)));
  bias.set(Float32Array.from({ length: 18 }, (_, i) => (i === 5 ? -0.1 : 0.1)));
  await fs.writeFile(file, await model.save());
  model.dispose();
  close();
}

/** A run of two repeats that has its weights and nothing else. */
async function writeRun(model: string, run: string): Promise<void> {
  const plan: Plan = { ...settle(twoConv, 'recipe', { repeats: 2 }, 1), tested: 'last' };
  const manifest: Manifest = {
    ...{ format: 1, experiment: 'twoConv', seed: 1, created: '2026-01-31T12:05:00.000Z', flags: {} },
    ...{
      versions: { weft: '0.1.0', node: 'v20', webgpu: '0.6.2' },
      adapter: null,
      dataFrom: null,
      resumed: [],
    },
    choices: { plan, why: 'as --preset says', secondsPerImage: 1, kernels: {} },
  };
  for (const repeat of ['repeat-1', 'repeat-2']) {
    await fs.mkdir(join(run, repeat), { recursive: true });
    await fs.copyFile(model, join(run, repeat, 'last.safetensors'));
  }
  await fs.writeFile(join(run, 'manifest.json'), JSON.stringify(manifest));
}

beforeAll(async () => {
  folder = await temporaryFolder();
  await writeModel(path('model.safetensors'));
  await writeRun(path('model.safetensors'), path('run'));
}, 60_000);
afterAll(() => fs.rm(folder, { recursive: true, force: true }));

describe('weft inspect', () => {
  it('finds what is dead, and writes figures and pictures into each repeat of a run', async () => {
    const printed = await look(path('run'), { images: ['test:0,train:123'], limit: 50 });
    expect(printed).toMatch(/repeat-1: dead channels on 50 test images/);
    expect(printed).toMatch(/^first\/conv +18 +1 +5$/m);
    for (const repeat of ['repeat-1', 'repeat-2']) {
      const { inside, pictureOf } = (await readInside(path(`run/${repeat}`)))!;
      expect(inside.images.map(({ name, label }) => [name, label])).toEqual([
        ['test:0', 'Ankle boot'],
        ['train:123', 'Pullover'],
      ]);
      expect(inside.dead).toEqual({
        images: 50,
        layers: [{ layer: 'first/conv', channels: 18, dead: [5] }],
      });
      const [{ layer, shape, maps }] = inside.layers;
      expect([layer, shape, maps.length]).toEqual(['first/conv', [26, 26, 18], 2]);
      expect(maps[0].blank).toContain(5);
      expect(inside.filters).toMatchObject({ layer: 'first/conv', shape: [18, 3, 3, 1] });
      // Channel 5 is the sixth tile: 52 pixels and a gap of 4 each.
      const { width, height, data } = decode(pictureOf(maps[0].picture));
      expect([width, height]).toEqual([4 + 16 * 56, 4 + 2 * 56]);
      const [red, green] = data.subarray(3 * (30 * width + 4 + 5 * 56 + 26));
      expect(red).toBeGreaterThan(2 * green);
    }
  }, 60_000);

  it('makes sections of it that say in words what pictures show', async () => {
    const found = (await readInside(path('run/repeat-1')))!;
    const sections = insideSections(found);
    expect(sections.map(({ title }) => title)).toEqual([
      'Dead channels',
      'Filters of the first layer',
      'Feature maps',
    ]);
    const [dead, , maps] = sections;
    expect(dead.blocks[0]).toMatchObject({ text: expect.stringContaining('1 of 18 is') });
    expect(dead.blocks[1]).toMatchObject({ rows: [['first/conv', '18', '1']] });
    expect(dead.blocks[2]).toEqual({ kind: 'facts', facts: [['dead in first/conv', '5']] });
    const [shown] = maps.blocks.slice(2);
    expect(shown).toMatchObject({ caption: 'first/conv: 18 maps of 26x26; dead: 5' });
    expect(JSON.stringify(shown)).toContain(
      'Feature maps of first/conv, [26, 26, 18], for train:123, Pullover: 1 dead',
    );
    expect(await readInside(path('nothing'))).toBeUndefined();
  });

  it('takes the layers that are asked for, of a file too, in place of what was there', async () => {
    const model = path('model.safetensors');
    await fs.mkdir(path('model-inside/inside'), { recursive: true });
    await fs.writeFile(path('model-inside/inside/image-9.png'), '');
    await look(model, { layer: ['dense'], images: ['test:3'], limit: 20 });
    const { inside } = (await readInside(path('model-inside')))!;
    expect(inside.layers.map(({ layer, shape }) => [layer, shape])).toEqual([['dense', [10]]]);
    const files = await fs.readdir(path('model-inside/inside'));
    expect(files.sort()).toEqual(['filters.png', 'image-1-layer-1-dense.png', 'image-1.png']);
    await fs.rm(path('model-inside/inside/filters.png'));
    await expect(readInside(path('model-inside'))).rejects.toThrow(
      "names 'inside/filters.png', which isn't there: inspect the run again",
    );
  }, 60_000);

  it('says which images there are', async () => {
    await expect(look(path('run'), { images: ['train:60000'] })).rejects.toThrow(
      'train images are numbered from train:0 to train:59999',
    );
  }, 60_000);
});

describe('listNumbers', () => {
  it('writes runs of neighbours together', () => {
    expect(listNumbers([])).toBe('none');
    expect(listNumbers([0, 1, 2, 3, 7])).toBe('0-3, 7');
    expect(listNumbers([1, 2, 4, 6, 7], 2)).toBe('1-2, 4 ...');
  });
});
