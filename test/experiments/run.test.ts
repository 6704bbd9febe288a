import fs from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { v5 } from '../../src/experiments/czerny/v5.ts';
import type { Choices, Manifest } from '../../src/experiments/manifest.ts';
import { settle } from '../../src/experiments/presets.ts';
import { newRunPath, RunFolder, readManifest } from '../../src/experiments/run.ts';
import { temporaryFolder } from './weft.ts';

let folder: string;
let number = 0;
let path: string;
beforeAll(async () => {
  folder = await temporaryFolder();
});
beforeEach(() => {
  path = join(folder, `run-${number++}`);
});
afterAll(() => fs.rm(folder, { recursive: true }));

const manifest: Manifest = {
  format: 1,
  experiment: 'v5',
  seed: 7,
  created: '2026-01-31T00:00:00.000Z',
  flags: { limit: 32 },
  versions: { weft: '0.1.0', node: 'v20', webgpu: '0.6.2' },
  adapter: null,
  dataFrom: null,
  choices: null,
  resumed: [],
};
const choices = (repeats: number): Choices => ({
  plan: settle(v5, 'quick', { repeats }, 1),
  why: '',
  secondsPerImage: 1,
  kernels: { 'conv2d forward 28x28': 'plain' },
});

describe("a run's folder", () => {
  it('keeps its manifest, before and after its choices', async () => {
    const run = await RunFolder.create(path, manifest);
    expect(await readManifest(path)).toEqual(manifest);
    await run.update({ choices: choices(1) });
    const opened = await RunFolder.open(path);
    expect(opened.manifest).toEqual({ ...manifest, choices: choices(1) });
    expect(await readManifest(join(path, 'manifest.json'))).toEqual(opened.manifest);
  });

  it('is never laid over another', async () => {
    await RunFolder.create(path, manifest);
    await expect(RunFolder.create(path, manifest)).rejects.toThrow(/holds files already.*--resume/);
    const notes = join(folder, 'notes');
    await fs.mkdir(notes);
    await fs.writeFile(join(notes, 'mine.txt'), 'mine');
    await expect(RunFolder.create(notes, manifest)).rejects.toThrow('holds files already');
    expect(await fs.readdir(notes)).toEqual(['mine.txt']);
  });

  it('may be there, empty or with what a run left that was killed before its manifest', async () => {
    await fs.mkdir(path);
    await fs.writeFile(join(path, 'lock'), '999999999\n');
    await fs.writeFile(join(path, 'manifest.json.1-2.tmp'), '{');
    await RunFolder.create(path, manifest);
    expect((await fs.readdir(path)).sort()).toEqual(['lock', 'manifest.json']);
  });

  it('holds the files of one repeat itself, those of several in a folder each', async () => {
    const run = await RunFolder.create(path, { ...manifest, choices: choices(1) });
    expect(run.repeats.map((repeat) => repeat.path)).toEqual([path]);
    await run.update({ choices: choices(2) });
    expect(run.repeats.map((repeat) => repeat.path)).toEqual([
      join(path, 'repeat-1'),
      join(path, 'repeat-2'),
    ]);
    await run.repeat(2).saveBest(Uint8Array.of(1, 2));
    expect(await run.repeat(2).best()).toEqual(Uint8Array.of(1, 2));
    expect(await run.repeat(1).best()).toBeUndefined();
  });

  it('writes its history as JSON and CSV', async () => {
    const { repeats } = await RunFolder.create(path, { ...manifest, choices: choices(1) });
    const history = {
      epochs: [{ epoch: 1, loss: 0.5, accuracy: 0.75, valLoss: 1 / 3, valAccuracy: 0.8 }],
      stretches: [],
    };
    await repeats[0].saveHistory(history);
    expect(JSON.parse(await fs.readFile(join(path, 'history.json'), 'utf8'))).toEqual(history);
    const csv = await fs.readFile(join(path, 'history.csv'), 'utf8');
    expect(csv).toBe('epoch,loss,accuracy,valLoss,valAccuracy\n1,0.5,0.75,0.3333333333333333,0.8\n');
  });

  it('belongs to one process at a time', async () => {
    const run = await RunFolder.create(path, manifest);
    await expect((await RunFolder.open(path)).lock()).rejects.toThrow(
      `process ${process.pid} is at work on ${path}`,
    );
    await run.unlock();
    expect(await fs.readdir(path)).toEqual(['manifest.json']);
    // No process has this number.
    await fs.writeFile(join(path, 'lock'), '999999999\n');
    await run.lock();
    expect(JSON.parse(await fs.readFile(join(path, 'lock'), 'utf8')).pid).toBe(process.pid);
  });

  it('is begun by one process at a time', async () => {
    await fs.mkdir(path);
    const begun = await Promise.allSettled(
      [1, 2, 3].map((seed) => RunFolder.create(path, { ...manifest, seed })),
    );
    const [made] = begun.flatMap((result) => (result.status === 'fulfilled' ? result.value : []));
    expect(begun.filter(({ status }) => status === 'rejected')).toHaveLength(2);
    expect((await readManifest(path)).seed).toBe(made.manifest.seed);
  });

  it('is gone on with as the process before left it, not as it was when it was looked at', async () => {
    const first = await RunFolder.create(path, manifest);
    const second = await RunFolder.open(path);
    await first.update({ choices: choices(2) });
    await first.unlock();
    await second.lock();
    expect(second.manifest.choices).toEqual(choices(2));
  });

  it('that was deleted is not made anew: what was in it is lost', async () => {
    const run = await RunFolder.create(path, { ...manifest, choices: choices(2) });
    await run.repeat(1).saveBest(Uint8Array.of(1));
    await fs.rm(path, { recursive: true });
    const lost = `lock on ${path} is gone: while it was at work, ${join(path, 'lock')} was deleted`;
    await expect(run.repeat(1).saveBest(Uint8Array.of(1))).rejects.toThrow(lost);
    await expect(run.saveSummary({})).rejects.toThrow(lost);
    await expect(run.update({})).rejects.toThrow(lost);
    await expect(run.unlock()).rejects.toThrow(lost);
    await expect(fs.stat(path)).rejects.toThrow('ENOENT');
  });

  it('is cleared of what a killed process left half-written', async () => {
    const run = await RunFolder.create(path, { ...manifest, choices: choices(2) });
    await run.repeat(1).saveBest(Uint8Array.of(1));
    await fs.writeFile(join(path, 'repeat-1', 'checkpoint.safetensors.4-5.tmp'), 'half');
    await run.unlock();
    await run.lock();
    expect(await fs.readdir(join(path, 'repeat-1'))).toEqual(['best.safetensors']);
  });

  it('says what is wrong with it', async () => {
    await expect(RunFolder.open(path)).rejects.toThrow(
      `${path} is no run: there is no ${join(path, 'manifest.json')}`,
    );
    await fs.mkdir(path);
    await fs.writeFile(join(path, 'manifest.json'), '{"format": 1');
    await expect(RunFolder.open(path)).rejects.toThrow(/manifest.json: damaged JSON/);
    await fs.writeFile(join(path, 'manifest.json'), '{"format": 99}');
    await expect(RunFolder.open(path)).rejects.toThrow(
      /manifest.json: format must be 1, the format that this version of weft reads, got 99$/,
    );
  });
});

describe("a new run's name", () => {
  it('is what was asked for', () => {
    expect(newRunPath('v5', 7, { out: '/some/where' })).toBe('/some/where');
    expect(newRunPath('v5', 7, { name: 'mine' })).toBe(join('runs', 'mine'));
  });

  it('is made of experiment, date and seed', () => {
    expect(newRunPath('v5', 7, {})).toMatch(/^runs.v5-\d{4}-\d\d-\d\d-7$/);
  });
});
