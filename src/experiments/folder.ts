import fs from 'node:fs/promises';
import { join } from 'node:path';
import { WeftError } from '../errors.ts';
import { undoing } from '../node/cleanUp.ts';
import { atomicWrite, makeFolder, writeError } from '../node/files.ts';
import { type Lock, takeLock } from '../node/lock.ts';
import { json } from './jsonFile.ts';
import { shellPath } from './shell.ts';

/*
 * Folders of work that goes on after it was broken off: what decides it is in one file, its manifest; every file is written whole or not
 * at all, and one process is at work on it at a time.
 */

const LOCK = 'lock';

export abstract class ManifestFolder<M extends object> {
  private held: Lock | undefined;

  protected constructor(
    readonly path: string,
    private readonly file: string,
    public manifest: M,
  ) {}

  /** Makes the folder, locked, and writes the manifest. @throws WeftError where something is there already */
  protected async begin(): Promise<void> {
    await makeFolder(this.path);
    await this.checkNew();
    await this.lockThen(async () => {
      // Another process may have been at work between.
      await this.checkNew();
      await this.update({});
    });
  }

  /** Writes the manifest with some of it changed. */
  async update(changes: Partial<M>): Promise<void> {
    this.manifest = { ...this.manifest, ...changes };
    await this.checkLock();
    await atomicWrite(join(this.path, this.file), json(this.manifest));
  }

  /**
   * Keeps other processes from this work until `unlock()`, clears away what a killed one left half-written, and reads the manifest as it is
   * now.
   */
  async lock(): Promise<void> {
    await this.lockThen(async () => {
      this.manifest = await this.read();
    });
  }

  /** @throws WeftError where this process had the lock and has it no longer: the folder was deleted or moved, or another took it over */
  async checkLock(): Promise<void> {
    await this.held?.check();
  }

  /** @throws WeftError as `checkLock()` does */
  async unlock(): Promise<void> {
    const { held } = this;
    this.held = undefined;
    await held?.release();
  }

  /** Takes away new work that couldn't even be begun. */
  async discard(): Promise<void> {
    await fs.rm(join(this.path, this.file), { force: true });
    await this.unlock();
    await fs.rmdir(this.path).catch(() => {});
  }

  /** The manifest in the folder. @throws WeftError where there is none, or it is damaged */
  protected abstract read(): Promise<M>;

  /** Where files of this work are written. */
  protected get folders(): string[] {
    return [this.path];
  }

  /** Takes the lock; where what follows fails, the lock isn't kept. */
  private async lockThen(work: () => Promise<void>): Promise<void> {
    this.held = await takeLock(join(this.path, LOCK), this.path);
    await undoing(
      async () => {
        await this.clearTemporary();
        await work();
      },
      () => this.unlock(),
    );
  }

  private async clearTemporary(): Promise<void> {
    for (const path of this.folders) {
      const names = await fs.readdir(path).catch(() => []);
      for (const name of names.filter((name) => name.endsWith('.tmp')))
        await fs.rm(join(path, name), { force: true });
    }
  }

  private async checkNew(): Promise<void> {
    const isOurs = (name: string) => name === LOCK || name.startsWith(`${LOCK}.`) || name.endsWith('.tmp');
    const names = await fs.readdir(this.path).catch((error) => {
      throw writeError(this.path, error);
    });
    if (names.every(isOurs)) return;
    throw new WeftError(
      `${this.path} holds files already: go on with it (--resume ${shellPath(this.path)}), or choose another folder`,
    );
  }
}
