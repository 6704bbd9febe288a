import { execFileSync } from 'node:child_process';
import fs from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { hasCode } from '../../src/node/files.ts';
import { readWholeFile } from '../../src/node/readFile.ts';

let folder: string;
beforeAll(async () => {
  folder = await fs.mkdtemp(join(tmpdir(), 'weft-test-'));
});
afterAll(() => fs.rm(folder, { recursive: true }));

describe('reading a whole file', () => {
  it('gives its bytes', async () => {
    const path = join(folder, 'bytes');
    await fs.writeFile(path, Uint8Array.of(1, 2, 3));
    expect(await readWholeFile(path, { mostBytes: 3 })).toEqual(Uint8Array.of(1, 2, 3));
    await fs.writeFile(path, '');
    expect(await readWholeFile(path)).toEqual(new Uint8Array());
  });

  it('is refused where it is too large', async () => {
    const path = join(folder, 'large');
    await fs.writeFile(path, 'abcd');
    await expect(readWholeFile(path, { mostBytes: 3 })).rejects.toThrow(
      `could not read ${path}: it has 4 bytes; at most 3 are read of such a file`,
    );
  });

  it('never waits for what is no file', async () => {
    await expect(readWholeFile(folder)).rejects.toThrow(
      `could not read ${folder}: it is a folder, not a file`,
    );
    const pipe = join(folder, 'pipe');
    execFileSync('mkfifo', [pipe]);
    await expect(readWholeFile(pipe)).rejects.toThrow(`could not read ${pipe}: it is a pipe, not a file`);
    await expect(readWholeFile('/dev/zero')).rejects.toThrow('it is a device, not a file');
  });

  it('says by its cause that nothing is there', async () => {
    const error = await readWholeFile(join(folder, 'none')).catch((error: Error) => error);
    expect((error as Error).message).toMatch(/^could not read .*none: ENOENT/);
    expect(hasCode((error as Error).cause, 'ENOENT')).toBe(true);
  });
});
