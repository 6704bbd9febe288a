import fs from 'node:fs/promises';
import { isAbsolute, relative, resolve, sep, win32 } from 'node:path';
import { showValue } from '../checks.ts';
import { WeftError } from '../errors.ts';

/**
 * The path of a file, or a folder, that is named within a folder of work: by one of its files, or as its subfolder. Who made the folder may
 * be a stranger, so nothing in it leads out of it, by symbolic links neither.
 * @throws WeftError where it does
 */
export async function pathInside(folder: string, name: string): Promise<string> {
  const path = resolve(folder, name);
  const outside = new WeftError(`${folder} names ${showValue(name)}, which is outside of it`);
  if (name.includes('\0') || [isAbsolute, win32.isAbsolute].some((is) => is(name))) throw outside;
  if (!isWithin(resolve(folder), path)) throw outside;
  const [realFolder, realPath] = await Promise.all([realPathOf(folder), realPathOf(path)]);
  // What isn't there leads nowhere: whoever opens it says so.
  if (realFolder !== undefined && realPath !== undefined && !isWithin(realFolder, realPath)) throw outside;
  return path;
}

const realPathOf = (path: string): Promise<string | undefined> => fs.realpath(path).catch(() => undefined);

function isWithin(folder: string, path: string): boolean {
  const way = relative(folder, path);
  return way !== '' && way !== '..' && !way.startsWith(`..${sep}`) && !isAbsolute(way);
}
