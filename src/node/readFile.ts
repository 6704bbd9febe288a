import { constants, type Stats } from 'node:fs';
import fs from 'node:fs/promises';
import { WeftError } from '../errors.ts';

/** Bytes that one call reads at most: systems have a limit. */
const MOST_AT_ONCE = 2 ** 30;

/**
 * A regular file's bytes. All else that has a path, a pipe or a device, might never come to an end.
 * @param mostBytes larger files are refused before anything of them is read
 * @throws WeftError naming the file where it can't be read; the cause says by its code where it isn't there
 */
export async function readWholeFile(
  path: string,
  { mostBytes = Number.POSITIVE_INFINITY } = {},
): Promise<Uint8Array<ArrayBuffer>> {
  const failed = (why: string, cause?: unknown) => new WeftError(`could not read ${path}: ${why}`, { cause });
  try {
    // A pipe that nobody writes to is opened at once: without the flag, opening it would wait.
    const file = await fs.open(path, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0));
    try {
      const stats = await file.stat();
      if (!stats.isFile()) throw failed(`it is ${kindOf(stats)}, not a file`);
      if (stats.size > mostBytes)
        throw failed(`it has ${stats.size} bytes; at most ${mostBytes} are read of such a file`);
      const bytes = new Uint8Array(stats.size);
      let done = 0;
      while (done < bytes.length) {
        const length = Math.min(bytes.length - done, MOST_AT_ONCE);
        const { bytesRead } = await file.read(bytes, done, length, done);
        if (bytesRead === 0) break;
        done += bytesRead;
      }
      return bytes.subarray(0, done);
    } finally {
      await file.close();
    }
  } catch (error) {
    if (error instanceof WeftError) throw error;
    // The system's message names the path once more.
    throw failed((error as Error).message.replace(/, \w+( '.*')?$/s, ''), error);
  }
}

const kindOf = (stats: Stats): string => {
  if (stats.isDirectory()) return 'a folder';
  if (stats.isFIFO()) return 'a pipe';
  return stats.isSocket() ? 'a socket' : 'a device';
};
