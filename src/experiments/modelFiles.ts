import { extname } from 'node:path';
import { WeftError } from '../errors.ts';
import { loadKerasModel, saveKerasModel } from '../formats/keras/index.ts';
import { decodeNpz, encodeNpz } from '../formats/npz.ts';
import type { Model } from '../nn/model.ts';
import { loadModel } from '../nn/modelFile.ts';
import { decodeSafetensors, encodeSafetensors } from '../nn/safetensors.ts';
import { atomicWrite } from '../node/files.ts';
import { readWholeFile } from '../node/readFile.ts';
import { type Shape, sizeOf } from '../tensor/shape.ts';
import type { Console } from './console.ts';
import { inFile } from './inFile.ts';
import '../node/hdf5Host.ts';

/*
 * Files of models by their extension: .h5 (Keras) and .safetensors hold a model with its weights, .npz weights alone, by name.
 */

const MODELS = ['.h5', '.safetensors'];

/** Whether a path names a file with a model, rather than a run's folder. */
export const isModelFile = (path: string): boolean => MODELS.includes(extname(path).toLowerCase());

/** Reads a model with its weights. @throws WeftError naming the file and what is wrong with it */
export async function readModelFile(path: string, out: Console): Promise<Model> {
  const bytes = await readWholeFile(path);
  if (extname(path).toLowerCase() === '.h5')
    return loadKerasModel(bytes, { name: path, onNote: (note) => out.line(note) });
  return inFile(path, () => loadModel(bytes));
}

type Weights = Map<string, { shape: Shape; data: Float32Array }>;

/**
 * Writes what one file holds in another format: models between .h5 and .safetensors, weights from all into .npz and from .npz into
 * .safetensors without a model. Resolves with the exit code. Needs no device but where a model is read.
 */
export async function convertFile(from: string, to: string, out: Console): Promise<number> {
  const [source, target] = [from, to].map((path) => extname(path).toLowerCase());
  for (const [path, extension] of [
    [from, source],
    [to, target],
  ])
    if (![...MODELS, '.npz'].includes(extension))
      throw new WeftError(`${path}: the extension says the format; known: ${[...MODELS, '.npz'].join(', ')}`);
  if (target === '.npz') await atomicWrite(to, await encodeNpz(await readWeights(from, out)));
  else if (source === '.npz' && target === '.safetensors')
    await atomicWrite(to, encodeSafetensors(await readWeights(from, out)));
  else if (source === '.npz')
    throw new WeftError(
      `${from} holds weights alone, and a Keras file a model with them: there is none to write`,
    );
  else {
    const model = await readModelFile(from, out);
    const bytes = target === '.h5' ? await saveKerasModel(model, { name: to }) : await model.save();
    await atomicWrite(to, bytes);
    model.dispose();
  }
  out.line(`${from} -> ${to}`);
  return 0;
}

/** All weights of a file by their names. */
async function readWeights(path: string, out: Console): Promise<Weights> {
  const extension = extname(path).toLowerCase();
  if (extension === '.h5') {
    const model = await readModelFile(path, out);
    const weights = await model.weights();
    model.dispose();
    return weights;
  }
  const bytes = await readWholeFile(path);
  const arrays =
    extension === '.npz'
      ? await decodeNpz(bytes, { name: path })
      : inFile(path, () => decodeSafetensors(bytes).tensors);
  return new Map(
    [...arrays].map(([name, { shape, data }]) => {
      if (sizeOf(shape) !== data.length) throw new WeftError(`${path}: '${name}' is damaged`);
      return [name, { shape, data: Float32Array.from(data as ArrayLike<number | bigint>, Number) }];
    }),
  );
}
