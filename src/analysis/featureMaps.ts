import { WeftError } from '../errors.ts';
import { concat } from '../kernels/concat.ts';
import { max } from '../kernels/reduce.ts';
import { neg } from '../kernels/unary.ts';
import { extractor } from '../nn/extractor.ts';
import type { Layer } from '../nn/layer.ts';
import type { Model } from '../nn/model.ts';
import type { PredictOptions } from '../nn/predictor.ts';
import { type Shape, sizeOf } from '../tensor/shape.ts';
import type { Tensor } from '../tensor/tensor.ts';
import { type BatchOptions, forEachBatch, type Images } from './images.ts';

/** What one layer gives for some images. */
export interface FeatureMaps {
  readonly layer: string;
  /** [N, height, width, channels]; of a layer without height and width [N, channels]. */
  readonly shape: Shape;
  /** Row-major, after the layer's activation. */
  readonly data: Float32Array;
  /** Of each image, the channels that are zero everywhere. */
  readonly blank: readonly (readonly number[])[];
}

const CONVOLUTIONS: readonly string[] = ['conv2d', 'conv2dTranspose'];
const isConvolution = ({ kind }: Layer): boolean => CONVOLUTIONS.includes(kind);

/** Names of the layers that are called once: of the others, nobody could know which output is meant. */
function namesOf(model: Model, isWanted: (layer: Layer) => boolean): string[] {
  const calls = (layer: Layer) => model.calls.filter((call) => call.layer === layer).length;
  return model.layers.filter((layer) => isWanted(layer) && calls(layer) === 1).map(({ name }) => name);
}

/** The layers asked for, or those that there are of a kind. @throws WeftError where there is none */
function layersOf(
  op: string,
  model: Model,
  asked: readonly string[] | undefined,
  isDefault: (layer: Layer) => boolean,
  what: string,
): readonly string[] {
  const names = asked ?? namesOf(model, isDefault);
  if (names.length > 0) return [...new Set(names)];
  const known = model.layers.map(({ name }) => name).join(', ');
  throw new WeftError(
    asked
      ? `${op}: layers holds no name; the model has ${known}`
      : `${op}: the model has no ${what} that is called once; name layers of it: ${known}`,
  );
}

export interface FeatureMapsOptions extends PredictOptions {
  /** Names of layers. Default: every convolution that is called once. */
  readonly layers?: readonly string[];
}

/**
 * Feature maps: what layers inside a model give for some images. All of it comes back from the GPU, so it is meant for a few images;
 * `deadChannels` looks at many.
 *
 * ```ts
 * import { featureMaps, layers, ones, sequential } from 'weft-gpu';
 *
 * const { conv2d } = layers;
 * const model = sequential([conv2d({ filters: 4, activation: 'relu' }), conv2d({ filters: 2 })], { inputShape: [8, 8, 1] });
 * const maps = await featureMaps(model, ones([3, 8, 8, 1]), { layers: ['conv2d'] });
 * const { shape, blank } = maps.get('conv2d')!;
 * console.log(shape); // [ 3, 6, 6, 4 ]
 * console.log(`the first image leaves ${blank[0].length} of the 4 maps blank`);
 * ```
 *
 * @param images [N, ...the model's input shape]; of a model with several inputs, as many of each
 * @returns the maps by layer, in the order of the names
 * @throws ShapeError where images are anything else; WeftError where there is no layer of a name, or it is called several times
 */
export async function featureMaps(
  model: Model,
  images: Tensor | readonly Tensor[],
  { layers, ...options }: FeatureMapsOptions = {},
): Promise<Map<string, FeatureMaps>> {
  const names = layersOf('featureMaps', model, layers, isConvolution, 'convolution');
  const inside = extractor(model, names);
  const found = new Map<string, FeatureMaps>();
  try {
    const outputs = await inside.predict(Array.isArray(images) ? images : [images as Tensor], options);
    const values = await Promise.all(outputs.map((output) => output.data()));
    outputs.forEach(({ shape }, i) => {
      const data = values[i] as Float32Array;
      found.set(names[i], { layer: names[i], shape, data, blank: blankChannels(data, shape) });
    });
    for (const output of outputs) output.dispose();
  } finally {
    inside.dispose();
  }
  return found;
}

/** Of each image, the channels that are zero everywhere. */
function blankChannels(data: Float32Array, [N, ...shape]: Shape): number[][] {
  const channels = shape[shape.length - 1];
  const size = sizeOf(shape);
  return Array.from({ length: N }, (_, image) => {
    const isBlank = new Array<boolean>(channels).fill(true);
    for (let i = 0; i < size; i++) if (data[image * size + i] !== 0) isBlank[i % channels] = false;
    return isBlank.flatMap((blank, channel) => (blank ? channel : []));
  });
}

/** The channels of a layer that say nothing. */
export interface DeadChannels {
  readonly layer: string;
  /** How many channels the layer has. */
  readonly channels: number;
  /** The numbers of those that are dead, in rising order. */
  readonly dead: readonly number[];
}

/** Where `deadChannels` looks, and how. */
export interface DeadChannelsOptions extends BatchOptions {
  /** Names of layers. Default: every convolution and every layer with a ReLU, as far as it is called once. */
  readonly layers?: readonly string[];
}

/** Activations of a batch, in elements, that are held at a time: 256 MiB. */
const MOST_ACTIVATIONS = 2 ** 26;

