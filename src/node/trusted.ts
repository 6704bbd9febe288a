import { lstatSync, readdirSync, realpathSync, type Stats, statSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { WeftError } from '../errors.ts';

/*
 * A library that is loaded may do all that this process may: so nobody but this process' user and the machine's may have put it there, or be
 * able to put another in its place.
 */

const OTHERS_WRITE = 0o002;
const GROUP_WRITES = 0o020;
const STICKY = 0o1000;

/**
 * Checks that nobody else can change which folder a path leads to, or put files into it.
 * @throws WeftError naming the file or folder, who could change it, and what to do
 */
export function checkTrusted(folder: string): void {
  // The links on the way as they are, and where they lead.
  for (const path of [resolve(folder), realpathSync(folder)]) {
    check(path);
    for (let at = path; at !== dirname(at); at = dirname(at)) check(dirname(at), true);
  }
}

/** As `checkTrusted`, with everything that is in the folder. */
export function checkTrustedContents(folder: string): void {
  checkTrusted(folder);
  for (const name of readdirSync(folder, { recursive: true, encoding: 'utf8' })) check(join(folder, name));
}

/** @param isAround whether only a folder in it matters: then others may write, if they can't rename what isn't theirs */
function check(path: string, isAround = false): void {
  const stats = lstatSync(path);
  const problem = problemOf(stats, isAround && (stats.mode & STICKY) !== 0);
  if (!problem) return;
  throw new WeftError(
    `libraries are not loaded from the cache folder: ${path} ${problem}; mend that, or set WEFT_CACHE_DIR to a folder that only you can write`,
  );
}

function problemOf(stats: Stats, mayBeWritten: boolean): string | undefined {
  // Windows' permissions aren't these.
  if (process.getuid === undefined) return undefined;
  const { uid, gid, mode } = stats;
  // In a sandbox the machine's own user may have another number; whoever owns the root has everything anyway.
  if (![process.getuid(), 0, statSync('/').uid].includes(uid)) return `belongs to user ${uid}`;
  // A link's own permissions say nothing.
  if (mayBeWritten || stats.isSymbolicLink()) return undefined;
  if ((mode & OTHERS_WRITE) !== 0) return 'can be written by every user (chmod o-w)';
  // A user's own group, in which nobody else is, has his number.
  if ((mode & GROUP_WRITES) !== 0 && gid !== uid) return `can be written by its group ${gid} (chmod g-w)`;
  return undefined;
}
