import { describe, expect, it, vi } from 'vitest';
import { WeftError } from '../../src/errors.ts';
import { encodeHdf5, type GroupToWrite, Hdf5File } from '../../src/formats/hdf5/index.ts';
import { loadKerasModel } from '../../src/formats/keras/index.ts';
import { RandomStream } from '../../src/tensor/random.ts';
import { fixture } from './fixtures.ts';
import '../../src/node/hdf5Host.ts';

/** Far more than a small file takes, far less than a hang. */
const timeLimit = 20_000;
const options = { name: 'x.h5', timeLimit };

/** Loads a file that may be damaged. Whatever is in it, what comes is a model or a WeftError that names the file, in time. */
async function outcome(bytes: Uint8Array): Promise<'loaded' | string> {
  const start = performance.now();
  try {
    (await loadKerasModel(bytes, options)).dispose();
    return 'loaded';
  } catch (error) {
    expect(error, `${(error as Error).stack}`).toBeInstanceOf(WeftError);
    return (error as Error).message;
  } finally {
    expect(performance.now() - start).toBeLessThan(timeLimit + 5000);
  }
}

const good = fixture('keras/list.h5');

describe('a damaged .h5 file', () => {
  it('is refused where it is cut short, wherever that is', async () => {
    for (const length of [0, 7, 8, 40, 96, 2048, 9000, good.length - 1])
      expect(await outcome(good.subarray(0, length)), `${length} bytes`).toMatch(
        length < 8 ? /^x.h5 is no HDF5 file/ : /^x.h5: HDF5: /,
      );
  });

  it('is refused or loaded, whatever bytes are changed', async () => {
    const random = new RandomStream(11, 'flips');
    const outcomes: string[] = [];
    for (let n = 0; n < 12; n++) {
      const bytes = good.slice();
      for (let k = 0; k < 40; k++) {
        const [at, bit] = random.words(2);
        bytes[at % bytes.length] ^= 1 << (bit % 8);
      }
      outcomes.push(await outcome(bytes));
    }
    expect(outcomes.filter((message) => message !== 'loaded').length).toBeGreaterThan(6);
  });

  it('is refused where it is another format, or its groups lead back to themselves', async () => {
    expect(await outcome(fixture('numpy/plain.npz'))).toMatch(/no HDF5 file/);
    expect(await outcome(fixture('keras/cyclic.h5'))).toMatch(/^x.h5: /);
    expect(await outcome(fixture('keras/deep.h5'))).toMatch(/^x.h5: /);
    expect(await outcome(fixture('keras/external.h5'))).toMatch(/^x.h5: /);
  });
});

describe('claims of more than a file can hold', () => {
  it('are refused before anything is read', async () => {
    const file = await Hdf5File.open(fixture('keras/huge.h5'), options);
    for (const path of ['/contiguous', '/chunked', '/late'])
      await expect(file.dataset(path)).rejects.toThrow(/x.h5: '.*' claims \d+ bytes for shape .*more than/);
    // Deflated zeros: a thousandth of what they claim, which is within deflate's reach, up to the caller's own limit.
    expect((await file.dataset('/deflated')).data.length).toBe(2 ** 18);
    await expect(file.dataset('/deflated_huge')).rejects.toThrow(/claims/);
    await expect(file.dataset('/compound')).rejects.toThrow(/'\/compound' holds no numbers/);
    await expect(file.dataset('/text')).rejects.toThrow(/holds no numbers/);
    file.close();
    const strict = await Hdf5File.open(fixture('keras/huge.h5'), { ...options, maxBytes: 2 ** 16 });
    await expect(strict.dataset('/deflated')).rejects.toThrow(/more than 65536/);
    strict.close();
  });

  it('are counted together: one dataset under many names is read as often as the file has bytes', async () => {
    const data = new Float32Array(4096);
    const root: GroupToWrite = {
      attributes: new Map(),
      groups: new Map(),
      datasets: new Map([['a', { shape: [4096], data }]]),
    };
    const file = await Hdf5File.open(await encodeHdf5(root), options);
    await file.dataset('/a');
    await expect(file.dataset('/a')).rejects.toThrow(/claims 16384 bytes.*can still hold/);
    file.close();
  });
});

describe("HDF5's worker", () => {
  it('is ended when its time is over', async () => {
    const start = performance.now();
    await expect(Hdf5File.open(good, { name: 'x.h5', timeLimit: 1 })).rejects.toThrow(
      'x.h5: HDF5: not done in 0.001 s: the time limit',
    );
    expect(performance.now() - start).toBeLessThan(5000);
  });

  it('is ended soon where a file makes it loop', async () => {
    await expect(loadKerasModel(fixture('keras/endless.h5'), { name: 'x.h5' })).rejects.toThrow(
      "x.h5: HDF5: the file is damaged: the attribute 'model_config' of '/' could not be read: no answer in 1.502 s: the time limit",
    );
  });

  it('that loops without end is ended, too', async () => {
    // A library in h5wasm's place that never gives the turn back.
    const h5wasmCode = async () => 'function loadH5wasm() { for (;;); }';
    vi.doMock('../../src/formats/hdf5/h5wasm.ts', () => ({ h5wasmCode }));
    try {
      await expect(Hdf5File.open(good, { name: 'x.h5', timeLimit: 2000 })).rejects.toThrow(/time limit/);
    } finally {
      vi.doUnmock('../../src/formats/hdf5/h5wasm.ts');
    }
  });
});
