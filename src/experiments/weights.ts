import { extname } from 'node:path';
import { WeftError } from '../errors.ts';
import { loadKerasWeights } from '../formats/keras/index.ts';
import type { Model } from '../nn/model.ts';
import '../node/hdf5Host.ts';
import { readWholeFile } from '../node/readFile.ts';
import { inFile } from './inFile.ts';

/**
 * Takes a file's weights into a model that is about to be trained: all of a .safetensors file, by name; those of a Keras .h5 file in the
 * order of the layers, where the file may be of a network without its top.
 * @param frozenLayers how many of the first layers are to stay frozen: the file must hold weights for all of them
 * @returns what was taken, in words
 * @throws WeftError where the file is no such file, or doesn't fit
 */
export async function loadWeights(model: Model, path: string, frozenLayers = 0): Promise<string> {
  const bytes = await readWholeFile(path).catch((error: Error) => {
    throw new WeftError(`--weights: ${error.message}`, { cause: error });
  });
  if (extname(path).toLowerCase() !== '.h5') {
    inFile(path, () => model.load(bytes));
    return `weights: all ${model.parameters.length} from ${path}`;
  }
  const layers = model.layers.filter(({ parameters }) => parameters.length > 0);
  const taken = new Set(await loadKerasWeights(model, bytes, { name: path, by: 'first' }));
  const left = layers.filter((layer) => !taken.has(layer)).map(({ name }) => name);
  const frozen = model.layers.slice(0, frozenLayers).find(({ name }) => left.includes(name));
  if (frozen)
    throw new WeftError(
      `--weights ${path}: it holds weights for ${taken.size} layers; ${frozen.name} comes after them and is to stay frozen, which takes weights that were trained before`,
    );
  const rest =
    left.length > 0 ? `; ${left.join(', ')} begin${left.length > 1 ? '' : 's'} with random ones` : '';
  return `weights: of ${taken.size} layers from ${path}${rest}`;
}
