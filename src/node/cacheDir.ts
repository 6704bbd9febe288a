import { accessSync, constants, statfsSync } from 'node:fs';
import fs from 'node:fs/promises';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';
import { WeftError } from '../errors.ts';
import { cleaningUp } from './cleanUp.ts';
import { DISK_FULL, hasCode, writeError } from './files.ts';

const TEMPORARY_PREFIX = 'tmp-';
/** A temporary folder that is older belongs to a process that was killed. */
const TEMPORARY_LIFETIME_MS = 24 * 3600 * 1000;

/** The folder of downloads: `WEFT_CACHE_DIR`, else `weft` in `XDG_CACHE_HOME`, else `~/.cache/weft`. It need not exist yet. */
export function cachePath(...parts: string[]): string {
  const { WEFT_CACHE_DIR, XDG_CACHE_HOME } = process.env;
  return join(WEFT_CACHE_DIR || join(XDG_CACHE_HOME || join(homedir(), '.cache'), 'weft'), ...parts);
}

/**
 * The cache folder, or a folder in it, made if it wasn't there.
 * @throws WeftError where it can't be made or written.
 */
export async function cacheDir(...parts: string[]): Promise<string> {
  const path = cachePath(...parts);
  try {
    // Whatever the umask: libraries are loaded from it, so others may not write to it.
    await fs.mkdir(path, { recursive: true, mode: 0o755 });
    await fs.access(path, constants.W_OK);
  } catch (error) {
    throw new WeftError(
      `the cache folder ${path} can't be written (${(error as Error).message}): set WEFT_CACHE_DIR to a folder that can`,
      { cause: error },
    );
  }
  return path;
}

/** Whether the cache folder can be written, or made; makes nothing. */
export function isCacheWritable(): boolean {
  for (let path = cachePath(); ; path = dirname(path)) {
    try {
      accessSync(path, constants.W_OK);
      return true;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT' || path === dirname(path)) return false;
    }
  }
}

/** The bytes that are free on the file system that a folder, which need not exist yet, lies on; undefined where the system doesn't say. */
export function freeBytes(path: string): number | undefined {
  try {
    const { bavail, bsize } = statfsSync(path);
    return bavail * bsize;
  } catch {
    return path === dirname(path) ? undefined : freeBytes(dirname(path));
  }
}

/**
 * Runs `use` with a new folder in the cache folder and removes it afterwards; folders that a killed process left are swept
 * away, too. What is made in it can be put in its place in the cache by a rename.
 * @throws WeftError where the disk is full; else what `use` throws.
 */
export async function withTemporaryFolder<T>(use: (path: string) => Promise<T>): Promise<T> {
  const cache = await cacheDir();
  for (const name of await fs.readdir(cache)) {
    if (!name.startsWith(TEMPORARY_PREFIX)) continue;
    const info = await fs.stat(join(cache, name)).catch(() => undefined);
    if (info && Date.now() - info.mtimeMs > TEMPORARY_LIFETIME_MS) {
      await fs.rm(join(cache, name), { recursive: true, force: true });
    }
  }
  try {
    const path = await fs.mkdtemp(join(cache, TEMPORARY_PREFIX));
    return await cleaningUp(
      () => use(path),
      () => fs.rm(path, { recursive: true, force: true }),
    );
  } catch (error) {
    throw hasCode(error, ...DISK_FULL) ? writeError(cache, error) : error;
  }
}
