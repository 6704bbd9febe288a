import { WeftError } from '../../errors.ts';
import type { InitializerName } from '../../nn/initializers.ts';
import type { Activation, Layer } from '../../nn/layer.ts';
import { layers as layerMakers } from '../../nn/layers/index.ts';
import { isObject, type KerasLayerConfig, KerasOptions } from './options.ts';

/*
 * Keras' layers beside ours: one entry for each of our kinds, read from Keras' class and written as one. What an entry doesn't
 * write has Keras' default value. Weights have the same order and layout: kernel, bias; gamma, beta, moving_mean, moving_variance.
 */

type Kind = keyof typeof layerMakers;
type ConfigOf<K extends Kind> =
  Parameters<(typeof layerMakers)[K]> extends []
    ? object
    : NonNullable<Parameters<(typeof layerMakers)[K]>[0]>;

interface Entry<K extends Kind> {
  /** Keras' class; its options come after the name, which every layer has. */
  readonly className: string;
  readonly read: (options: KerasOptions) => ConfigOf<K>;
  readonly write: (config: ConfigOf<K>) => Record<string, unknown>;
}

const activations: Record<Activation, true> = { linear: true, relu: true, softmax: true };

const activation = (options: KerasOptions): Activation =>
  options.oneOf('activation', Object.keys(activations) as Activation[], 'linear');

/** Keras' words for an initialiser; reading, they matter only for models that are trained anew. */
const kerasInitializers: Record<InitializerName, object> = {
  zeros: { class_name: 'Zeros', config: {} },
  ones: { class_name: 'Ones', config: {} },
  glorotUniform: scaling(1, 'fan_avg', 'uniform'),
  heNormal: scaling(2, 'fan_in', 'truncated_normal'),
};

function scaling(scale: number, mode: string, distribution: string): object {
  return { class_name: 'VarianceScaling', config: { scale, mode, distribution, seed: null } };
}

/** Names of classes for what is also a case of VarianceScaling, and what Keras before 2.2.3 called the truncated normal. */
const initializerNames: Record<string, InitializerName> = {
  Zeros: 'zeros',
  Ones: 'ones',
  GlorotUniform: 'glorotUniform',
  HeNormal: 'heNormal',
  'VarianceScaling 1 fan_avg uniform': 'glorotUniform',
  'VarianceScaling 2 fan_in truncated_normal': 'heNormal',
  'VarianceScaling 2 fan_in normal': 'heNormal',
};

function initializer(options: KerasOptions): InitializerName {
  const given = options.get('kernel_initializer');
  if (!isObject(given)) return 'glorotUniform';
  const { scale, mode, distribution } = isObject(given.config) ? given.config : {};
  const name = String(given.class_name);
  const found =
    initializerNames[name === 'VarianceScaling' ? `${name} ${scale} ${mode} ${distribution}` : name];
  if (!found) options.note(`its initialiser ${name} is not known: glorotUniform, which its weights replace`);
  return found ?? 'glorotUniform';
}

/** The factor of an L2 penalty on the kernel. L1 has none here: it matters to training alone. */
function regularizer(options: KerasOptions): { l2: number } | undefined {
  const given = options.get('kernel_regularizer');
  if (!isObject(given) || !isObject(given.config)) return undefined;
  const { l1, l2 } = given.config;
  if (typeof l1 === 'number' && l1 !== 0) options.note(`its L1 penalty of ${l1} is left out`);
  return typeof l2 === 'number' && l2 > 0 ? { l2 } : undefined;
}

const writeRegularizer = (given?: { l2: number }) =>
  given ? { class_name: 'L1L2', config: { l1: 0, l2: given.l2 } } : null;

const PADDINGS = ['valid', 'same'] as const;

