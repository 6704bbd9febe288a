import { WeftError } from '../../errors.ts';
import { windowsOf } from '../../kernels/shared/windows.ts';
import { type Activation, LEAKY_RELU_SLOPE } from '../../nn/activations.ts';
import type { InitializerName } from '../../nn/initializers.ts';
import type { Layer } from '../../nn/layer.ts';
import { layers as layerMakers } from '../../nn/layers/index.ts';
import type { Shape } from '../../tensor/shape.ts';
import { isObject, type KerasLayerConfig, KerasOptions } from './options.ts';
import { paddingOf, zeroPadding } from './padding.ts';

/*
 * Keras' layers beside ours: one entry for each of our kinds, read from Keras' class and written as one. What an entry doesn't
 * write has Keras' default value. Weights have the same order and layout: kernel, bias; gamma, beta, moving_mean, moving_variance.
 * What Keras has only as a layer of its own comes before or after: zeros around an image, some activations.
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
  /** @param inputShapes of its calls, without the batch */
  readonly write: (config: ConfigOf<K>, inputShapes: readonly Shape[]) => Record<string, unknown>;
}

/** Those that Keras has by the same name. */
const ACTIVATIONS = ['linear', 'relu', 'sigmoid', 'tanh', 'softmax'] as const;

const activation = (options: KerasOptions): Activation => options.oneOf('activation', ACTIVATIONS, 'linear');

/** The name of an activation within a layer: one that Keras hasn't there is a layer after it. */
const writeActivation = (activation: Activation): string =>
  ACTIVATIONS.find((name) => name === activation) ?? 'linear';

/** An activation as a layer. */
function activationLayer(activation: Activation): KerasLayerConfig {
  const name = ACTIVATIONS.find((name) => name === activation);
  if (name) return { class_name: 'Activation', config: { activation: name } };
  const alpha = typeof activation === 'string' ? LEAKY_RELU_SLOPE : activation.leakyRelu;
  return { class_name: 'LeakyReLU', config: { alpha } };
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
const CHANNELS_LAST = { data_format: 'channels_last' };

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
    padding: options.zeros ?? options.oneOf('padding', PADDINGS, 'valid'),
    ...readKernel(options),
  };
};

const writeConvolution = (config: ConfigOf<'conv2d'> | ConfigOf<'conv2dTranspose'>) => ({
  filters: config.filters,
  kernel_size: pairOf(config.kernelSize ?? 3),
  strides: pairOf(config.strides ?? 1),
  ...CHANNELS_LAST,
  dilation_rate: [1, 1],
  ...writeKernel(config),
});

const pairOf = (value: number | readonly [number, number]): readonly [number, number] =>
  typeof value === 'number' ? [value, value] : value;

/** Keras' defaults are left out. */
function readPool(options: KerasOptions): Omit<ConfigOf<'maxPooling2d'>, 'ceilMode'> {
  options.channelsLast();
  const [rows, columns] = options.pair('pool_size', 2);
  const [down, across] = options.pair('strides', [rows, columns]);
  const padding = options.oneOf('padding', PADDINGS, 'valid');
  return {
    poolSize: rows === columns ? rows : [rows, columns],
    ...(down === rows && across === columns ? {} : { strides: [down, across] }),
    ...(padding === 'valid' ? {} : { padding }),
  };
}

/** @throws WeftError for windows that neither of Keras' paddings has */
function writePool(config: ConfigOf<'maxPooling2d'>, inputShapes: readonly Shape[]) {
  const { poolSize = 2, strides = poolSize, padding = 'valid', ceilMode = false } = config;
  const windows = (options: object) =>
    JSON.stringify(
      inputShapes.map((shape) => {
        const { Y, X, P, Q } = windowsOf('pool', [1, ...shape], { poolSize, strides, ...options });
        return [Y, X, P, Q];
      }),
    );
  // An image smaller than its pool has no 'valid' windows.
  const fits = ([H, W]: Shape) => H >= pairOf(poolSize)[0] && W >= pairOf(poolSize)[1];
  const known = PADDINGS.find((name) =>
    name === 'valid' && !inputShapes.every(fits)
      ? false
      : windows({ padding: name }) === windows({ padding, ceilMode }),
  );
  if (!known)
    throw new WeftError(
      `Keras has no pool of padding ${JSON.stringify(padding)}${ceilMode ? ' in ceil mode' : ''} that gives the same windows`,
    );
  return { pool_size: pairOf(poolSize), strides: pairOf(strides), padding: known, ...CHANNELS_LAST };
}

