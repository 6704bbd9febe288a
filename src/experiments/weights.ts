import { readFile } from 'node:fs/promises';
import { WeftError } from '../errors.ts';
import type { Model } from '../nn/model.ts';

/**
 * Takes a file's weights into a model that is about to be trained.
 * @returns what was taken, in words
 * @throws WeftError where the file is no such file, or doesn't fit
 */
export async function loadWeights(model: Model, path: string): Promise<string> {
  const file = await readFile(path).catch((error: Error) => {
    throw new WeftError(`--weights ${path}: could not be read: ${error.message}`, { cause: error });
  });
  model.load(new Uint8Array(file));
  return `weights: all ${model.parameters.length} from ${path}`;
}
