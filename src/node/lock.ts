import { randomBytes } from 'node:crypto';
import fs from 'node:fs/promises';
import { printable } from '../checks.ts';
import { WeftError } from '../errors.ts';
import { parseJson } from '../schema.ts';
import { cleaningUp } from './cleanUp.ts';
import { atomicWrite, hasCode, writeError, writeThrough } from './files.ts';
import { type LockHolder, lockHolder, newHolder, stateOf } from './lockHolder.ts';

/** A file that says that a process is at work on something, so that no other begins. */
export class Lock {
  /** @internal `takeLock` makes locks. */
  constructor(
    private readonly file: string,
    private readonly work: string,
    private readonly contents: string,
  ) {}

  /** @throws WeftError where the lock is this process' no longer: its file is gone, or another's */
  async check(): Promise<void> {
    if ((await readText(this.file)) === this.contents) return;
    throw new WeftError(
      `this process' lock on ${this.work} is gone: while it was at work, ${this.file} was deleted, moved or replaced`,
    );
  }

  /** Lets others begin. @throws WeftError as `check()` does */
  async release(): Promise<void> {
    await this.check();
    await fs.rm(this.file, { force: true }).catch((error) => {
      throw new WeftError(`could not remove ${this.file}: ${error.message}`, { cause: error });
    });
  }
}

/**
 * Takes a lock. Of several that try at once, one gets it; a lock that a process left which is gone is taken over.
 *
 * @param file of the lock, in a folder that is there
 * @param work what it is a lock on, for messages
 * @throws WeftError where another process holds it, or may do so
 */
export async function takeLock(file: string, work: string): Promise<Lock> {
  const contents = `${JSON.stringify(newHolder())}\n`;
  for (;;) {
    const there = await readText(file);
    if (there === undefined) {
      if (await createWhole(file, contents)) return new Lock(file, work, contents);
      continue;
    }
    checkGone(parseHolder(there, file, work), file, work);
    // Of those that saw that the holder is gone, one may replace his lock, or a late one would replace that of an early one.
    const turn = await takeLock(`${file}.takeover`, work);
    const taken = await cleaningUp(
      async () => {
        if ((await readText(file)) !== there) return false;
        await atomicWrite(file, contents);
        return true;
      },
      () => turn.release(),
    );
    if (taken) return new Lock(file, work, contents);
  }
}

/** Makes a file that isn't there yet, in one step with what is in it; says whether it did. */
async function createWhole(file: string, contents: string): Promise<boolean> {
  const temporary = `${file}.${process.pid}-${randomBytes(4).toString('hex')}.tmp`;
  return cleaningUp(
    async () => {
      await writeThrough(temporary, contents).catch((error) => {
        throw writeError(file, error);
      });
      try {
        await linkOrCopy(temporary, file);
        return true;
      } catch (error) {
        // Another was first, and may have cleared away temporary files, this one too.
        if (hasCode(error, 'EEXIST', 'ENOENT')) return false;
        throw writeError(file, error);
      }
    },
    () => fs.rm(temporary, { force: true }),
  );
}

/** Where a file system has no hard links (FAT), two steps must do: who is killed between them leaves a lock that only its user can judge. */
async function linkOrCopy(from: string, to: string): Promise<void> {
  try {
    await fs.link(from, to);
  } catch (error) {
    if (!hasCode(error, 'EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS')) throw error;
    await fs.copyFile(from, to, fs.constants.COPYFILE_EXCL);
  }
}

function parseHolder(text: string, file: string, work: string): LockHolder {
  try {
    // A number alone is what older versions wrote.
    return parseJson(file, /^\d+\s*$/.test(text) ? `{ "pid": ${text} }` : text, lockHolder);
  } catch (error) {
    throw new WeftError(
      `${(error as Error).message}: that says nothing of who holds the lock; if no process is at work on ${work}, delete the file`,
      { cause: error },
    );
  }
}

function checkGone(holder: LockHolder, file: string, work: string): void {
  const state = stateOf(holder);
  if (state === 'gone') return;
  const { pid, host, since } = holder;
  const who = `process ${pid}${state === 'elsewhere' ? ` of the machine or container ${host}` : ''}`;
  const when = since === undefined ? '' : ` since ${since}`;
  const otherwise =
    state === 'elsewhere'
      ? `it can't be seen from here; if it has ended, delete ${file}`
      : `if that is another program, delete ${file}`;
  throw new WeftError(printable(`${who} is at work on ${work}${when}; ${otherwise}`));
}

async function readText(file: string): Promise<string | undefined> {
  try {
    return await fs.readFile(file, 'utf8');
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return undefined;
    throw new WeftError(`could not read ${file}: ${(error as Error).message}`, { cause: error });
  }
}
