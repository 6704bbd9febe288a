import { randomBytes } from 'node:crypto';
import fs from 'node:fs/promises';
import { dirname } from 'node:path';
import { WeftError } from '../errors.ts';
import { cleaningUp, undoing } from './cleanUp.ts';

/** The codes of a full disk and of a user's used-up share of it. */
export const DISK_FULL = ['ENOSPC', 'EDQUOT'];

/**
 * Writes a file so that at every moment, even if the process is killed or the disk fills up, either the old contents or
 * the new ones are there in full: to a temporary file beside it, to the disk, then renamed over it.
 *
 * @throws WeftError naming the file where it can't be written; what was there before stays as it was.
 * @example
 * ```ts
 * import { layers, sequential } from 'weft-gpu';
 * import { atomicWrite } from 'weft-gpu/node';
 *
 * const model = sequential([layers.dense({ units: 3 })], { inputShape: [4] });
 * await atomicWrite('model.safetensors', await model.save());
 * ```
 */
export async function atomicWrite(path: string, contents: Uint8Array | string): Promise<void> {
  const temporary = `${path}.${process.pid}-${randomBytes(4).toString('hex')}.tmp`;
  try {
    await undoing(
      async () => {
        await writeThrough(temporary, contents);
        await fs.rename(temporary, path);
      },
      () => fs.rm(temporary, { force: true }),
    );
  } catch (error) {
    throw writeError(path, error);
  }
  await syncFolder(dirname(path));
}

/** Writes a file that isn't there yet, to the disk itself: what renames or links it then can't come before its contents. */
export async function writeThrough(path: string, contents: Uint8Array | string): Promise<void> {
  const file = await fs.open(path, 'wx');
  await cleaningUp(
    async () => {
      await file.writeFile(contents);
      await file.sync();
    },
    () => file.close(),
  );
}

/**
 * Makes a folder, with those around it, where it isn't there. Node's own `recursive` hides why that fails on a read-only disk, and never
 * ends in /proc.
 * @throws WeftError naming the folder where it can't be made
 */
export async function makeFolder(path: string): Promise<void> {
  const make = () => fs.mkdir(path);
  const parent = dirname(path);
  try {
    await make().catch(async (error) => {
      if (!hasCode(error, 'ENOENT') || parent === path) throw error;
      await makeFolder(parent);
      await make();
    });
  } catch (error) {
    // A link may lead nowhere.
    const found = hasCode(error, 'EEXIST') ? await fs.stat(path).catch(() => undefined) : undefined;
    const isThere = found?.isDirectory();
    if (!isThere) throw writeError(path, error);
  }
}

/**
 * Puts a finished folder in its place in one step. Where another process was there first, its folder stays and ours goes.
 */
export async function placeFolder(finished: string, path: string): Promise<void> {
  try {
    await fs.rename(finished, path);
  } catch (error) {
    if (!hasCode(error, 'ENOTEMPTY', 'EEXIST')) throw writeError(path, error);
    await fs.rm(finished, { recursive: true, force: true });
  }
}

/** Makes what went wrong while writing `path` an error that a user understands. */
export function writeError(path: string, error: unknown): WeftError {
  if (error instanceof WeftError) return error;
  const reason = hasCode(error, ...DISK_FULL) ? 'the disk is full' : (error as Error).message;
  return new WeftError(`could not write ${path}: ${reason}. Nothing that was there before is lost`, {
    cause: error,
  });
}

export function hasCode(error: unknown, ...codes: string[]): boolean {
  return codes.includes((error as NodeJS.ErrnoException)?.code ?? '');
}

/** Makes a rename in this folder survive a power cut; where a system can't open folders (Windows), there is nothing to do. */
async function syncFolder(path: string): Promise<void> {
  try {
    const folder = await fs.open(path, 'r');
    await folder.sync().finally(() => folder.close());
  } catch {}
}
