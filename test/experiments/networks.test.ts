import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import type { Experiment } from '../../src/experiments/experiment.ts';
import { experiments, findExperiment } from '../../src/experiments/index.ts';
import { measuredTable } from '../../src/experiments/measured.ts';
import { countParameters, modelTable } from '../../src/experiments/models.ts';
import { presetOf, setSizes } from '../../src/experiments/presets.ts';
import { recipeRows } from '../../src/experiments/recipeRows.ts';
import type { Model } from '../../src/nn/model.ts';
import { compareWithReference } from '../support/compareModel.ts';
import { testGpu } from '../support/gpu.ts';
import { seed } from '../support/seed.ts';

const network = (name: string) => findExperiment(name).network(0);
const sum = (values: readonly number[]) => values.reduce((total, value) => total + value, 0);
const each = experiments.map((experiment) => [experiment.name, experiment] as const);

/** Parameters of each layer that has some. */
const perLayer = (model: Model): number[] =>
  model.layers.map(({ parameters }) => sum(parameters.map(({ size }) => size))).filter((count) => count > 0);

/** Convolutions and dense layers, without batch-norm. */
const kernels = (model: Model): number[] =>
  model.layers
    .filter(({ parameters }) => parameters.some(({ ownName }) => ownName === 'kernel'))
    .map(({ parameters }) => sum(parameters.map(({ size }) => size)));

describe('the networks', () => {
  it.each(each)('%s has the parameters that were counted', (_name, experiment) => {
    const model = experiment.network(0);
    if (experiment.parameters !== undefined)
      expect(countParameters(experiment, model)).toBe(experiment.parameters);
  });

  // The totals of the specification itself, so that a wrong number can't stand in an experiment's file.
  it.each([
    ['v1', 259_434, 0],
    ['v2-32', 451_818, 0],
    ['v2', 1_802_698, 0],
    ['v3', 1_802_698, 0],
    ['v4', 2_601_418, 4_608],
    ['v5', 904_074, 1_920],
    ['cnn4', 661_022, 968],
    ['twoConvFirst', 243_786, 0],
    ['twoConv', 225_034, 0],
  ])('%s has %i parameters, %i not trained', (name, total, fixed) => {
    const model = network(name);
    const trained = sum(model.trainableParameters.map(({ size }) => size));
    expect(sum(model.parameters.map(({ size }) => size))).toBe(total);
    expect(total - trained).toBe(fixed);
  });

  it.each([
    ['ownBaseline1', 937_834],
    ['ownBaseline2', 2_917_482],
    ['ownBaseline3', 4_801_578],
    ['resNet3Blocks', 2_258_890],
    ['resNet4Blocks', 8_028_618],
    // The published counts are 1,122,830 and 1,253,276: no natural layout has them.
    ['denseNet3Blocks', 1_122_830 + 1_340],
    ['denseNet4Blocks', 1_253_276 - 18],
  ])('%s has %i trained parameters', (name, count) => {
    expect(sum(network(name).trainableParameters.map(({ size }) => size))).toBe(count);
  });

  it.each([
    ['v1', [320, 9_248, 18_496, 36_928, 55_392, 83_040, 55_360, 650]],
    ['v2', [640, 36_928, 73_856, 147_584, 295_168, 590_080, 590_080, 65_792, 2_570]],
    ['v4', [640, 36_928, 73_856, 147_584, 295_168, 590_080, 9_216, 1_180_160, 262_656, 5_130]],
    ['twoConv', [320, 18_496, 204_928, 1_290]],
  ])('%s has them layer by layer', (name, counts) => {
    expect(perLayer(network(name))).toEqual(counts);
  });

  it.each([
    ['ownBaseline1', [320, 9_248, 18_496, 36_928, 803_072, 65_792, 2_570]],
    ['ownBaseline2', [320, 9_248, 18_496, 36_928, 73_856, 147_584, 2_098_176, 524_800, 5_130]],
    [
      'ownBaseline3',
      [
        ...[320, 9_248, 18_496, 36_928, 73_856, 147_584, 147_584, 295_168, 590_080, 590_080],
        ...[590_080, 590_080, 1_180_160, 262_656, 262_656, 5_130],
      ],
    ],
  ])('%s has them convolution by convolution', (name, counts) => {
    expect(kernels(network(name))).toEqual(counts);
  });

  it('come in the sizes that the specification counts beside', () => {
    const total = (experiment: Experiment, width: number) =>
      sum(experiment.network(0, width).parameters.map(({ size }) => size));
    expect(total(findExperiment('v2-32'), 64)).toBe(1_802_698);
    expect(total(findExperiment('v7'), 64)).toBe(3_238_282);
    expect(total(findExperiment('v6'), 256)).toBe(3_372_042);
  });

  it.each(each)(
    '%s can be made narrow, and is described without a device',
    (_name, { network, task, recipe }) => {
      const [narrow, whole] = [network(0, 4), network(0)];
      expect(narrow.layers.map(({ kind }) => kind)).toEqual(whole.layers.map(({ kind }) => kind));
      expect(narrow.inputShape).toEqual([28, 28, 1]);
      expect(narrow.outputShape).toEqual(
        task === 'reconstruct' ? [28, 28, 1] : [recipe.classes?.length ?? 10],
      );
      expect(narrow.multiplyAdds).toBeLessThan(whole.multiplyAdds);
      expect(narrow.summary()).toContain(' parameters: ');
    },
  );

  it('count their multiply-adds', () => {
    const v5 = 28 * 28 * 9 * (64 + 64 * 128) + 14 * 14 * 9 * 2 * 64 * 128 + 9 * 64 * 128 * (49 + 25);
    expect(network('v5').multiplyAdds).toBe(v5 + 512 * 512 * 2 + 5120);
    const pairs = 28 * 28 * 9 * (32 + 32 * 32) + 14 * 14 * 9 * (32 * 64 + 64 * 64);
    const last = 7 * 7 * 9 * (64 * 128 + 128 * 128) + 2048 * 1024 + 1024 * 512 + 5120;
    expect(network('ownBaseline2').multiplyAdds).toBe(pairs + last);
  });
});

