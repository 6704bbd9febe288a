import fs from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { decodeNpz } from '../../src/formats/npz.ts';
import { decodeSafetensors } from '../../src/nn/safetensors.ts';
import { buildWeft, errorOf, temporaryFolder, weft } from './weft.ts';

const fixture = (path: string) => fileURLToPath(new URL(`../fixtures/${path}`, import.meta.url));

let folder: string;
beforeAll(async () => {
  await buildWeft();
  folder = await temporaryFolder();
});
afterAll(() => fs.rm(folder, { recursive: true }));

const path = (name: string) => join(folder, name);
const read = async (name: string) => new Uint8Array(await fs.readFile(path(name)));

async function convert(from: string, to: string): Promise<void> {
  const { code, stderr } = await weft(['convert', from, to]);
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
}

describe('weft convert', () => {
  it('goes from Keras to safetensors and back with the same model and weights, the library of .h5 within its one file', async () => {
    await convert(fixture('keras/residual.h5'), path('a.safetensors'));
    await convert(path('a.safetensors'), path('b.h5'));
    await convert(path('b.h5'), path('c.safetensors'));
    expect(await read('c.safetensors')).toEqual(await read('a.safetensors'));
    await convert(path('b.h5'), path('d.npz'));
    await convert(path('d.npz'), path('e.safetensors'));
    const { tensors } = decodeSafetensors(await read('a.safetensors'));
    expect(await decodeNpz(await read('d.npz'))).toEqual(tensors);
    expect(decodeSafetensors(await read('e.safetensors')).tensors).toEqual(tensors);
    expect(tensors.get('conv2d_1.kernel')?.shape).toEqual([3, 3, 2, 4]);
  });

  it.each([
    [
      'another extension',
      'x.txt',
      'y.h5',
      'x.txt: the extension says the format; known: .h5, .safetensors, .npz',
    ],
    ['no file', '/no/such.h5', 'y.npz', 'could not read /no/such.h5: ENOENT'],
    ['a damaged file', fixture('keras/cyclic.h5'), 'y.npz', 'cyclic.h5: HDF5: '],
    ['weights without a model', fixture('numpy/plain.npz'), 'y.h5', 'plain.npz holds weights alone'],
  ])('refuses %s by name', async (_, from, to, message) => {
    const ended = await weft(['convert', from, path(to)]);
    expect(ended.code).toBe(1);
    expect(errorOf(ended)).toContain(message);
    expect(errorOf(ended)).not.toContain('    at ');
  });
});

describe('weft evaluate', () => {
  it('says what is wrong with a file that it is given in place of a run', async () => {
    const ended = await weft(['evaluate', fixture('keras/external.h5')]);
    expect(ended.code).toBe(1);
    expect(errorOf(ended)).toContain('external.h5');
  });
});
