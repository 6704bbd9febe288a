import { WeftError } from '../../errors.ts';
import { type Activation, showActivation } from '../../nn/activations.ts';
import type { InitializerName } from '../../nn/initializers.ts';
import type { Layer } from '../../nn/layer.ts';
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

/** Those that Keras has by the same name. */
const ACTIVATIONS = ['linear', 'relu', 'sigmoid', 'tanh', 'softmax'] as const;

const activation = (options: KerasOptions): Activation => options.oneOf('activation', ACTIVATIONS, 'linear');

/** @throws WeftError for one that Keras 2 has only as a layer */
function writeActivation(activation: Activation): string {
  const name = ACTIVATIONS.find((name) => name === activation);
  if (name) return name;
  throw new WeftError(
    `Keras knows no activation ${showActivation(activation)} within a layer: put it into a layer of its own`,
  );
}

/** Keras' words for an initialiser; reading, they matter only for models that are trained anew. */
const kerasInitializers: Record<InitializerName, object> = {
  zeros: { class_name: 'Zeros', config: {} },
  ones: { class_name: 'Ones', config: {} },
  glorotUniform: scaling(1, 'fan_avg', 'uniform'),
  glorotNormal: scaling(1, 'fan_avg', 'truncated_normal'),
  heUniform: scaling(2, 'fan_in', 'uniform'),
  heNormal: scaling(2, 'fan_in', 'truncated_normal'),
  lecunNormal: scaling(1, 'fan_in', 'truncated_normal'),
  kaimingNormal: scaling(2, 'fan_in', 'untruncated_normal'),
  // Within 1 / sqrt(fanIn): a uniform distribution of variance 1 / (3 fanIn).
  fanInUniform: scaling(1 / 3, 'fan_in', 'uniform'),
};

function scaling(scale: number, mode: string, distribution: string): object {
  return { class_name: 'VarianceScaling', config: { scale, mode, distribution, seed: null } };
}

/** Names of classes for what is also a case of VarianceScaling. */
const initializerNames: Record<string, InitializerName> = {
  Zeros: 'zeros',
  Ones: 'ones',
  GlorotUniform: 'glorotUniform',
  GlorotNormal: 'glorotNormal',
  HeUniform: 'heUniform',
  HeNormal: 'heNormal',
  LecunNormal: 'lecunNormal',
  'VarianceScaling 1 fan_avg uniform': 'glorotUniform',
  'VarianceScaling 1 fan_avg truncated_normal': 'glorotNormal',
  'VarianceScaling 2 fan_in uniform': 'heUniform',
  'VarianceScaling 2 fan_in truncated_normal': 'heNormal',
  'VarianceScaling 1 fan_in truncated_normal': 'lecunNormal',
  'VarianceScaling 2 fan_in untruncated_normal': 'kaimingNormal',
  [`VarianceScaling ${1 / 3} fan_in uniform`]: 'fanInUniform',
  // What Keras before 2.2.3 called the truncated normal.
  'VarianceScaling 1 fan_avg normal': 'glorotNormal',
  'VarianceScaling 2 fan_in normal': 'heNormal',
};

