import { describe, expect, it } from 'vitest';
import { v1 } from '../../src/experiments/czerny/v1.ts';
import { v5 } from '../../src/experiments/czerny/v5.ts';
import type { Experiment } from '../../src/experiments/experiment.ts';
import { experiments } from '../../src/experiments/index.ts';
import { setting } from '../../src/experiments/options.ts';
import { checkStart, presetOf, settle, withOverrides } from '../../src/experiments/presets.ts';
import { ownBaseline2 } from '../../src/experiments/quah/ownBaseline2.ts';
import { resNet3Blocks } from '../../src/experiments/quah/resNets.ts';
import { twoConv } from '../../src/experiments/rasiaq/twoConvolutions.ts';
import { type Settings, withNetworkSettings, withRecipeSettings } from '../../src/experiments/settings.ts';

const layersOf = (experiment: Experiment, settings: Settings = {}) =>
  withNetworkSettings(experiment, settings).network(3).layers;

describe('settings of a recipe', () => {
  const adam = presetOf(v5, 'recipe');
  const sgd = presetOf(ownBaseline2, 'recipe');

  it('change what they name and nothing else', () => {
    expect(withRecipeSettings(adam, {})).toEqual(adam);
    expect(withRecipeSettings(adam, { batchSize: 32, 'optimizer.learningRate': 0.01 })).toEqual({
      ...adam,
      batchSize: 32,
      optimizer: { name: 'Adam', learningRate: 0.01 },
    });
    expect(
      withRecipeSettings(sgd, {
        'optimizer.momentum': 0.5,
        'optimizer.sam.rho': 0.1,
        'optimizer.nesterov': true,
      }).optimizer,
    ).toEqual({ ...sgd.optimizer, momentum: 0.5, sam: { rho: 0.1 }, nesterov: true });
    expect(withRecipeSettings(sgd, { 'optimizer.sam.rho': 0 }).optimizer).not.toHaveProperty('sam');
    const { augment, ...plain } = adam;
    expect(withRecipeSettings(adam, { augment: false })).toEqual(plain);
    expect(withRecipeSettings(adam, { augment: true }).augment).toBe(augment);
  });

  it('give an optimizer another name first, whose options then count', () => {
    const settings = { 'optimizer.momentum': 0.9, 'optimizer.name': 'SGD' };
    expect(withRecipeSettings(adam, settings).optimizer).toEqual({
      name: 'SGD',
      learningRate: 3e-4,
      momentum: 0.9,
    });
    // What only SGD has goes with it.
    expect(withRecipeSettings(sgd, { 'optimizer.name': 'AdamW' }).optimizer).toEqual({
      name: 'AdamW',
      learningRate: 0.014987,
      weightDecay: 0.000619,
    });
  });

  it('come last of what a user says of a run, and hold for its plan', () => {
    const overrides = { learningRate: 1, batchSize: 8, set: { batchSize: 16 } };
    expect(withOverrides(adam, overrides)).toMatchObject({ batchSize: 16, optimizer: { learningRate: 1 } });
    expect(settle(v5, 'quick', { limit: 64, set: { 'optimizer.name': 'SGD' } }, 1)).toMatchObject({
      optimizer: { name: 'SGD', learningRate: 1e-3 },
    });
  });

  const refused: [Settings, string][] = [
    [{ rate: 1 }, "no setting 'rate'; there are batchSize, optimizer.name, optimizer.learningRate"],
    [{ toString: 1 }, "no setting 'toString'"],
    [{ batchSize: 0.5 }, 'batchSize must be a whole number from 1 to 1000000, got 0.5'],
    [{ 'optimizer.learningRate': 0 }, 'optimizer.learningRate must be a number above 0, got 0'],
    [{ 'optimizer.name': 'adam' }, 'optimizer.name must be one of Adam, AdamW, SGD, got "adam"'],
    [{ 'optimizer.momentum': 0.9 }, 'optimizer.momentum belongs to SGD, and the optimizer is Adam'],
    [{ dropout: 1 }, 'dropout must be a number from 0 to below 1, got 1'],
    [{ augment: 1 }, 'augment must be true or false, got 1'],
  ];
  it.each(refused)('refuse %j', (settings, message) => {
    expect(() => withRecipeSettings(adam, settings)).toThrow(message);
  });

  it('refuse an augmentation that there is not', () => {
    expect(() => withRecipeSettings(presetOf(twoConv, 'recipe'), { augment: false })).toThrow(
      'augment: there is no augmentation in this preset',
    );
  });
});

