import { readFileSync } from 'node:fs';
import { decodeNpy } from '../../src/formats/npy.ts';

/** A file that h5py or NumPy wrote: see make.py beside it. */
export const fixture = (path: string): Uint8Array =>
  new Uint8Array(readFileSync(new URL(`../fixtures/${path}`, import.meta.url)));

/** An array of Keras' fixtures. */
export const kerasArray = (name: string) => decodeNpy(fixture(`keras/${name}.npy`), name);
