import { checkOneOf } from '../../checks.ts';
import { WeftError } from '../../errors.ts';
import type { Layer } from '../../nn/layer.ts';
import type { Model } from '../../nn/model.ts';
import { encodeHdf5, Hdf5File, type Hdf5Options } from '../hdf5/index.ts';
import { kerasGraph } from './graph.ts';
import { modelFromKeras, modelToKeras } from './modelConfig.ts';
import { kerasOrder } from './order.ts';
import {
  layersWithWeights,
  pairByName,
  pairByOrder,
  pairFirst,
  takeWeights,
  weightsGroup,
} from './weights.ts';

/*
 * Keras' .h5 files, in the layout of Keras 2.2 to 2.4 and of tf.keras 1.15 and 2.0: models by model.save(), weights by
 * model.save_weights().
 */

/** How Keras' files are read. */
export interface KerasOptions extends Hdf5Options {
  /** Is told what a file holds that is left out, such as the optimizer's state. */
  onNote?: (note: string) => void;
}

/** How weights find their layers. */
export interface KerasWeightsOptions extends KerasOptions {
  /**
   * 'order' (the default, as in Keras): the layers with weights one after the other, whatever their names; both sides must have as
   * many. 'first': in that order, too, but a file may end before the model does, as one of a network without its top: the layers
   * that are left keep their weights. 'name': layers of the same name, and the others keep their weights.
   */
  by?: 'order' | 'first' | 'name';
}

const pairings = { order: pairByOrder, first: pairFirst, name: pairByName };

const MODEL_WEIGHTS = '/model_weights';
/** What readers are told: the layout is this version's. */
const versions = new Map([
  ['keras_version', '2.3.1'],
  ['backend', 'tensorflow'],
]);

/**
 * Makes the model of a file that Keras' `model.save()` wrote, with its weights. The optimizer's state is left out.
 * @throws WeftError where the file is none, is damaged, or holds a layer or an option that there is nothing for here
 * @example
 * ```ts
 * import { layers, sequential } from 'weft-gpu';
 * import { loadKerasModel, saveKerasModel } from 'weft-gpu/files';
 *
 * const model = sequential([layers.dense({ units: 3 })], { inputShape: [4] });
 * const file = await saveKerasModel(model); // or of a file that Keras wrote: model.save('model.h5')
 * const again = await loadKerasModel(file);
 * console.log(again.outputShape); // [ 3 ]
 * ```
 */
export async function loadKerasModel(bytes: Uint8Array, options: KerasOptions = {}): Promise<Model> {
  const { onNote = () => {} } = options;
  return reading(bytes, options, async (file) => {
    const config = await file.attribute('/', 'model_config');
    if (typeof config !== 'string')
      throw new WeftError(
        `${file.name} describes no model (no attribute 'model_config'): if it holds weights alone, load them into a model`,
      );
    const groups = await file.names('/');
    if (!groups.includes('model_weights')) throw new WeftError(`${file.name} holds no group 'model_weights'`);
    await checkVersions(file, '/');
    const model = modelFromKeras(config, file.name, onNote);
    const theirs = await layersWithWeights(file, MODEL_WEIGHTS);
    // Keras goes by the order. Names say the same, and hold where a file's order is another one.
    const names = new Set(theirs.map(({ layer }) => layer));
    const hasNames = model.layers.every(({ name, parameters }) => parameters.length === 0 || names.has(name));
    await takeWeights(file, (hasNames ? pairByName : pairByOrder)(ordered(model), theirs, file.name));
    if (groups.includes('optimizer_weights')) onNote(`${file.name}: the optimizer's state is left out`);
    return model;
  });
}

/**
 * Gives a model the weights of a Keras file: of `save_weights()`, or of `save()`, whose model must then have layers of the same
 * shapes. Nothing changes unless all weights fit.
 * @returns the layers that were given theirs
 * @throws WeftError as `loadKerasModel`, and naming a weight that doesn't fit
 * @example
 * ```ts
 * import { layers, sequential } from 'weft-gpu';
 * import { loadKerasWeights, saveKerasWeights } from 'weft-gpu/files';
 *
 * const makeModel = () => sequential([layers.dense({ units: 3 })], { inputShape: [4] });
 * const file = await saveKerasWeights(makeModel()); // or of a file: model.save_weights('weights.h5')
 * const given = await loadKerasWeights(makeModel(), file, { by: 'name' });
 * console.log(given.map(({ name }) => name)); // [ 'dense' ]
 * ```
 */
export async function loadKerasWeights(
  model: Model,
  bytes: Uint8Array,
  options: KerasWeightsOptions = {},
): Promise<readonly Layer[]> {
  return reading(bytes, options, async (file) => {
    const isModel = (await file.names('/')).includes('model_weights');
    const root = isModel ? MODEL_WEIGHTS : '/';
    await checkVersions(file, root);
    const theirs = await layersWithWeights(file, root);
    const by = checkOneOf('loadKerasWeights', 'by', options.by ?? 'order', ['order', 'first', 'name']);
    const pairs = pairings[by](ordered(model), theirs, file.name);
    await takeWeights(file, pairs);
    return pairs.map(([layer]) => layer);
  });
}

/** The model as a file that Keras' `load_model()` reads. @throws WeftError where Keras has no such layer */
export async function saveKerasModel(model: Model, options: Hdf5Options = {}): Promise<Uint8Array> {
  const attributes = new Map([...versions, ['model_config', modelToKeras(model)]]);
  const groups = new Map([['model_weights', await weightsGroup(kerasOrder(kerasGraph(model)), versions)]]);
  return encodeHdf5({ attributes, groups, datasets: new Map() }, options);
}

/** The weights as a file that Keras' `load_weights()` reads. */
export async function saveKerasWeights(model: Model, options: Hdf5Options = {}): Promise<Uint8Array> {
  return encodeHdf5(await weightsGroup(kerasOrder(kerasGraph(model)), versions), options);
}

/** The model's layers as Keras lists them. */
const ordered = (model: Model): Layer[] => kerasOrder(kerasGraph(model)).flatMap(({ of }) => of ?? []);

async function reading<T>(
  bytes: Uint8Array,
  options: Hdf5Options,
  read: (file: Hdf5File) => Promise<T>,
): Promise<T> {
  const file = await Hdf5File.open(bytes, options);
  try {
    return await read(file);
  } finally {
    file.close();
  }
}

/** Keras 1 and other backends lay some kernels out otherwise. */
async function checkVersions(file: Hdf5File, path: string): Promise<void> {
  const version = await file.attribute(path, 'keras_version');
  if (typeof version === 'string' && !version.startsWith('2.'))
    throw new WeftError(`${file.name} was written by Keras ${version.slice(0, 20)}; known: Keras 2`);
  const backend = await file.attribute(path, 'backend');
  if (typeof backend === 'string' && backend !== 'tensorflow')
    throw new WeftError(
      `${file.name} was written for the backend '${backend.slice(0, 20)}'; known: tensorflow`,
    );
}