describe('settings of a network', () => {
  it('give every dropout layer another rate', () => {
    const rates = (settings?: Settings) =>
      layersOf(twoConv, settings).flatMap(({ config }) => (config as { rate?: number }).rate ?? []);
    expect(rates()).toEqual([0.25, 0.3, 0.3]);
    expect(rates({ dropout: 0.1 })).toEqual([0.1, 0.1, 0.1]);
  });

  it('give every penalty another factor, and no layer one that has none', () => {
    const penalties = (settings?: Settings) =>
      layersOf(v5, settings).flatMap(({ name, penalties }) => penalties.map(({ l2 }) => [name, l2]));
    expect(penalties({ l2: 1e-3 })).toEqual(penalties().map(([name]) => [name, 1e-3]));
    expect(penalties()).toHaveLength(3);
  });

  it('make it wider or narrower', () => {
    const size = (experiment: Experiment) =>
      experiment
        .network(0)
        .parameters.reduce((sum, { shape }) => sum + shape.reduce((product, axis) => product * axis, 1), 0);
    const count = (width: number) => size(withNetworkSettings(twoConv, { width }));
    expect(count(32)).toBe(size(twoConv));
    expect(count(8)).toBeLessThan(count(32));
  });

  it.each(experiments.map((experiment) => [experiment.name, experiment] as const))(
    'leave all else as it was: %s',
    (_, experiment) => {
      const kinds = experiment.network(0).layers.map(({ kind }) => kind);
      const hasDropout = kinds.includes('dropout');
      const make = () => withNetworkSettings(experiment, { dropout: 0.2 }).network(5);
      if (!hasDropout) {
        expect(make).toThrow('dropout: the network has no layer with such an option');
        return;
      }
      const [model, before] = [make(), experiment.network(5)];
      expect(model.layers.map(({ name }) => name)).toEqual(before.layers.map(({ name }) => name));
      expect(model.parameters.map(({ name, shape }) => [name, shape])).toEqual(
        before.parameters.map(({ name, shape }) => [name, shape]),
      );
      expect([model.seed, model.calls.length]).toEqual([5, before.calls.length]);
    },
  );

  it('are refused where the network has no such layer, before a run is made', () => {
    expect(() => checkStart(v1, { set: { l2: 1e-4 } })).toThrow(
      'l2: the network has no layer with such an option',
    );
    expect(() => checkStart(resNet3Blocks, { set: { dropout: 0.1 } })).toThrow(
      'dropout: the network has no layer',
    );
    checkStart(v1, { set: { width: 8 } });
  });
});

describe('a setting on the command line', () => {
  it('is read, beside those before it', () => {
    expect(setting('dropout=0.4', { batchSize: 8 })).toEqual({ batchSize: 8, dropout: 0.4 });
    expect(setting('optimizer.learningRate=3e-4')).toEqual({ 'optimizer.learningRate': 3e-4 });
    expect(setting('optimizer.name=SGD')).toEqual({ 'optimizer.name': 'SGD' });
    expect(setting('augment=false')).toEqual({ augment: false });
  });

  it.each([
    ['dropout', 'It must be <name>=<value>.'],
    ['dropout=', 'It must be <name>=<value>.'],
    ['drop=1', "no setting 'drop'"],
    ['dropout=two', 'dropout must be a number from 0 to below 1, got "two".'],
  ])('is refused: %s', (text, message) => {
    expect(() => setting(text)).toThrow(message);
  });
});
