import { type ChildProcess, fork } from 'node:child_process';
import fs from 'node:fs/promises';
import os from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { WeftError } from '../../src/errors.ts';
import { takeLock } from '../../src/node/lock.ts';
import { type LockHolder, newHolder } from '../../src/node/lockHolder.ts';

const NO_PROCESS = 999_999_999;

let folder: string;
let file: string;

beforeEach(async () => {
  folder = await fs.mkdtemp(join(os.tmpdir(), 'weft-lock-'));
  file = join(folder, 'lock');
});

afterEach(async () => {
  vi.restoreAllMocks();
  await fs.rm(folder, { recursive: true, force: true });
});

/** A lock file of this process, with some of it changed. */
const write = (changes: Partial<LockHolder>) =>
  fs.writeFile(file, JSON.stringify({ ...newHolder(), ...changes }));
const take = () => takeLock(file, 'the work');

describe('a lock', () => {
  it('says who holds it and since when, and leaves nothing behind', async () => {
    const lock = await take();
    expect(JSON.parse(await fs.readFile(file, 'utf8'))).toMatchObject({
      pid: process.pid,
      host: os.hostname(),
      since: expect.stringMatching(/^\d{4}-\d\d-\d\dT/),
    });
    await lock.check();
    await lock.release();
    expect(await fs.readdir(folder)).toEqual([]);
  });

  it('is not taken twice, by this process neither', async () => {
    await take();
    await expect(take()).rejects.toThrow(WeftError);
    await expect(take()).rejects.toThrow(`process ${process.pid} is at work on the work since 20`);
    await write({ pid: process.ppid, started: undefined });
    await expect(take()).rejects.toThrow(`process ${process.ppid} is at work on the work`);
  });

  const gone: [string, Partial<LockHolder>][] = [
    ['there is no such process', { pid: NO_PROCESS }],
    ['its number is another process’ by now', { pid: process.ppid, started: '1' }],
    ['its number is this process’ by now', { started: '1' }],
    ['the machine was started anew since', { boot: 'an earlier one', pid: process.ppid }],
  ];
  it.each(gone)('is taken over where %s', async (_, changes) => {
    if (process.platform !== 'linux' && changes.pid !== NO_PROCESS) return;
    if (changes.boot && !newHolder().machine) return;
    await write(changes);
    const lock = await take();
    await lock.release();
    expect(await fs.readdir(folder)).toEqual([]);
  });

  const elsewhere: [string, Partial<LockHolder>][] = [
    ['another machine', { host: 'other', boot: 'its own', machine: 'other' }],
    ['another machine of the same name', { boot: 'its own', machine: 'other' }],
    ['a container without a machine’s number', { boot: 'its own', machine: undefined }],
    ['another container of this machine', { pidNamespace: 'pid:[1]', host: 'other' }],
  ];
  it.each(elsewhere)('of %s is never taken over: the error says what to delete', async (_, changes) => {
    await write({ pid: NO_PROCESS, ...changes });
    const before = await fs.readFile(file, 'utf8');
    await expect(take()).rejects.toThrow(
      `process ${NO_PROCESS} of the machine or container ${changes.host ?? os.hostname()} is at work on the work since`,
    );
    await expect(take()).rejects.toThrow(`if it has ended, delete ${file}`);
    expect(await fs.readFile(file, 'utf8')).toBe(before);
    await fs.rm(file);
    await take();
  });

  it.each(['', '{"pid": 1', '{"pid": -1}', '[]'])('that nobody can read (%j) stays', async (contents) => {
    await fs.writeFile(file, contents);
    await expect(take()).rejects.toThrow(/^[^\n]*lock: [^\n]*if no process is at work on the work, delete/);
    expect(await fs.readFile(file, 'utf8')).toBe(contents);
  });

  it('of an older version, a number alone, is judged by that', async () => {
    await fs.writeFile(file, `${process.ppid}\n`);
    await expect(take()).rejects.toThrow(`process ${process.ppid} is at work on the work; if that is`);
    await fs.writeFile(file, `${NO_PROCESS}\n`);
    await take();
  });

  it('is taken over though who did so before was killed in the midst of it', async () => {
    for (const name of ['lock', 'lock.takeover', 'lock.takeover.takeover'])
      await fs.writeFile(join(folder, name), `${NO_PROCESS}\n`);
    const lock = await take();
    await lock.release();
    expect(await fs.readdir(folder)).toEqual([]);
  });

  it('that was taken away is missed, and another’s stays', async () => {
    const lock = await take();
    await fs.rm(file);
    await expect(lock.check()).rejects.toThrow(
      `this process' lock on the work is gone: while it was at work, ${file} was deleted`,
    );
    const other = await take();
    await expect(lock.release()).rejects.toThrow('lock on the work is gone');
    await other.check();
    await fs.rm(folder, { recursive: true });
    await expect(other.check()).rejects.toThrow('lock on the work is gone');
  });

  it('is taken where a file system has no hard links', async () => {
    vi.spyOn(fs, 'link').mockRejectedValue(Object.assign(new Error('EPERM'), { code: 'EPERM' }));
    const lock = await take();
    await expect(take()).rejects.toThrow('is at work on');
    await lock.release();
    expect(await fs.readdir(folder)).toEqual([]);
  });
});

const PROCESSES = 4;
const TRIES = 200;

it(`of ${PROCESSES} processes that try at once, one gets it: ${TRIES} of ${TRIES} times`, async () => {
  const program = join(folder, 'lockTaker.mjs');
  await build({
    entryPoints: [fileURLToPath(new URL('lockTaker.ts', import.meta.url))],
    outfile: program,
    bundle: true,
    platform: 'node',
    format: 'esm',
  });
  const next = (child: ChildProcess) => new Promise<string>((resolve) => child.once('message', resolve));
  const children = Array.from({ length: PROCESSES }, () => fork(program));
  try {
    await Promise.all(children.map(next));
    for (let i = 0; i < TRIES; i++) {
      const work = join(folder, String(i));
      await fs.mkdir(work);
      const file = join(work, 'lock');
      // By turns a new lock, and one that a process left which is gone.
      if (i % 2 === 1) await fs.writeFile(file, `${NO_PROCESS}\n`);
      const answers = children.map(next);
      for (const child of children) child.send({ file, at: Date.now() + 4 });
      const came = await Promise.all(answers);
      const taken = came.flatMap((answer, child) => (answer === 'taken' ? [children[child].pid] : []));
      expect(taken, `try ${i}: ${came.join('; ')}`).toHaveLength(1);
      expect(
        came.filter((answer) => answer.includes('is at work on')),
        `try ${i}`,
      ).toHaveLength(PROCESSES - 1);
      expect(JSON.parse(await fs.readFile(file, 'utf8')).pid).toBe(taken[0]);
    }
  } finally {
    for (const child of children) child.kill();
  }
});