describe('docs/experiments.md', () => {
  const page = readFileSync(new URL('../../docs/experiments.md', import.meta.url), 'utf8');
  const sections = new Map(
    page
      .split(/^### /m)
      .slice(1)
      .map((section) => [section.slice(0, section.indexOf('\n')), section.split('\n')]),
  );

  it.each(each)('shows the recipe of %s as it is', (name, experiment) => {
    const lines = sections.get(name)!;
    const rows = lines.filter((line) => line.startsWith('| ')).slice(2);
    const shown = rows.map((row) => row.split('|').map((cell) => cell.trim()));
    expect(shown.map(([, option, , here]) => [option, here])).toEqual(recipeRows(experiment));
    expect(shown.every(([, , specification]) => specification.length > 0)).toBe(true);
    const chosen = lines.filter((line) => line.startsWith('- ')).map((line) => line.slice(2));
    expect(chosen).toEqual(experiment.chosen ?? []);
  });

  it('shows no other', () => {
    expect([...sections.keys()]).toEqual(experiments.map(({ name }) => name));
  });
});

describe('the README', () => {
  it('shows what was measured', () => {
    const readme = readFileSync(new URL('../../README.md', import.meta.url), 'utf8');
    expect(readme).toContain(`\n${measuredTable((name) => findExperiment(name).reported)}\n`);
  });
});

describe('the experiments', () => {
  it('have names of their own, found in whatever case', () => {
    const names = experiments.map(({ name }) => name.toLowerCase());
    expect(new Set(names).size).toBe(names.length);
    expect(findExperiment('RESNET3BLOCKS').name).toBe('resNet3Blocks');
    expect(() => findExperiment('v99')).toThrow(/no experiment 'v99'; there are v1, v2-32/);
  });

  it.each(each)('%s has a recipe that its data allows', (_name, experiment) => {
    const { trainingImages, validationImages, tested } = presetOf(experiment, 'recipe');
    expect((trainingImages as number) + validationImages).toBeLessThanOrEqual(
      setSizes(experiment.recipe.classes).training,
    );
    // Without validation there is no best epoch.
    if (validationImages === 0) expect(tested).toBe('last');
    expect(JSON.parse(JSON.stringify(experiment.recipe))).toEqual(experiment.recipe);
  });

  it('are listed with what is known of them', () => {
    const lines = modelTable().split('\n');
    for (const { name, title } of experiments)
      expect(lines.find((line) => line.startsWith(`${name} `))).toContain(title);
    expect(lines.find((line) => line.startsWith('denseNet3Blocks'))).toMatch(/1,124,170 +\+1,340 /);
    expect(lines.find((line) => line.startsWith('v5 '))).toMatch(/904,074 +same +93\.1 M +94\.22 %/);
  });
});

describe('a training step of every network, narrow, beside the f64 reference', () => {
  // Larger batches where a chain of layers ends in maps of one pixel: batch-norm over few values magnifies round-off.
  it.each(each)('%s', async (name, { network, task }) => {
    await testGpu();
    const isDeep = /denseNet|inception/.test(name);
    await compareWithReference(network(0, 4), { batch: isDeep ? 8 : 4, task, seed });
  });
});
