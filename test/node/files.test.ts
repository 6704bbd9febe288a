import fs from 'node:fs/promises';
import os from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { WeftError } from '../../src/errors.ts';
import { cacheDir, cachePath, isCacheWritable, withTemporaryFolder } from '../../src/node/cacheDir.ts';
import { atomicWrite, makeFolder, placeFolder } from '../../src/node/files.ts';

let folder: string;

beforeEach(async () => {
  folder = await fs.mkdtemp(join(os.tmpdir(), 'weft-files-'));
});

afterEach(async () => {
  vi.restoreAllMocks();
  vi.unstubAllEnvs();
  await fs.rm(folder, { recursive: true, force: true });
});

/** Has every file that is opened from now on fail with `code` when it is written, having written half. */
function failWrites(code: string): void {
  const open = fs.open.bind(fs);
  vi.spyOn(fs, 'open').mockImplementation(async (...args) => {
    const file = await open(...args);
    const write = file.writeFile.bind(file);
    file.writeFile = async (data) => {
      await write((data as Uint8Array).subarray(0, data.toString().length / 2));
      throw Object.assign(new Error(`${code}: write failed`), { code });
    };
    return file;
  });
}

describe('atomicWrite', () => {
  test('writes bytes and text, and replaces what was there', async () => {
    const path = join(folder, 'file');
    await atomicWrite(path, 'first, and longer');
    expect(await fs.readFile(path, 'utf8')).toBe('first, and longer');
    await atomicWrite(path, Uint8Array.of(1, 2, 3));
    expect(Array.from(await fs.readFile(path))).toEqual([1, 2, 3]);
    expect(await fs.readdir(folder)).toEqual(['file']);
  });

  test.each(['ENOSPC', 'EDQUOT'])(
    'on a full disk (%s) keeps the old file, leaves no other and says so',
    async (code) => {
      const path = join(folder, 'checkpoint');
      await fs.writeFile(path, 'old');
      failWrites(code);
      const write = atomicWrite(path, Buffer.from('new contents'));
      await expect(write).rejects.toThrow(WeftError);
      await expect(write).rejects.toThrow(
        `could not write ${path}: the disk is full. Nothing that was there before is lost`,
      );
      vi.restoreAllMocks();
      expect(await fs.readFile(path, 'utf8')).toBe('old');
      expect(await fs.readdir(folder)).toEqual(['checkpoint']);
    },
  );

  test('names the file where its folder is missing', async () => {
    const path = join(folder, 'missing', 'file');
    await expect(atomicWrite(path, 'x')).rejects.toThrow(`could not write ${path}: ENOENT`);
  });

  test('of two writers at once leaves one whole file', async () => {
    const path = join(folder, 'file');
    const contents = ['a', 'b', 'c'].map((letter) => letter.repeat(100_000));
    await Promise.all(contents.map((text) => atomicWrite(path, text)));
    expect(contents).toContain(await fs.readFile(path, 'utf8'));
    expect(await fs.readdir(folder)).toEqual(['file']);
  });
});

describe('makeFolder', () => {
  test('makes a folder with those around it, and leaves one that is there', async () => {
    const path = join(folder, 'one', 'two', 'three');
    await makeFolder(path);
    await fs.writeFile(join(path, 'file'), '');
    await makeFolder(path);
    expect(await fs.readdir(path)).toEqual(['file']);
  });

  test('says why it can’t, at once', async () => {
    const file = join(folder, 'file');
    await fs.writeFile(file, '');
    await expect(makeFolder(file)).rejects.toThrow(`could not write ${file}: EEXIST`);
    await expect(makeFolder(join(file, 'in'))).rejects.toThrow('ENOTDIR');
    // Where nothing can be made, though it isn't said to be read-only.
    if (process.platform === 'linux')
      await expect(makeFolder('/proc/weft/runs')).rejects.toThrow('/proc/weft');
  });
});

describe('placeFolder', () => {
  test('keeps the folder that another process put there first', async () => {
    for (const name of ['ours', 'theirs']) {
      await fs.mkdir(join(folder, name));
      await fs.writeFile(join(folder, name, 'file'), name);
    }
    await placeFolder(join(folder, 'theirs'), join(folder, 'place'));
    await placeFolder(join(folder, 'ours'), join(folder, 'place'));
    expect(await fs.readFile(join(folder, 'place', 'file'), 'utf8')).toBe('theirs');
    expect(await fs.readdir(folder)).toEqual(['place']);
  });
});

describe('the cache folder', () => {
  test('is WEFT_CACHE_DIR, else weft in XDG_CACHE_HOME, else ~/.cache/weft', () => {
    vi.stubEnv('WEFT_CACHE_DIR', '/a');
    vi.stubEnv('XDG_CACHE_HOME', '/b');
    expect(cachePath('x')).toBe('/a/x');
    vi.stubEnv('WEFT_CACHE_DIR', undefined);
    expect(cachePath('x')).toBe('/b/weft/x');
    vi.stubEnv('XDG_CACHE_HOME', undefined);
    expect(cachePath('x')).toBe(join(os.homedir(), '.cache', 'weft', 'x'));
  });

  test('is made where it is missing', async () => {
    vi.stubEnv('WEFT_CACHE_DIR', join(folder, 'deep', 'cache'));
    expect(isCacheWritable()).toBe(true);
    expect(await cacheDir('part')).toBe(join(folder, 'deep', 'cache', 'part'));
    expect((await fs.stat(join(folder, 'deep', 'cache', 'part'))).isDirectory()).toBe(true);
  });

  test('that cannot be made is an error that names it and the way out', async () => {
    await fs.writeFile(join(folder, 'file'), '');
    const cache = join(folder, 'file', 'cache');
    vi.stubEnv('WEFT_CACHE_DIR', cache);
    expect(isCacheWritable()).toBe(false);
    await expect(cacheDir()).rejects.toThrow(WeftError);
    await expect(cacheDir()).rejects.toThrow(`the cache folder ${cache} can't be written`);
    await expect(cacheDir()).rejects.toThrow('set WEFT_CACHE_DIR');
  });

  test('is rid of temporary folders: ours when done, those of killed processes after a day', async () => {
    vi.stubEnv('WEFT_CACHE_DIR', folder);
    for (const name of ['tmp-old', 'tmp-new', 'kept']) await fs.mkdir(join(folder, name));
    const twoDaysAgo = Date.now() / 1000 - 2 * 24 * 3600;
    for (const name of ['tmp-old', 'kept']) await fs.utimes(join(folder, name), twoDaysAgo, twoDaysAgo);
    const inside = await withTemporaryFolder(async (path) => {
      await fs.writeFile(join(path, 'file'), '');
      return fs.readdir(folder);
    });
    expect(inside).toHaveLength(3);
    expect((await fs.readdir(folder)).sort()).toEqual(['kept', 'tmp-new']);
  });

  test('that fills up while a temporary folder is used is an error that says so', async () => {
    vi.stubEnv('WEFT_CACHE_DIR', folder);
    const full = Object.assign(new Error('ENOSPC: no space left on device'), { code: 'ENOSPC' });
    await expect(withTemporaryFolder(() => Promise.reject(full))).rejects.toThrow('the disk is full');
    expect(await fs.readdir(folder)).toEqual([]);
  });
});
