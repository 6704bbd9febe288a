import { WeftError } from '../errors.ts';

/** Reads what a file's bytes hold: what is wrong with it is said with the file's path before it. */
export function inFile<T>(path: string, read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (!(error instanceof WeftError)) throw error;
    throw new WeftError(`${path}: ${error.message}`, { cause: error });
  }
}