/**
 * Finds dead channels: those that have one and the same value at every place of every image given. So has a ReLU that is above 0
 * nowhere, and a filter of zeros. What a channel does on other images, this can't say: give it as many as show what is usual, 1,000
 * for one. The largest and smallest values are found on the GPU, batch after batch; activations don't come back.
 *
 * ```ts
 * import { deadChannels, layers, RandomStream, sequential, tensor } from 'weft-gpu';
 *
 * const model = sequential([layers.conv2d({ filters: 4, activation: 'relu' })], { inputShape: [8, 8, 1] });
 * const pixels = new RandomStream(1, 'pixels').uniform(20 * 64);
 * const found = await deadChannels(model, tensor(pixels, [20, 8, 8, 1]));
 * const { channels, dead } = found.get('conv2d')!;
 * console.log(`${dead.length} of ${channels} channels are dead`);
 * ```
 *
 * @param images [N, ...the model's input shape], or samples of a source: `{ source, indices }`
 * @param options batchSize: images at a time, by default 64, less where their activations would pass 256 MiB
 * @returns what was found, by layer, in the order of the names; the units of a dense layer count as its channels
 * @throws ShapeError where images are anything else; WeftError where there is no layer of a name, or it is called several times
 */
export async function deadChannels(
  model: Model,
  images: Images,
  { layers, ...options }: DeadChannelsOptions = {},
): Promise<Map<string, DeadChannels>> {
  const canDie = (layer: Layer) => isConvolution(layer) || layer.activation === 'relu';
  const names = layersOf('deadChannels', model, layers, canDie, 'convolution and no ReLU');
  const inside = extractor(model, names);
  const widths = inside.outputShapes.map((shape) => shape[shape.length - 1]);
  const total = widths.reduce((sum, width) => sum + width, 0);
  const high = new Float32Array(total).fill(Number.NEGATIVE_INFINITY);
  const low = new Float32Array(total).fill(Number.POSITIVE_INFINITY);
  const activations = inside.outputShapes.reduce((sum, shape) => sum + sizeOf(shape), 0);
  const fitting = Math.max(1, Math.min(64, Math.floor(MOST_ACTIVATIONS / activations)));
  await forEachBatch(
    'deadChannels',
    images,
    { batchSize: fitting, ...options },
    (x) => {
      const largest = (y: Tensor) => max(y, { axes: y.shape.slice(0, -1).map((_, axis) => axis) });
      const outputs = inside.callAll([x]);
      return concat([...outputs.map(largest), ...outputs.map((y) => largest(neg(y)))], 0);
    },
    (extremes) => {
      for (let i = 0; i < total; i++) {
        high[i] = Math.max(high[i], extremes[i]);
        low[i] = Math.min(low[i], -extremes[total + i]);
      }
    },
  );
  let first = 0;
  return new Map(
    names.map((layer, i) => {
      const channels = widths[i];
      const numbers = Array.from({ length: channels }, (_, channel) => channel);
      const at = first;
      first += channels;
      const dead = numbers.filter((channel) => high[at + channel] === low[at + channel]);
      return [layer, { layer, channels, dead }];
    }),
  );
}

/** The filters of a convolution as small pictures. */
export interface Filters {
  readonly layer: string;
  /** A picture a filter: [filters, height, width, input channels]. */
  readonly shape: Shape;
  /** Row-major. */
  readonly data: Float32Array;
  /** The smallest and the largest weight. */
  readonly range: readonly [low: number, high: number];
}

/**
 * The filters of a convolution, each as a small picture. Those of the first layer show what patterns it looks for.
 *
 * ```ts
 * import { filters, layers, sequential } from 'weft-gpu';
 *
 * const model = sequential([layers.conv2d({ filters: 4, kernelSize: 5 })], { inputShape: [8, 8, 1] });
 * const { shape, data, range } = await filters(model);
 * console.log(shape); // [ 4, 5, 5, 1 ]
 * const third = data.subarray(2 * 25, 3 * 25);
 * console.log(`from ${range[0]} to ${range[1]}`);
 * ```
 *
 * @param layer its name. Default: the model's first convolution
 * @throws WeftError where there is no such layer, or it is no convolution (`conv2d`)
 */
export async function filters(model: Model, layer?: string): Promise<Filters> {
  const convolutions = model.layers.filter(({ kind }) => kind === 'conv2d');
  const known = convolutions.map(({ name }) => name).join(', ');
  const found = layer === undefined ? convolutions[0] : model.layer(layer);
  if (!found) throw new WeftError('filters: the model has no convolution');
  if (!convolutions.includes(found))
    throw new WeftError(
      `filters: layer '${layer}' is no convolution (${found.kind})${known && `; there are ${known}`}`,
    );
  const kernel = found.parameters.find(({ ownName }) => ownName === 'kernel')!;
  const [height, width, channels, count] = kernel.shape;
  const weights = await kernel.data();
  const size = height * width * channels;
  const data = new Float32Array(weights.length);
  let [low, high] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
  weights.forEach((weight, i) => {
    data[(i % count) * size + Math.floor(i / count)] = weight;
    low = Math.min(low, weight);
    high = Math.max(high, weight);
  });
  return { layer: found.name, shape: [count, height, width, channels], data, range: [low, high] };
}
