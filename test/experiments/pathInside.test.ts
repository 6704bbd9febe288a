import fs from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { fileNameOf } from '../../src/experiments/fileName.ts';
import { pathInside } from '../../src/experiments/pathInside.ts';
import { temporaryFolder } from './weft.ts';

let parent: string;
let folder: string;
beforeAll(async () => {
  parent = await temporaryFolder();
  folder = join(parent, 'run');
  await fs.mkdir(join(folder, 'inside'), { recursive: true });
  await fs.mkdir(join(parent, 'run-2'));
  await fs.writeFile(join(parent, 'secret'), 'secret');
  await fs.writeFile(join(folder, 'inside', 'image.png'), 'picture');
  await fs.symlink(join(parent, 'secret'), join(folder, 'inside', 'link.png'));
  await fs.symlink('..', join(folder, 'up'));
  await fs.symlink('image.png', join(folder, 'inside', 'same.png'));
});
afterAll(() => fs.rm(parent, { recursive: true }));

describe('a path that a folder names', () => {
  it('is one inside the folder, whether there is anything or not', async () => {
    expect(await pathInside(folder, 'inside/image.png')).toBe(join(folder, 'inside', 'image.png'));
    expect(await pathInside(folder, 'inside/../inside/same.png')).toBe(join(folder, 'inside', 'same.png'));
    expect(await pathInside(folder, 'repeat-1')).toBe(join(folder, 'repeat-1'));
    expect(await pathInside(folder, '..png')).toBe(join(folder, '..png'));
  });

  const outside = [
    '../secret',
    'inside/../../secret',
    '../run-2',
    '/etc/passwd',
    'C:\\secret',
    '\\\\host\\share',
    'inside/link.png',
    'up/secret',
    'up',
    '..',
    '.',
    '',
    'a\0b',
  ];
  for (const name of outside)
    it(`doesn't lead out of it: ${JSON.stringify(name)}`, async () => {
      await expect(pathInside(folder, name)).rejects.toThrow('which is outside of it');
    });

  it('may lead through a link to the folder itself', async () => {
    const link = join(parent, 'link');
    await fs.symlink(folder, link);
    expect(await pathInside(link, 'inside/image.png')).toBe(join(link, 'inside', 'image.png'));
  });
});

describe("a name as a part of a file's", () => {
  it('is no path, and short enough', () => {
    expect(fileNameOf('../../../etc/x')).toBe('..-..-..-etc-x');
    expect(fileNameOf('conv2d_1')).toBe('conv2d_1');
    expect(fileNameOf('\u001b[31m<b>')).toBe('--31m-b-');
    expect(fileNameOf('a'.repeat(5000))).toHaveLength(100);
  });
});
