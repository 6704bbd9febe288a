import fs from 'node:fs/promises';
import os from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { WeftError } from '../../src/errors.ts';
import { loaderVariables } from '../../src/node/lavapipe.ts';
import { checkTrusted, checkTrustedContents } from '../../src/node/trusted.ts';

let folder: string;
let cache: string;
let library: string;

beforeEach(async () => {
  folder = await fs.mkdtemp(join(os.tmpdir(), 'weft-trusted-'));
  cache = join(folder, 'cache');
  library = join(cache, 'lib', 'library.so');
  await fs.mkdir(join(cache, 'lib'), { recursive: true });
  await fs.writeFile(library, '');
  for (const path of [cache, join(cache, 'lib')]) await fs.chmod(path, 0o755);
  await fs.chmod(library, 0o644);
});

afterEach(async () => {
  vi.restoreAllMocks();
  await fs.rm(folder, { recursive: true, force: true });
});

describe.runIf(process.getuid)('a folder that libraries are loaded from', () => {
  it('is trusted where only this user can write, in a sticky folder such as /tmp, too', () => {
    checkTrusted(cache);
    checkTrustedContents(cache);
    expect(loaderVariables(cache).LD_LIBRARY_PATH).toContain(join(cache, 'lib'));
  });

  it.each([
    ['the folder', () => cache],
    ['a folder in it', () => join(cache, 'lib')],
    ['a library', () => library],
    ['a folder around it', () => folder],
  ])('is refused where others can write %s, saying what to do', async (_, path) => {
    await fs.chmod(path(), 0o757);
    const refused = () => loaderVariables(cache);
    expect(refused).toThrow(WeftError);
    expect(refused).toThrow(
      `libraries are not loaded from the cache folder: ${path()} can be written by every user (chmod o-w); mend that, or set WEFT_CACHE_DIR to`,
    );
    await fs.chmod(path(), 0o755);
    refused();
  });

  it.runIf(process.getuid?.() !== 0)('is refused where it is another user’s', () => {
    const uid = process.getuid!();
    vi.spyOn(process, 'getuid').mockReturnValue(uid + 1);
    expect(() => checkTrusted(cache)).toThrow(`${cache} belongs to user ${uid}; mend that`);
  });

  it.runIf(process.getuid?.() === 0)(
    'is refused where its owner, or a library’s, is another user',
    async () => {
      for (const path of [library, cache, folder]) {
        await fs.chown(path, 12_345, 12_345);
        expect(() => checkTrustedContents(cache)).toThrow(`${path} belongs to user 12345; mend that`);
        await fs.chown(path, 0, 0);
      }
      const link = join(folder, 'link');
      await fs.symlink(cache, link);
      checkTrusted(link);
      await fs.lchown(link, 12_345, 12_345);
      expect(() => checkTrusted(link)).toThrow(`${link} belongs to user 12345`);
    },
  );

  it.runIf(process.getuid?.() === 0)('may be written by its owner’s own group, and by no other', async () => {
    await fs.chmod(cache, 0o775);
    checkTrusted(cache);
    await fs.chown(cache, 0, 100);
    expect(() => checkTrusted(cache)).toThrow(`${cache} can be written by its group 100 (chmod g-w)`);
  });
});
