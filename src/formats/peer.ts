import { WeftError } from '../errors.ts';

/**
 * A package that only some files need, loaded when the first of them comes.
 * @throws WeftError naming the package, and how to install it, where it isn't there
 */
export async function loadPeer<T>(name: string, what: string, load: () => Promise<T>): Promise<T> {
  try {
    return await load();
  } catch (error) {
    throw missingPeer(name, what, error);
  }
}

/** @param what what can't be done without it: 'reading .npz' */
export const missingPeer = (name: string, what: string, cause?: unknown): WeftError =>
  new WeftError(`${what} needs the package \`${name}\`: npm install ${name}`, { cause });
