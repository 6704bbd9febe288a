import fs from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { experiments, findExperiment } from '../../src/experiments/index.ts';
import { presetOf, withOverrides } from '../../src/experiments/presets.ts';
import type { SearchManifest } from '../../src/experiments/search/folder.ts';
import { drawTrials, formatTrials, trainCommand } from '../../src/experiments/search/outcome.ts';
import { searchSection } from '../../src/experiments/search/section.ts';
import { checkSettingsSpace, defaultSpace, readSpace } from '../../src/experiments/search/space.ts';
import { figureOf } from '../../src/experiments/search/trial.ts';
import { Grid } from '../../src/search/grid.ts';
import { includes, type Space, space } from '../../src/search/space.ts';
import { temporaryFolder } from './weft.ts';

const twoConv = findExperiment('twoConv');
const recipe = presetOf(twoConv, 'recipe');

describe('the space that is searched by default', () => {
  it.each(experiments.map((experiment) => [experiment.name, experiment] as const))(
    'is one that the network and its recipe have, around their own values: %s',
    (_, experiment) => {
      for (const name of ['recipe', 'quick'] as const) {
        const preset = withOverrides(presetOf(experiment, name), { limit: 1000 });
        const searched = defaultSpace(experiment, preset);
        checkSettingsSpace(experiment, preset, searched);
        expect(new Grid(searched, 0).size).toBeGreaterThan(4);
        expect(includes(searched['optimizer.learningRate'], preset.optimizer.learningRate)).toBe(true);
        const { weightDecay = 0 } = preset.optimizer;
        expect(Object.hasOwn(searched, 'optimizer.weightDecay')).toBe(weightDecay > 0);
      }
    },
  );

  it('has no batches larger than what there is to train on', () => {
    const searched = (limit: number) => defaultSpace(twoConv, withOverrides(recipe, { limit })).batchSize;
    expect(searched(100)).toEqual(space.choice([32, 64]));
    expect(searched(20)).toBeUndefined();
  });
});

describe('a space for settings', () => {
  const refused: [string, Space, string][] = [
    [
      'a name that is none',
      { rate: space.uniform(0, 1) },
      "no setting 'rate'; there are batchSize, optimizer.",
    ],
    [
      'a range with values that a setting has not',
      { dropout: space.uniform(0, 1) },
      'dropout must be a number',
    ],
    ['one of several choices', { batchSize: space.choice([32, 0]) }, 'batchSize must be a whole number'],
    ['what the network has not', { l2: space.logUniform(1e-6, 1e-4) }, 'l2: the network has no layer'],
    [
      'what the optimizer has not',
      { 'optimizer.momentum': space.uniform(0, 0.9) },
      'momentum belongs to SGD',
    ],
    [
      'what one of the optimizers has not',
      { 'optimizer.momentum': space.uniform(0, 0.9), 'optimizer.name': space.choice(['SGD', 'Adam']) },
      'optimizer.momentum belongs to SGD, and the optimizer is Adam',
    ],
    ['a bad dimension', { dropout: space.uniform(0.5, 0.1) }, "'dropout': low must be less than high"],
  ];
  it.each(refused)('is refused with %s', (_, searched, message) => {
    expect(() => checkSettingsSpace(twoConv, recipe, searched)).toThrow(message);
  });

  it('is read from a file', async () => {
    const folder = await temporaryFolder();
    try {
      const [good, list, broken] = ['good', 'list', 'broken'].map((name) => join(folder, `${name}.json`));
      const searched = { dropout: space.uniform(0, 0.5) };
      await fs.writeFile(good, JSON.stringify(searched));
      expect(await readSpace(good)).toEqual(searched);
      await fs.writeFile(list, '[]');
      await expect(readSpace(list)).rejects.toThrow('list.json: expected an object, got an empty array');
      await fs.writeFile(broken, '{');
      await expect(readSpace(broken)).rejects.toThrow('broken.json: damaged JSON');
      await expect(readSpace(join(folder, 'none.json'))).rejects.toThrow('none.json: there is no such file');
    } finally {
      await fs.rm(folder, { recursive: true });
    }
  });
});

