import { WeftError } from '../errors.ts';
import { type ModelConfig, modelFromConfig } from '../nn/modelFile.ts';
import type { LayerDescription } from '../nn/sequential.ts';
import type { ParameterValue } from '../search/space.ts';
import type { Experiment } from './experiment.ts';
import { MOST } from './fields.ts';
import type { OptimizerPlan } from './optimizer.ts';
import type { OpenPreset } from './presets.ts';

/*
 * What of a recipe and of its network can be changed by name: by `weft train --set NAME=VALUE`, and by the parameters of `weft search`.
 */

/** Values by the setting's name. */
export type Settings = Readonly<Record<string, ParameterValue>>;

/** How one setting changes a recipe, or a network. */
interface Setting<Target> {
  readonly expected: string;
  accepts(value: ParameterValue): boolean;
  /** @throws WeftError where there is nothing for it to change */
  // A method, so that each setting may take the type that it accepts.
  change(target: Target, value: ParameterValue): Target;
}

type Network = Experiment['network'];

const fraction = {
  expected: 'a number from 0 to below 1',
  accepts: (value: ParameterValue) => typeof value === 'number' && value >= 0 && value < 1,
};
const positive = {
  expected: 'a number above 0',
  accepts: (value: ParameterValue) => typeof value === 'number' && Number.isFinite(value) && value > 0,
};
const notNegative = {
  expected: 'a number from 0 on',
  accepts: (value: ParameterValue) => typeof value === 'number' && Number.isFinite(value) && value >= 0,
};
const wholeUpTo = (most: number) => ({
  expected: `a whole number from 1 to ${most}`,
  accepts: (value: ParameterValue) =>
    Number.isSafeInteger(value) && Number(value) >= 1 && Number(value) <= most,
});
const flag = {
  expected: 'true or false',
  accepts: (value: ParameterValue) => typeof value === 'boolean',
};

/** A setting that changes the optimizer. */
const ofOptimizer = (change: (plan: OptimizerPlan, value: never) => OptimizerPlan) => ({
  change: (preset: OpenPreset, value: ParameterValue): OpenPreset => ({
    ...preset,
    optimizer: change(preset.optimizer, value as never),
  }),
});

type Sgd = Extract<OptimizerPlan, { name: 'SGD' }>;

/** A setting that changes an SGD. */
const ofSgd = (name: string, change: (plan: Sgd, value: never) => Sgd) =>
  ofOptimizer((plan, value) => {
    if (plan.name === 'SGD') return change(plan, value);
    throw new WeftError(`optimizer.${name} belongs to SGD, and the optimizer is ${plan.name}`);
  });

const OPTIMIZERS: readonly OptimizerPlan['name'][] = ['Adam', 'AdamW', 'SGD'];

/** An optimizer of another name keeps the options that every optimizer has. */
function renamed(plan: OptimizerPlan, name: OptimizerPlan['name']): OptimizerPlan {
  if (name === plan.name) return plan;
  const { learningRate, decay, weightDecay } = plan;
  const form = plan.name === 'AdamW' || name === 'AdamW' ? undefined : plan.form;
  return { name, learningRate, decay, weightDecay, ...(form && { form }) };
}

