import { existsSync } from 'node:fs';
import fs from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { ClassGroups } from '../../src/data/classGroups.ts';
import { v5 } from '../../src/experiments/czerny/v5.ts';
import { collapseRuns } from '../../src/experiments/ensemble/collapse.ts';
import { ensembleRuns } from '../../src/experiments/ensemble/ensemble.ts';
import { type EnsembleFile, readEnsemble } from '../../src/experiments/ensemble/ensembleFile.ts';
import { type HeldOut, heldOutImages } from '../../src/experiments/ensemble/heldOut.ts';
import { gainOver } from '../../src/experiments/ensemble/score.ts';
import { ensembleSections } from '../../src/experiments/ensemble/section.ts';
import { evaluateRuns } from '../../src/experiments/evaluate.ts';
import { readEvaluation } from '../../src/experiments/evaluation.ts';
import type { Experiment } from '../../src/experiments/experiment.ts';
import { groupSets } from '../../src/experiments/experimentSet.ts';
import { experiments } from '../../src/experiments/index.ts';
import type { Plan } from '../../src/experiments/plan.ts';
import { predict } from '../../src/experiments/predict.ts';
import { presetOf, settle } from '../../src/experiments/presets.ts';
import { report } from '../../src/experiments/report/report.ts';
import { readManifest } from '../../src/experiments/run.ts';
import type { Data } from '../../src/experiments/session.ts';
import { splitImages } from '../../src/experiments/splitting.ts';
import { lowestLoss, train } from '../../src/experiments/train.ts';
import { layers } from '../../src/nn/layers/index.ts';
import { sequential } from '../../src/nn/sequential.ts';
import { loadFashionMnist } from '../../src/node/fashionMnist.ts';
import { Lines } from './lines.ts';
import { temporaryFolder } from './weft.ts';

const { flatten, dense } = layers;
/** A softmax regression by groups of classes, trained as v5 is. */
const plain = (name: string, classes?: ClassGroups): Experiment => ({
  ...v5,
  name,
  network: (seed) =>
    sequential([flatten(), dense({ units: classes?.length ?? 10, activation: 'softmax' })], {
      inputShape: [28, 28, 1],
      seed,
    }),
  recipe: { ...v5.recipe, classes },
});
const GROUPS: ClassGroups = [[0, 2, 6], [1], [3], [4], [5], [7], [8], [9]];
const small = [plain('plain'), plain('general', GROUPS), plain('specialist', [[0], [2], [6]])];

const adapter = process.env.WEFT_ADAPTER;
const TIMEOUT = 400_000;
let folder: string;
let data: Data;
let out = new Lines();
const path = (name: string) => join(folder, name);

async function trainAs(experiment: string, name: string, seed: number): Promise<void> {
  const size = { preset: 'quick', limit: 300, epochs: 3, batchSize: 30, noTune: true } as const;
  expect(await train(experiment, { ...size, seed, out: path(name), adapter }, out)).toBe(0);
}

beforeAll(async () => {
  (experiments as Experiment[]).push(...small);
  folder = await temporaryFolder();
  data = await loadFashionMnist();
  await trainAs('plain', 'a', 1);
  await trainAs('plain', 'b', 1);
  await trainAs('plain', 'c', 2);
  await trainAs('general', 'general', 1);
  await trainAs('specialist', 'specialist', 1);
}, TIMEOUT);
afterAll(async () => {
  (experiments as Experiment[]).splice(-small.length);
  await fs.rm(folder, { recursive: true });
});