const table: { readonly [K in Kind]: Entry<K> } = {
  conv2d: {
    className: 'Conv2D',
    read: readConvolution,
    write: (config, inputShapes) => ({
      ...writeConvolution(config),
      padding: paddingOf(config, inputShapes) ?? 'valid',
    }),
  },
  conv2dTranspose: {
    className: 'Conv2DTranspose',
    read: (options) => {
      options.only('output_padding');
      return readConvolution(options);
    },
    write: (config) => {
      const { padding = 'valid', outputPadding } = config;
      if (outputPadding) throw new WeftError('an output padding has no place in a Keras file');
      if (padding !== 'valid' && padding !== 'same')
        throw new WeftError(`Keras' Conv2DTranspose cuts off nothing by numbers: ${JSON.stringify(padding)}`);
      return { ...writeConvolution(config), padding };
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
  maxPooling2d: { className: 'MaxPooling2D', read: readPool, write: writePool },
  averagePooling2d: {
    className: 'AveragePooling2D',
    read: readPool,
    write: (config, inputShapes) => {
      const { padding = 'valid', countIncludePad = padding !== 'same' } = config;
      const options = writePool(config, inputShapes);
      if (countIncludePad && padding !== 'valid' && options.padding === 'same')
        throw new WeftError("Keras' average pools don't count the padding");
      return options;
    },
  },
  globalAveragePooling2d: {
    className: 'GlobalAveragePooling2D',
    read: (options) => {
      options.channelsLast();
      options.only('keepdims', false);
      return {};
    },
    write: () => CHANNELS_LAST,
  },
  resizing: {
    className: 'Resizing',
    read: (options) => {
      options.only('interpolation', 'bilinear');
      for (const key of ['crop_to_aspect_ratio', 'pad_to_aspect_ratio']) options.only(key, false);
      return { height: options.whole('height'), width: options.whole('width') };
    },
    write: ({ height, width, alignCorners }) => {
      if (alignCorners) throw new WeftError("Keras' Resizing doesn't align corners");
      return { height, width, interpolation: 'bilinear' };
    },
  },
  upSampling2d: {
    className: 'UpSampling2D',
    read: (options) => {
      options.channelsLast();
      options.only('interpolation', 'nearest');
      return { size: options.pair('size', 2) };
    },
    write: ({ size = 2 }) => ({ size: pairOf(size), ...CHANNELS_LAST, interpolation: 'nearest' }),
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
    write: () => CHANNELS_LAST,
  },
  reshape: {
    className: 'Reshape',
    read: (options) => ({ targetShape: options.shape('target_shape') }),
    write: ({ targetShape }) => ({ target_shape: targetShape }),
  },
  rescaling: {
    className: 'Rescaling',
    read: (options) => ({ scale: options.number('scale'), offset: options.number('offset', 0) }),
    write: ({ scale, offset = 0 }) => ({ scale, offset }),
  },
  activation: {
    className: 'Activation',
    read: (options) => ({ activation: activation(options) }),
    write: ({ activation }) => activationLayer(activation).config,
  },
  leakyReLU: {
    className: 'LeakyReLU',
    read: (options) => ({ alpha: options.number('alpha', LEAKY_RELU_SLOPE) }),
    write: ({ alpha = LEAKY_RELU_SLOPE }) => ({ alpha }),
  },
  add: { className: 'Add', read: () => ({}), write: () => ({}) },
  // Along the last axis: see where models are put together.
  concatenate: { className: 'Concatenate', read: () => ({}), write: () => ({ axis: -1 }) },
};

/** Classes of Keras that are a case of another one here. */
const aliases: Record<string, (options: KerasOptions) => Layer> = {
  ReLU: (options) => {
    options.only('max_value');
    options.only('threshold', 0);
    const slope = options.number('negative_slope', 0);
    const activation = slope === 0 ? 'relu' : { leakyRelu: slope };
    return layerMakers.activation({ name: options.name, activation });
  },
  Softmax: (options) => layerMakers.activation({ name: options.name, activation: 'softmax' }),
};

const byClassName = new Map(Object.entries(table).map(([kind, entry]) => [entry.className, kind as Kind]));

/** @throws WeftError naming a class or an option that there is nothing for here */
export function layerFromKeras(
  { class_name: className, config, zeros }: KerasLayerConfig,
  onNote: (note: string) => void,
): Layer {
  const options = new KerasOptions(className, config, onNote, zeros);
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
  const read = table[kind].read as (options: KerasOptions) => object;
  const given = Object.entries(read(options)).filter(([, value]) => value !== undefined);
  return layerMakers[kind]({ name: options.name, ...Object.fromEntries(given) } as never);
}

/** A layer as Keras describes it, without what comes before and after. @throws WeftError where Keras has none like it */
export function layerToKeras(
  { kind, name, config, trainable }: Layer,
  inputShapes: readonly Shape[],
): KerasLayerConfig {
  const entry = Object.hasOwn(table, kind) ? table[kind as Kind] : undefined;
  if (!entry) throw new WeftError(`${name}: Keras has no layer for one of kind '${kind}'`);
  const write = entry.write as (config: object, inputShapes: readonly Shape[]) => Record<string, unknown>;
  // A leaky activation is a class of its own.
  const className =
    kind === 'activation'
      ? activationLayer((config as ConfigOf<'activation'>).activation).class_name
      : entry.className;
  try {
    return { class_name: className, config: { name, trainable, ...write(config, inputShapes) } };
  } catch (error) {
    throw new WeftError(`${name}: ${(error as Error).message}`, { cause: error });
  }
}

/** The layer that Keras needs before one, for zeros around its images that no padding of Keras' stands for. */
export function layerBefore({ kind, config }: Layer, inputShapes: readonly Shape[]) {
  if (kind !== 'conv2d') return undefined;
  const { padding } = config as ConfigOf<'conv2d'>;
  return paddingOf(config as ConfigOf<'conv2d'>, inputShapes) ? undefined : zeroPadding(padding!);
}

/** The layer that Keras needs after one, for an activation that it has only as a layer. */
export function layerAfter({ kind, activation }: Layer): KerasLayerConfig | undefined {
  if (kind === 'activation' || kind === 'leakyReLU' || activation === 'linear') return undefined;
  const isWithin = kind !== 'add' && writeActivation(activation) === activation;
  return isWithin ? undefined : activationLayer(activation);
}