const table: { readonly [K in Kind]: Entry<K> } = {
  conv2d: {
    className: 'Conv2D',
    read: (options) => {
      options.channelsLast();
      options.only('dilation_rate', [1, 1], 1);
      options.only('groups', 1);
      options.only('strides', [1, 1], 1);
      return {
        filters: options.whole('filters'),
        kernelSize: options.pair('kernel_size'),
        padding: options.oneOf('padding', PADDINGS, 'valid'),
        activation: activation(options),
        useBias: options.flag('use_bias', true),
        kernelInitializer: initializer(options),
      };
    },
    write: ({
      filters,
      kernelSize = 3,
      padding = 'valid',
      activation = 'linear',
      useBias = true,
      kernelInitializer = 'glorotUniform',
    }) => ({
      filters,
      kernel_size: typeof kernelSize === 'number' ? [kernelSize, kernelSize] : kernelSize,
      strides: [1, 1],
      padding,
      data_format: 'channels_last',
      dilation_rate: [1, 1],
      activation,
      use_bias: useBias,
      kernel_initializer: kerasInitializers[kernelInitializer],
    }),
  },
  dense: {
    className: 'Dense',
    read: (options) => ({
      units: options.whole('units'),
      activation: activation(options),
      useBias: options.flag('use_bias', true),
      kernelInitializer: initializer(options),
      kernelRegularizer: regularizer(options),
    }),
    write: ({
      units,
      activation = 'linear',
      useBias = true,
      kernelInitializer = 'glorotUniform',
      kernelRegularizer,
    }) => ({
      units,
      activation,
      use_bias: useBias,
      kernel_initializer: kerasInitializers[kernelInitializer],
      kernel_regularizer: writeRegularizer(kernelRegularizer),
    }),
  },
  batchNormalization: {
    className: 'BatchNormalization',
    read: (options) => {
      options.only('scale', true);
      options.only('center', true);
      return {
        momentum: options.number('momentum', 0.99),
        epsilon: options.number('epsilon', 1e-3),
      };
    },
    write: ({ momentum = 0.99, epsilon = 1e-3 }) => ({
      axis: -1,
      momentum,
      epsilon,
      center: true,
      scale: true,
    }),
  },
  maxPooling2d: {
    className: 'MaxPooling2D',
    read: (options) => {
      options.channelsLast();
      options.only('padding', 'valid');
      const [height, width] = options.pair('pool_size', 2);
      if (height !== width) options.fail('pool_size', 'square windows');
      options.only('strides', height, [height, width]);
      return { poolSize: height };
    },
    write: ({ poolSize = 2 }) => ({
      pool_size: [poolSize, poolSize],
      strides: [poolSize, poolSize],
      padding: 'valid',
      data_format: 'channels_last',
    }),
  },
  dropout: {
    className: 'Dropout',
    read: (options) => {
      options.only('noise_shape');
      return { rate: options.number('rate') };
    },
    write: ({ rate }) => ({ rate, noise_shape: null, seed: null }),
  },
  flatten: {
    className: 'Flatten',
    read: (options) => {
      options.channelsLast();
      return {};
    },
    write: () => ({ data_format: 'channels_last' }),
  },
  activation: {
    className: 'Activation',
    read: (options) => ({ activation: activation(options) }),
    write: ({ activation }) => ({ activation }),
  },
};

/** Classes of Keras that are a case of another one here. */
const aliases: Record<string, (options: KerasOptions) => Layer> = {
  ReLU: (options) => {
    options.only('max_value');
    options.only('negative_slope', 0);
    options.only('threshold', 0);
    return layerMakers.activation({ activation: 'relu' });
  },
  Softmax: () => layerMakers.activation({ activation: 'softmax' }),
};

const byClassName = new Map(Object.entries(table).map(([kind, entry]) => [entry.className, kind as Kind]));

/** @throws WeftError naming a class or an option that there is nothing for here */
export function layerFromKeras(
  { class_name: className, config }: KerasLayerConfig,
  onNote: (note: string) => void,
): Layer {
  const options = new KerasOptions(`${className} '${config.name}'`, config, onNote);
  const alias = Object.hasOwn(aliases, className) ? aliases[className] : undefined;
  if (alias) return alias(options);
  const kind = byClassName.get(className);
  if (!kind) {
    const known = [...byClassName.keys(), ...Object.keys(aliases)].join(', ');
    throw new WeftError(`Keras layer ${options.where}: there is no such layer here; known: ${known}`);
  }
  const read = table[kind].read as (options: KerasOptions) => object;
  return layerMakers[kind](withoutUndefined(read(options)) as never);
}

/** A layer as Keras describes it. @throws WeftError where Keras has none like it */
export function layerToKeras({ kind, name, config }: Layer): KerasLayerConfig {
  if (!Object.hasOwn(table, kind))
    throw new WeftError(`${name}: Keras has no layer for one of kind '${kind}'`);
  const { className, write } = table[kind as Kind];
  const options = (write as (config: object) => Record<string, unknown>)(config);
  return { class_name: className, config: { name, trainable: true, ...options } };
}

const withoutUndefined = (config: object): object =>
  Object.fromEntries(Object.entries(config).filter(([, value]) => value !== undefined));
