import { WeftError } from '../../errors.ts';
import type { Layer } from '../../nn/layer.ts';
import { readParameters } from '../../nn/parameter.ts';
import { sameShape, showShape } from '../../tensor/shape.ts';
import type { GroupToWrite, Hdf5File } from '../hdf5/index.ts';
import type { KerasLayer } from './graph.ts';

/*
 * The layout of Keras' weights, in the root of a file by save_weights() and in /model_weights of one by save():
 *
 *   attributes layer_names (all layers, in the model's order), backend, keras_version
 *   a group a layer, with the attribute weight_names (those of the layer, in Keras' order)
 *   a dataset a weight, at the path that weight_names has: dense_1/kernel:0, so that layer groups hold one of the same name
 *
 * A list that is too long for an attribute is cut into layer_names0, layer_names1 …
 */

/** Bytes that Keras puts into one attribute at most; HDF5's limit is 64 KiB. */
const ATTRIBUTE_BYTES = 64_512;

/** One layer's group in a file. */
export interface LayerWeights {
  readonly layer: string;
  /** Paths within the file. */
  readonly paths: readonly string[];
}

/** A list of texts, whole or cut. @throws WeftError where it is no list of texts */
async function textList(file: Hdf5File, path: string, name: string): Promise<string[] | undefined> {
  const whole = await file.attribute(path, name);
  if (whole !== undefined) return textsOf(file, path, name, whole);
  const list: string[] = [];
  for (let part = 0; ; part++) {
    const found = await file.attribute(path, `${name}${part}`);
    if (found === undefined) return part === 0 ? undefined : list;
    list.push(...textsOf(file, path, `${name}${part}`, found));
  }
}

function textsOf(file: Hdf5File, path: string, name: string, value: unknown): string[] {
  // An empty list has no kind: NumPy makes it one of floats.
  if (ArrayBuffer.isView(value) && value.byteLength === 0) return [];
  if (Array.isArray(value) && value.every((text) => typeof text === 'string')) return value;
  throw new WeftError(`${file.name}: the attribute '${name}' of '${path}' is no list of texts`);
}

/**
 * The layers of a file that have weights, in its order.
 * @throws WeftError where the file isn't laid out as Keras lays it out
 */
export async function layersWithWeights(file: Hdf5File, root: string): Promise<LayerWeights[]> {
  const names = await textList(file, root, 'layer_names');
  if (!names)
    throw new WeftError(
      `${file.name} holds no weights of a Keras model: '${root}' lacks the attribute 'layer_names'`,
    );
  const twice = names.find((name, i) => names.indexOf(name) !== i);
  if (twice !== undefined) throw new WeftError(`${file.name}: layer_names has '${twice}' twice`);
  const groups = new Set(await file.names(root));
  const found: LayerWeights[] = [];
  for (const layer of names) {
    // Names with slashes are groups in groups.
    if (!groups.has(layer.split('/')[0]))
      throw new WeftError(`${file.name}: layer_names has '${layer}', but there is no such group`);
    const path = `${root === '/' ? '' : root}/${layer}`;
    const weights = await textList(file, path, 'weight_names');
    if (!weights)
      throw new WeftError(`${file.name}: the layer '${layer}' lacks the attribute 'weight_names'`);
    if (weights.length > 0) found.push({ layer, paths: weights.map((weight) => `${path}/${weight}`) });
  }
  return found;
}

/** Which of a file's layers each of a model's takes its weights from. */
export type Pairs = readonly (readonly [ours: Layer, theirs: LayerWeights])[];

/** Keras' rule: the layers with weights of both, one after the other. @throws WeftError where there are more of one */
export function pairByOrder(layers: readonly Layer[], theirs: readonly LayerWeights[], name: string): Pairs {
  const ours = layers.filter(({ parameters }) => parameters.length > 0);
  if (ours.length !== theirs.length)
    throw new WeftError(
      `${name} has weights for ${theirs.length} layers (${some(theirs.map(({ layer }) => layer))}), the model has ${ours.length} layers with weights (${some(ours.map((layer) => layer.name))})`,
    );
  return ours.map((layer, i) => [layer, theirs[i]]);
}