function initializer<T extends InitializerName>(options: KerasOptions, key: string, otherwise: T) {
  const given = options.get(key);
  if (!isObject(given)) return otherwise;
  const { scale, mode, distribution } = isObject(given.config) ? given.config : {};
  const name = String(given.class_name);
  const full = name === 'VarianceScaling' ? `${name} ${scale} ${mode} ${distribution}` : name;
  if (Object.hasOwn(initializerNames, full)) return initializerNames[full];
  options.note(`${key} ${full} is not known here: ${otherwise}, which the weights replace`);
  return otherwise;
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

/** What convolutions, transposed ones and dense layers have in common. */
const readKernel = (options: KerasOptions) => ({
  activation: activation(options),
  useBias: options.flag('use_bias', true),
  kernelInitializer: initializer(options, 'kernel_initializer', 'glorotUniform'),
  biasInitializer: initializer(options, 'bias_initializer', 'zeros'),
  kernelRegularizer: regularizer(options),
});

const writeKernel = ({
  activation = 'linear',
  useBias = true,
  kernelInitializer = 'glorotUniform',
  biasInitializer = 'zeros',
  kernelRegularizer,
}: Partial<ReturnType<typeof readKernel>>) => ({
  activation: writeActivation(activation),
  use_bias: useBias,
  kernel_initializer: kerasInitializers[kernelInitializer],
  bias_initializer: kerasInitializers[biasInitializer],
  kernel_regularizer: writeRegularizer(kernelRegularizer),
});

const readConvolution = (options: KerasOptions) => {
  options.channelsLast();
  options.only('dilation_rate', [1, 1], 1);
  options.only('groups', 1);
  return {
    filters: options.whole('filters'),
    kernelSize: options.pair('kernel_size'),
    strides: options.pair('strides', 1),
    padding: options.oneOf('padding', PADDINGS, 'valid'),
    ...readKernel(options),
  };
};

const writeConvolution = (
  config: ConfigOf<'conv2d'> | ConfigOf<'conv2dTranspose'>,
): Record<string, unknown> => {
  const { filters, kernelSize = 3, strides = 1, padding = 'valid' } = config;
  return {
    filters,
    kernel_size: pairOf(kernelSize),
    strides: pairOf(strides),
    padding: keras(padding),
    data_format: 'channels_last',
    dilation_rate: [1, 1],
    ...writeKernel(config),
  };
};

const pairOf = (value: number | readonly [number, number]) =>
  typeof value === 'number' ? [value, value] : value;

/** @throws WeftError for numbers of zeros, which Keras has a layer of its own for */
function keras(padding: unknown): 'valid' | 'same' {
  if (padding === 'valid' || padding === 'same') return padding;
  throw new WeftError(`Keras knows the paddings 'valid' and 'same', not ${JSON.stringify(padding)}`);
}

const table: { readonly [K in Kind]?: Entry<K> } = {
  conv2d: { className: 'Conv2D', read: readConvolution, write: writeConvolution },
  conv2dTranspose: {
    className: 'Conv2DTranspose',
    read: (options) => {
      options.only('output_padding');
      return readConvolution(options);
    },
    write: (config) => {
      if (config.outputPadding) throw new WeftError('an output padding has no place in a Keras file');
      return writeConvolution(config);
    },
  },
  dense: {
    className: 'Dense',
    read: (options) => ({ units: options.whole('units'), ...readKernel(options) }),
    write: ({ units, ...config }) => ({ units, ...writeKernel(config) }),
  },
  batchNormalization: {
    className: 'BatchNormalization',
    read: (options) => ({
      momentum: options.number('momentum', 0.99),
      epsilon: options.number('epsilon', 1e-3),
      scale: options.flag('scale', true),
      center: options.flag('center', true),
    }),
    write: ({ convention, momentum, epsilon, scale = true, center = true }) => ({
      axis: -1,
      momentum: momentum ?? (convention === 'pytorch' ? 0.9 : 0.99),
      epsilon: epsilon ?? (convention === 'pytorch' ? 1e-5 : 1e-3),
      center,
      scale,
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
      pool_size: pairOf(poolSize),
      strides: pairOf(poolSize),
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
    write: ({ activation }) => ({ activation: writeActivation(activation) }),
  },
  add: {
    className: 'Add',
    read: () => ({}),
    write: ({ activation = 'linear' }) => {
      if (activation === 'linear') return {};
      throw new WeftError(
        `Keras' Add has no activation: put ${showActivation(activation)} into a layer of its own`,
      );
    },
  },
  // Along the last axis: see where models are put together.
  concatenate: { className: 'Concatenate', read: () => ({}), write: () => ({ axis: -1 }) },
};

/** Classes of Keras that are a case of another one here. */
const aliases: Record<string, (options: KerasOptions) => Layer> = {
  ReLU: (options) => {
    options.only('max_value');
    options.only('negative_slope', 0);
    options.only('threshold', 0);
    return layerMakers.activation({ name: options.name, activation: 'relu' });
  },
  Softmax: (options) => layerMakers.activation({ name: options.name, activation: 'softmax' }),
};

const byClassName = new Map(Object.entries(table).map(([kind, entry]) => [entry.className, kind as Kind]));

/** @throws WeftError naming a class or an option that there is nothing for here */
export function layerFromKeras(
  { class_name: className, config }: KerasLayerConfig,
  onNote: (note: string) => void,
): Layer {
  const options = new KerasOptions(className, config, onNote);
  const layer = makeLayer(className, options);
  layer.trainable = options.flag('trainable', true);
  return layer;
}

function makeLayer(className: string, options: KerasOptions): Layer {
  if (Object.hasOwn(aliases, className)) return aliases[className](options);
  const kind = byClassName.get(className);
  if (!kind) {
    const known = [...byClassName.keys(), ...Object.keys(aliases)].join(', ');
    throw new WeftError(`Keras layer ${options.where}: there is no such layer here; known: ${known}`);
  }
  const read = table[kind]!.read as (options: KerasOptions) => object;
  const given = Object.entries(read(options)).filter(([, value]) => value !== undefined);
  return layerMakers[kind]({ name: options.name, ...Object.fromEntries(given) } as never);
}

/** A layer as Keras describes it. @throws WeftError where Keras has none like it */
export function layerToKeras({ kind, name, config, trainable }: Layer): KerasLayerConfig {
  const entry = Object.hasOwn(table, kind) ? table[kind as Kind] : undefined;
  if (!entry) throw new WeftError(`${name}: Keras has no layer for one of kind '${kind}'`);
  const write = entry.write as (config: object) => Record<string, unknown>;
  return { class_name: entry.className, config: { name, trainable, ...write(config) } };
}