/** In the order in which they are made: the optimizer's name decides which others it has. */
const recipeSettings: Readonly<Record<string, Setting<OpenPreset>>> = {
  batchSize: {
    ...wholeUpTo(MOST.images),
    change: (preset, value) => ({ ...preset, batchSize: value as number }),
  },
  'optimizer.name': {
    expected: `one of ${OPTIMIZERS.join(', ')}`,
    accepts: (value) => OPTIMIZERS.includes(value as OptimizerPlan['name']),
    ...ofOptimizer(renamed),
  },
  'optimizer.learningRate': {
    ...positive,
    ...ofOptimizer((plan, learningRate: number) => ({ ...plan, learningRate })),
  },
  'optimizer.weightDecay': {
    ...notNegative,
    ...ofOptimizer((plan, weightDecay: number) => ({ ...plan, weightDecay })),
  },
  'optimizer.momentum': {
    ...fraction,
    ...ofSgd('momentum', (plan, momentum: number) => ({ ...plan, momentum })),
  },
  'optimizer.nesterov': {
    ...flag,
    ...ofSgd('nesterov', (plan, nesterov: boolean) => ({ ...plan, nesterov })),
  },
  'optimizer.sam.rho': {
    ...notNegative,
    // Without a radius it is plain SGD.
    ...ofSgd('sam.rho', ({ sam, ...plan }, rho: number) => (rho > 0 ? { ...plan, sam: { rho } } : plan)),
  },
  augment: {
    ...flag,
    change({ augment, replicate, ...preset }, value) {
      if (!augment && !replicate) throw new WeftError('augment: there is no augmentation in this preset');
      return value ? { ...preset, augment, replicate } : preset;
    },
  },
};

const networkSettings: Readonly<Record<string, Setting<Network>>> = {
  width: {
    ...wholeUpTo(MOST.width),
    change: (network, width) => (seed) => network(seed, width as number),
  },
  dropout: {
    ...fraction,
    change: (network, rate) =>
      changingLayers(network, 'dropout', ({ kind, config }) =>
        kind === 'dropout' ? { ...config, rate } : undefined,
      ),
  },
  l2: {
    ...notNegative,
    change: (network, l2) =>
      changingLayers(network, 'l2', ({ config }) =>
        'kernelRegularizer' in config && config.kernelRegularizer
          ? { ...config, kernelRegularizer: { l2 } }
          : undefined,
      ),
  },
};

/** What each setting is for, to be read in help texts. */
export const settingNames: readonly string[] = [
  ...Object.keys(recipeSettings),
  ...Object.keys(networkSettings),
];

/** A network whose layers have other options where `change` gives some. */
function changingLayers(
  network: Network,
  name: string,
  change: (layer: LayerDescription) => object | undefined,
): Network {
  return (seed, width) => {
    const model = network(seed, width).toConfig() as ModelConfig;
    const changes = model.layers.map(change);
    if (!changes.some(Boolean)) throw new WeftError(`${name}: the network has no layer with such an option`);
    const layers = model.layers.map((layer, i) => ({ ...layer, config: changes[i] ?? { ...layer.config } }));
    return modelFromConfig({ ...model, layers } as ModelConfig);
  };
}

/** @throws WeftError for a name that is none, or a value that isn't for it */
export function checkSettings(settings: Settings): void {
  for (const [name, value] of Object.entries(settings)) {
    const setting = settingOf(name);
    if (!setting.accepts(value))
      throw new WeftError(`${name} must be ${setting.expected}, got ${JSON.stringify(value)}`);
  }
}

function settingOf(name: string): Setting<never> {
  for (const settings of [recipeSettings, networkSettings])
    if (Object.hasOwn(settings, name)) return settings[name] as Setting<never>;
  throw new WeftError(`no setting '${name}'; there are ${settingNames.join(', ')}`);
}

/** Makes those changes that are among some settings, in the order of the table. */
function changed<Target>(
  table: Readonly<Record<string, Setting<Target>>>,
  target: Target,
  settings: Settings,
): Target {
  checkSettings(settings);
  return Object.entries(table).reduce(
    (result, [name, setting]) =>
      Object.hasOwn(settings, name) ? setting.change(result, settings[name]) : result,
    target,
  );
}

/** A preset with its settings changed. @throws WeftError for one that can't be */
export const withRecipeSettings = <P extends OpenPreset>(preset: P, settings: Settings = {}): P =>
  changed(recipeSettings, preset as OpenPreset, settings) as P;

/** An experiment whose network has its settings changed. The network throws where it has nothing for one of them. */
export const withNetworkSettings = (experiment: Experiment, settings: Settings = {}): Experiment => ({
  ...experiment,
  network: changed(networkSettings, experiment.network, settings),
});