describe("a trial's figure", () => {
  // As JSON has them: a loss that is no number is null.
  const epochs = JSON.parse(
    JSON.stringify([
      { epoch: 1, loss: 2, valLoss: Number.NaN, valAccuracy: 0.9 },
      { epoch: 2, loss: 1, valLoss: 0.5, valAccuracy: 0.6 },
      { epoch: 3, loss: 1, valLoss: 0.4, valAccuracy: 0.5 },
    ]),
  );

  it('is the best of its epochs, of those whose validation loss is a number', () => {
    expect(figureOf('val-loss', epochs)).toBe(0.4);
    expect(figureOf('val-accuracy', epochs)).toBe(0.6);
  });

  it('is none where all of them diverged', () => {
    expect(() => figureOf('val-accuracy', epochs.slice(0, 1))).toThrow('no finite number after any epoch');
  });
});

describe('what a search came to', () => {
  const manifest: SearchManifest = {
    format: 1,
    experiment: 'twoConv',
    seed: 3,
    created: '2026-01-31T00:00:00.000Z',
    flags: { limit: 100, set: { width: 8 } },
    versions: { weft: '0.1.0', node: 'v20', webgpu: '0.6.2' },
    adapter: 'Some GPU',
    dataFrom: null,
    choices: null,
    resumed: [],
    objective: 'val-accuracy',
    search: {
      method: 'random',
      trials: 3,
      direction: 'maximize',
      space: { 'optimizer.learningRate': space.logUniform(1e-4, 1e-2), batchSize: space.choice([32, 64]) },
    },
    trials: [
      {
        number: 1,
        parameters: { 'optimizer.learningRate': 0.001, batchSize: 32 },
        state: 'complete',
        value: 0.5,
        seconds: 3,
      },
      {
        number: 2,
        parameters: { 'optimizer.learningRate': 0.01, batchSize: 64 },
        state: 'failed',
        message: 'the loss is NaN',
        seconds: 2,
      },
      {
        number: 3,
        parameters: { 'optimizer.learningRate': 0.002, batchSize: 64 },
        state: 'complete',
        value: 0.75,
        seconds: 61,
      },
    ],
  };
  const best = manifest.trials[2];

  it('is a table, the best first, failures last, and what went wrong', () => {
    const lines = formatTrials(manifest).split('\n');
    expect(lines.pop()).toBe('trial 2 failed: the loss is NaN');
    const rows = lines.map((line) => line.trim().split(/ {2,}/));
    expect(rows).toEqual([
      ['trial', 'optimizer.learningRate', 'batchSize', 'validation accuracy', 'time'],
      [expect.stringMatching(/^-+$/)],
      ['3', '0.002', '64', '0.7500', '1 min 1 s'],
      ['1', '0.001', '32', '0.5000', '3.0 s'],
      ['2', '0.01', '64', 'failed', '2.0 s'],
    ]);
  });

  it('is a command that trains like the best trial', () => {
    expect(trainCommand(manifest, best.parameters)).toBe(
      'weft train twoConv --set width=8 --set optimizer.learningRate=0.002 --set batchSize=64',
    );
  });

  it('is a chart of the trials that came to an end', () => {
    const svg = drawTrials(manifest)!;
    for (const text of ['twoConv: 2 trials by random', 'learningRate', 'batchSize', 'validation accuracy'])
      expect(svg).toContain(text);
    expect(drawTrials({ ...manifest, trials: [manifest.trials[1]] })).toBeUndefined();
  });

  it('is a section of a report', () => {
    const { title, blocks } = searchSection(manifest);
    expect(title).toBe('Search for twoConv');
    expect(blocks.map(({ kind }) => kind)).toEqual(['facts', 'text', 'chart', 'table', 'text']);
    expect(blocks[0]).toMatchObject({
      facts: expect.arrayContaining([
        ['trials', '3 of 3, 1 failed'],
        ['optimizer.learningRate', '0.0001 to 0.01, logarithmic'],
        ['batchSize', '32, 64'],
      ]),
    });
    expect(JSON.stringify(blocks[1])).toContain('Trial 3 is the best, with a validation accuracy of 0.7500');
    const nothing = searchSection({ ...manifest, trials: [] });
    expect(nothing.blocks.map(({ kind }) => kind)).toEqual(['facts', 'text', 'table']);
  });
});