/** As `pairByOrder`, for the first layers of a model; the others keep what they have. @throws WeftError where the file has more, or none */
export function pairFirst(layers: readonly Layer[], theirs: readonly LayerWeights[], name: string): Pairs {
  const ours = layers.filter(({ parameters }) => parameters.length > 0);
  return pairByOrder(theirs.length > 0 ? ours.slice(0, theirs.length) : ours, theirs, name);
}

/** Layers of the same name; the others keep what they have. @throws WeftError where there is none */
export function pairByName(layers: readonly Layer[], theirs: readonly LayerWeights[], name: string): Pairs {
  const byName = new Map(theirs.map((weights) => [weights.layer, weights]));
  const pairs = layers.flatMap((layer) => {
    const weights = layer.parameters.length > 0 ? byName.get(layer.name) : undefined;
    return weights ? [[layer, weights] as const] : [];
  });
  if (pairs.length === 0)
    throw new WeftError(
      `${name} has no layer of the model's names: it has ${some([...byName.keys()])}, the model ${some(layers.map((layer) => layer.name))}`,
    );
  return pairs;
}

/**
 * Gives layers the weights of a file. Nothing changes unless all of them fit.
 * @throws WeftError naming a weight of another shape, or a layer with another number of them
 */
export async function takeWeights(file: Hdf5File, pairs: Pairs): Promise<void> {
  const values: Float32Array[][] = [];
  for (const [{ name, parameters }, { layer, paths }] of pairs) {
    if (paths.length !== parameters.length)
      throw new WeftError(
        `${file.name}: the layer '${layer}' has ${paths.length} weights, ${name} has ${parameters.length} (${parameters.map((parameter) => parameter.name).join(', ')})`,
      );
    const row: Float32Array[] = [];
    for (const [i, path] of paths.entries()) {
      const { shape, data } = await file.dataset(path);
      const ours = parameters[i];
      if (!sameShape(shape, ours.shape))
        throw new WeftError(
          `${file.name}: the weight '${path}' has shape ${showShape(shape)}, ${ours.name} has ${showShape(ours.shape)}`,
        );
      row.push(data);
    }
    values.push(row);
  }
  for (const [i, [{ parameters }]] of pairs.entries())
    for (const [k, parameter] of parameters.entries()) parameter.set(values[i][k]);
}

/** The group that holds a model's weights, with attributes of its own kind. */
export async function weightsGroup(layers: readonly KerasLayer[], versions: Versions): Promise<GroupToWrite> {
  const groups = new Map<string, GroupToWrite>();
  const values = await readParameters(layers.flatMap(({ of }) => of?.parameters ?? []));
  for (const { name, of } of layers) {
    const datasets = new Map<string, { shape: readonly number[]; data: Float32Array }>();
    for (const parameter of of?.parameters ?? [])
      datasets.set(`${parameter.ownName}:0`, {
        shape: parameter.shape,
        data: values.shift()!,
      });
    const inner = new Map([[name, { attributes: new Map(), groups: new Map(), datasets }]]);
    groups.set(name, {
      attributes: listAttributes(
        'weight_names',
        [...datasets.keys()].map((weight) => `${name}/${weight}`),
      ),
      groups: datasets.size > 0 ? inner : new Map(),
      datasets: new Map(),
    });
  }
  const attributes = new Map<string, string | readonly string[]>([
    ...listAttributes(
      'layer_names',
      layers.map(({ name }) => name),
    ),
    ...versions,
  ]);
  return { attributes, groups, datasets: new Map() };
}

export type Versions = ReadonlyMap<string, string>;

/** A list as one attribute, or as many as it takes: all texts of one have the length of its longest. */
function listAttributes(name: string, texts: readonly string[]): Map<string, readonly string[]> {
  const longest = Math.max(1, ...texts.map((text) => new TextEncoder().encode(text).length));
  const perPart = Math.max(1, Math.floor(ATTRIBUTE_BYTES / longest));
  if (texts.length <= perPart) return new Map([[name, texts]]);
  const parts = new Map<string, readonly string[]>();
  for (let at = 0; at < texts.length; at += perPart)
    parts.set(`${name}${parts.size}`, texts.slice(at, at + perPart));
  return parts;
}

const some = (names: readonly string[]): string =>
  `${names.slice(0, 8).join(', ')}${names.length > 8 ? ', …' : ''}` || 'none';
