import fs from 'node:fs/promises';
import { join } from 'node:path';
import { WeftError } from '../errors.ts';
import { atomicWrite, hasCode, writeError } from '../node/files.ts';

/*
 * Folders of work that goes on after it was broken off: what decides it is in one file, its manifest; every file is written whole or not
 * at all, and one process is at work on it at a time.
 */

const LOCK = 'lock';

/** A value as the text of a JSON file. */
export const json = (value: unknown): string => `${JSON.stringify(value, null, 2)}\n`;

/** @throws WeftError naming the file where it is no JSON */
export function parseJson<T>(file: string, bytes: Uint8Array): T {
  try {
    return JSON.parse(new TextDecoder().decode(bytes)) as T;
  } catch (error) {
    throw new WeftError(`${file} is damaged: ${(error as Error).message}`, { cause: error });
  }
}

/** A file's bytes; undefined where there is none. @throws WeftError where it can't be read */
export async function readIfThere(path: string): Promise<Uint8Array<ArrayBuffer> | undefined> {
  try {
    return new Uint8Array(await fs.readFile(path));
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return undefined;
    throw new WeftError(`could not read ${path}: ${(error as Error).message}`, { cause: error });
  }
}

export abstract class ManifestFolder<M extends object> {
  protected constructor(
    readonly path: string,
    private readonly file: string,
    public manifest: M,
  ) {}

  /** Makes the folder, locked, and writes the manifest. @throws WeftError where something is there already */
  protected async begin(): Promise<void> {
    try {
      await fs.mkdir(this.path, { recursive: true });
    } catch (error) {
      throw writeError(this.path, error);
    }
    const isOurs = (name: string) => name === LOCK || name.endsWith('.tmp');
    if (!(await fs.readdir(this.path)).every(isOurs)) {
      throw new WeftError(
        `${this.path} holds files already: go on with it (--resume ${this.path}), or choose another folder`,
      );
    }
    await this.lock();
    await this.update({});
  }

  /** Writes the manifest with some of it changed. */
  async update(changes: Partial<M>): Promise<void> {
    this.manifest = { ...this.manifest, ...changes };
    await atomicWrite(join(this.path, this.file), json(this.manifest));
  }

  /** Keeps other processes from this work until `unlock()`, and clears away what a killed one left half-written. */
  async lock(): Promise<void> {
    const file = join(this.path, LOCK);
    while (!(await writeNew(file, `${process.pid}\n`))) {
      const holder = Number.parseInt(await fs.readFile(file, 'utf8').catch(() => ''), 10);
      if (holder > 0 && holder !== process.pid && isRunning(holder)) {
        throw new WeftError(
          `process ${holder} is at work on ${this.path}; if that is another program, delete ${file}`,
        );
      }
      await fs.rm(file, { force: true });
    }
    for (const path of this.folders) {
      const names = await fs.readdir(path).catch(() => []);
      for (const name of names.filter((name) => name.endsWith('.tmp')))
        await fs.rm(join(path, name), { force: true });
    }
  }

  async unlock(): Promise<void> {
    await fs.rm(join(this.path, LOCK), { force: true });
  }

  /** Takes away new work that couldn't even be begun. */
  async discard(): Promise<void> {
    await fs.rm(join(this.path, this.file), { force: true });
    await this.unlock();
    await fs.rmdir(this.path).catch(() => {});
  }

  /** Where files of this work are written. */
  protected get folders(): string[] {
    return [this.path];
  }
}

/** Writes a file that isn't there yet; says whether it did. */
async function writeNew(path: string, contents: string): Promise<boolean> {
  try {
    await fs.writeFile(path, contents, { flag: 'wx' });
    return true;
  } catch (error) {
    if (hasCode(error, 'EEXIST')) return false;
    throw writeError(path, error);
  }
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return hasCode(error, 'EPERM');
  }
}
