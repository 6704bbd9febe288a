import fs from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { makeEnsembleFolder } from '../../src/experiments/ensemble/ensembleFile.ts';
import { writeInside } from '../../src/experiments/inspect/inside.ts';
import { makeFolder } from '../../src/node/files.ts';
import { temporaryFolder } from './weft.ts';

let folder: string;
beforeAll(async () => {
  folder = await temporaryFolder();
  await fs.writeFile(join(folder, 'file'), '');
  await fs.symlink('nowhere', join(folder, 'link'));
});
afterAll(() => fs.rm(folder, { recursive: true }));

const nothing = {
  ...{ images: [], classNames: [], maps: new Map(), filters: undefined },
  dead: { images: 0, layers: new Map() },
};

describe('a place where nothing can be written', () => {
  it.each([
    ['a folder in a file', 'file/folder', makeFolder, /could not write .*file.*: ENOTDIR/],
    ['a link that leads nowhere', 'link', makeFolder, /could not write .*link: EEXIST/],
    [
      "an ensemble's folder in a file",
      'file/folder',
      makeEnsembleFolder,
      /could not write .*file.*: ENOTDIR/,
    ],
    [
      'a file, for what inspect finds',
      'file',
      (path: string) => writeInside(path, nothing),
      /could not (remove|write) .*file\/inside.*: ENOTDIR/,
    ],
  ])('is named: %s', async (_, name, write, message) => {
    const error = await write(join(folder, name)).catch((thrown) => thrown);
    expect(error.name, error.stack).toBe('WeftError');
    expect(error.message).toMatch(message);
  });
});
