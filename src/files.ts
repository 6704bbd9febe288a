/**
 * Files of other programs: NumPy's arrays, Keras' models. Packages that only some of them need are loaded when they are.
 * @module weft-gpu/files
 */
export type { Hdf5Options } from './formats/hdf5/index.ts';
export {
  type KerasOptions,
  type KerasWeightsOptions,
  loadKerasModel,
  loadKerasWeights,
  saveKerasModel,
  saveKerasWeights,
} from './formats/keras/index.ts';
export { decodeNpy, encodeNpy, type NpyArray, type NpyData } from './formats/npy.ts';
export { decodeNpz, encodeNpz, type NpzOptions, type ReadNpzOptions } from './formats/npz.ts';
