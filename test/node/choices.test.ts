import fs from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { fileChoices } from '../../src/node/choices.ts';

let folder: string;
let path: string;
let notes: string[];
const store = () => fileChoices({ path, onNote: (line) => notes.push(line) });
beforeEach(async () => {
  folder = await fs.mkdtemp(join(tmpdir(), 'weft-test-'));
  path = join(folder, 'cache', 'choices.json');
  notes = [];
});
afterEach(() => fs.rm(folder, { recursive: true }));

const choice = (candidate: string) => ({ candidate, among: ['plain', 'fast'], ms: 1.5, error: 1e-7 });

describe('choices in a file', () => {
  it('are kept by adapter, beside those that are there', async () => {
    expect(await store().load('one')).toEqual({});
    await store().save('one', { conv: choice('fast') });
    await store().save('two', { conv: choice('plain') });
    await store().save('one', { product: choice('plain'), conv: choice('plain') });
    expect(await store().load('one')).toEqual({ conv: choice('plain'), product: choice('plain') });
    expect(await store().load('two')).toEqual({ conv: choice('plain') });
    expect(await fs.readdir(join(folder, 'cache'))).toEqual(['choices.json']);
    expect(notes).toEqual([]);
  });

  it.each(['{"one": {"conv"', '[]', 'null', '{"one": "fast"}', ''])(
    'are none where the file holds %j',
    async (text) => {
      await fs.mkdir(join(folder, 'cache'));
      await fs.writeFile(path, text);
      expect(await store().load('one')).toEqual({});
      expect(notes).toEqual([
        expect.stringMatching(/^the tuned choices in .*choices\.json can't be used: ./),
      ]);
      await store().save('one', { conv: choice('fast') });
      expect(await store().load('one')).toEqual({ conv: choice('fast') });
      expect(notes).toHaveLength(1);
    },
  );

  it('are not kept, and nothing fails, where nothing can be written', async () => {
    await fs.writeFile(join(folder, 'cache'), 'a file in the place of the folder');
    await store().save('one', { conv: choice('fast') });
    expect(notes).toEqual([expect.stringMatching(/^tuned choices are not kept: ./)]);
    expect(await store().load('one')).toEqual({});
  });

  it('lie in the cache folder', async () => {
    const before = process.env.WEFT_CACHE_DIR;
    process.env.WEFT_CACHE_DIR = folder;
    try {
      await fileChoices().save('one', { conv: choice('fast') });
      expect(await fs.readdir(folder)).toEqual(['choices.json']);
    } finally {
      if (before === undefined) delete process.env.WEFT_CACHE_DIR;
      else process.env.WEFT_CACHE_DIR = before;
    }
  });
});