describe('images that no member was trained on', () => {
  const labels = Uint8Array.from({ length: 400 }, (_, i) => i % 4);
  const set = { images: new Uint8Array(400), labels, count: 400, height: 1, width: 1, channels: 1 };
  const train = { ...set, classNames: ['a', 'b', 'c', 'd'] };
  const range = (from: number, to: number) => Uint32Array.from({ length: to - from }, (_, i) => from + i);
  const member = (training: Uint32Array, validation: Uint32Array) => ({
    name: 'member',
    split: () => [training, validation] as const,
  });
  const heldOut = (members: Parameters<typeof heldOutImages>[0], most: number) =>
    heldOutImages(members, train, most, 5) as HeldOut;

  it('are first those that all were validated on, then others', () => {
    const members = [member(range(0, 100), range(200, 280)), member(range(50, 200), range(240, 300))];
    const all = heldOut(members, 1000);
    expect([...all.indices]).toEqual([...range(240, 280), ...range(200, 240), ...range(280, 400)]);
    expect(all.validation).toBe(40);
    const some = heldOut(members, 80);
    expect(some.validation).toBe(40);
    expect([...some.indices.subarray(0, 40)]).toEqual([...range(240, 280)]);
    const counts = [0, 1, 2, 3].map((label) => some.indices.filter((i) => labels[i] === label).length);
    expect(counts).toEqual([20, 20, 20, 20]);
    expect(new Set(some.indices).size).toBe(80);
    for (const i of some.indices) expect(i).toBeGreaterThanOrEqual(200);
    expect(heldOut(members, 80)).toEqual(some);
  });

  it('are refused where there are too few, or nobody knows', () => {
    const most = member(range(0, 361), range(361, 400));
    expect(heldOutImages([most], train, 1000, 0)).toEqual({
      refused: expect.stringMatching(/of 400 training images, there are 39 .* at least 40\. .*--seed/),
    });
    expect(heldOutImages([most, { name: 'x.h5' }], train, 1000, 0)).toEqual({
      refused: expect.stringMatching(/^x.h5 is a model's file/),
    });
  });

  it('follow from a run: its training images are those that it was trained on', async () => {
    const { seed, choices } = await readManifest(path('a'));
    const [training, validation] = splitImages(seed, choices!.plan, data.train, 1);
    expect([training.length, validation.length]).toEqual([300, 300]);
    expect(new Set([...training, ...validation]).size).toBe(600);
  });
});

describe('splits by groups of classes', () => {
  it('are those of the whole set, where all its classes are in a group', () => {
    const grouped = groupSets(data, GROUPS);
    const plan = (name: string): Plan => {
      const experiment = small.find((candidate) => candidate.name === name)!;
      return settle(experiment, 'quick', { limit: 300 }, 1);
    };
    expect(splitImages(7, plan('general'), grouped.train, 1)).toEqual(
      splitImages(7, plan('plain'), data.train, 1),
    );
    expect(presetOf(small[2], 'recipe').testImages).toBe(3000);
  });
});

describe('gains', () => {
  it('count what is set right and what is spoilt', () => {
    expect(gainOver([0, 1, 2, 3], [0, 0, 0, 3], [0, 1, 2, 0])).toEqual({ points: 25, fixed: 2, broken: 1 });
  });

  it('are not those of a repeat that was never validated', () => {
    const result = (repeat: number, valLoss?: number) =>
      ({ repeat, tested: { epoch: 1, loss: 1, valLoss }, test: { accuracy: repeat / 10 } }) as never;
    expect(lowestLoss([result(1), result(2, 0.5), result(3, 0.4)])).toEqual({
      repeat: 3,
      accuracy: 0.3,
      valLoss: 0.4,
    });
    expect(lowestLoss([result(1), result(2)])).toBeUndefined();
  });
});

describe('weft ensemble', () => {
  const ensembleOf = (runs: string[], name: string) =>
    ensembleRuns(runs.map(path), { stackingImages: 400, limit: 200, seed: 4, out: path(name), adapter }, out);

  it(
    'tests members together, and says what it comes to beside the best',
    async () => {
      out = new Lines();
      expect(await ensembleOf(['a', 'c'], 'together')).toBe(0);
      const file = (await readEnsemble(path('together'))) as EnsembleFile;
      const { members, best, methods } = file;
      expect(members.map(({ name }) => name)).toEqual([path('a'), path('c')]);
      const accuracies = members.map(({ test }) => test.accuracy);
      expect(accuracies[best]).toBe(Math.max(...accuracies));
      const names = ['hard vote', 'soft vote', 'simple average', 'weighted vote', 'stacking'];
      expect(methods.map(({ name }) => name)).toEqual(names);
      for (const { test, gain } of methods) {
        expect(test.samples).toBe(200);
        expect(gain.points).toBeCloseTo(100 * (test.accuracy - accuracies[best]));
        expect(gain.points).toBeCloseTo((100 * (gain.fixed - gain.broken)) / 200);
      }
      expect(file.stacking).toMatchObject({ images: 400 });
      for (const { heldOutAccuracy } of members) expect(heldOutAccuracy).toBeGreaterThan(0.5);
      expect(existsSync(path('together/stacking.safetensors'))).toBe(true);
      expect(out.lines.join('\n')).toMatch(
        /stacking is (better|worse|as good)\D* the best member, by [+-]\d/,
      );
      const [section, classes] = ensembleSections(file);
      expect(JSON.stringify(section)).toMatch(/Stacking is /);
      expect(classes.title).toMatch(/^Classification: /);
      expect(await report([path('together')], {}, out)).toBe(0);
      expect(await fs.readFile(path('together/report.html'), 'utf8')).toContain('simple average');
    },
    TIMEOUT,
  );

  it(
    'finds the same again, and networks with one seed share their validation images',
    async () => {
      await ensembleOf(['a', 'b'], 'first');
      await ensembleOf(['a', 'b'], 'second');
      const [first, second] = await Promise.all(['first', 'second'].map((name) => readEnsemble(path(name))));
      expect(second!.methods).toEqual(first!.methods);
      expect(first!.stacking).toEqual(second!.stacking);
      expect(first!.stacking).toMatchObject({ images: 400, validation: 300 });
      // Two networks of one seed are one: nobody can add anything.
      const votes = first!.methods.slice(0, 4).map(({ gain }) => [gain.fixed, gain.broken]);
      expect(votes).toEqual([0, 0, 0, 0].map(() => [0, 0]));
    },
    TIMEOUT,
  );

  it(
    'does without stacking where it cannot know what is held out',
    async () => {
      out = new Lines();
      expect(await ensembleOf(['a', 'c/best.safetensors'], 'file')).toBe(0);
      const file = await readEnsemble(path('file'));
      expect(file!.methods.map(({ name }) => name)).toEqual(['hard vote', 'soft vote', 'simple average']);
      expect(file!.stacking).toEqual({ refused: expect.stringContaining('is a model') });
      expect(out.lines.join('\n')).toMatch(/no stacking: .*best.safetensors is a model's file/);
    },
    TIMEOUT,
  );

  it('refuses what is no ensemble', async () => {
    await expect(ensembleOf(['a'], 'one')).rejects.toThrow(/takes at least two networks, and .*a is one/);
    await expect(ensembleOf(['a', 'general'], 'two')).rejects.toThrow(/general has other classes than .*a:/);
    expect(existsSync(path('one')) || existsSync(path('two'))).toBe(false);
    await expect(ensembleOf(['a', 'c'], 'a')).rejects.toThrow(/a holds files already/);
  });
});

describe('weft collapse', () => {
  const collapse = (general: string, specialist: string, beside: string[], name: string) =>
    collapseRuns(
      path(general),
      path(specialist),
      { beside: beside.map(path), limit: 200, out: path(name), adapter },
      out,
    );

  it(
    'puts a network of groups and its specialist together, beside plain ones',
    async () => {
      expect(await collapse('general', 'specialist', ['a'], 'collapse')).toBe(0);
      const file = (await readEnsemble(path('collapse'))) as EnsembleFile;
      const [general, specialist] = file.parts!;
      expect(general.test.classes[0].name).toBe('T-shirt/top + Pullover + Shirt');
      expect(general.test.classes[0].support).toBe(60);
      expect(specialist.test.samples).toBe(60);
      const [product, hard] = file.methods;
      expect(product.test.classes).toHaveLength(10);
      // Hard routing is right exactly where both are.
      expect(hard.test.accuracy).toBeLessThanOrEqual(general.test.accuracy);
      expect(product.test.accuracy).toBeGreaterThan(0.4);
      expect(file.members[0].test.samples).toBe(200);
      const manifest = await readManifest(path('general'));
      expect(manifest.choices!.plan.classes).toEqual(GROUPS);
      expect(JSON.stringify(ensembleSections(file))).toContain('of its 8 classes');
    },
    TIMEOUT,
  );

  it('refuses what is none', async () => {
    await expect(collapse('a', 'specialist', ['c'], 'x')).rejects.toThrow(/a is no run by groups of classes/);
    await expect(collapse('general', 'specialist', ['general'], 'x')).rejects.toThrow(
      /--beside .*general: that is no network of all classes/,
    );
    await expect(collapse('specialist', 'general', ['a'], 'y')).rejects.toThrow(/classTree: /);
    expect(existsSync(path('x')) || existsSync(path('y'))).toBe(false);
  });
});

describe('weft evaluate', () => {
  it(
    'leaves its figures beside the weights, and pictures in a page',
    async () => {
      out = new Lines();
      const runs = [path('a'), path('specialist')];
      expect(await evaluateRuns(runs, { limit: 60, adapter }, out)).toBe(0);
      const evaluation = await readEvaluation(path('specialist'));
      const { test, answers, speed } = evaluation!;
      expect(test.samples).toBe(60);
      const labelsOf = [0, 2, 6];
      for (const shown of [...answers!.mostConfidentMistakes, ...answers!.firstRight, ...answers!.firstWrong])
        expect(data.test.labels[shown.index]).toBe(labelsOf[shown.label]);
      expect(answers!.firstRight.every(({ label, predicted }) => label === predicted)).toBe(true);
      expect(answers!.firstWrong.every(({ label, predicted }) => label !== predicted)).toBe(true);
      expect(answers!.firstRight).toHaveLength(9);
      for (const row of answers!.confusionByTrueClass)
        expect(row.reduce((sum, share) => sum + share, 0)).toBeCloseTo(1);
      expect([speed.single.batch, speed.batch.batch]).toEqual([1, 128]);
      expect(speed.single.imagesPerSecond).toBeGreaterThan(0);
      expect(speed.single.runs).toBeGreaterThanOrEqual(3);
      const page = await fs.readFile(path('specialist/evaluation.html'), 'utf8');
      expect(page).toContain('The most confident mistakes');
      expect(page).toContain('data:image/png;base64,');
      expect(out.lines.join('\n')).toContain('have other classes than each other');
      expect(await report([path('specialist')], {}, out)).toBe(0);
      const whole = await fs.readFile(path('specialist/report.html'), 'utf8');
      expect(whole).toContain('Speed of inference');
    },
    TIMEOUT,
  );

  it(
    'writes about a file only where it is told to',
    async () => {
      const file = path('c/best.safetensors');
      expect(await evaluateRuns([file], { limit: 20, adapter }, out)).toBe(0);
      expect(existsSync(path('c/evaluation.json'))).toBe(false);
      expect(await evaluateRuns([file], { limit: 20, out: path('about'), adapter }, out)).toBe(0);
      expect((await readEvaluation(path('about')))!.test.samples).toBe(20);
      const other = path('general/best.safetensors');
      await expect(evaluateRuns([other], { limit: 20, adapter }, out)).rejects.toThrow(
        /which of 10 classes an image is has 10 outputs, this one gives \[8\]/,
      );
    },
    TIMEOUT,
  );
});

describe('weft predict', () => {
  it(
    'knows the classes of a run by groups',
    async () => {
      out = new Lines();
      expect(await predict(path('general'), ['test:1'], { adapter }, out)).toBe(0);
      const text = out.lines.join('\n');
      expect(text).toContain('T-shirt/top + Pullover + Shirt');
      expect(text).toMatch(/its label: Pullover/);
    },
    TIMEOUT,
  );
});
