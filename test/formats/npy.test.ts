import { zipSync } from 'fflate';
import { describe, expect, it } from 'vitest';
import { decodeNpy, encodeNpy, type NpyData } from '../../src/formats/npy.ts';
import { decodeNpz, encodeNpz } from '../../src/formats/npz.ts';
import { RandomStream } from '../../src/tensor/random.ts';
import { fixture as file } from './fixtures.ts';

const fixture = (name: string) => file(`numpy/${name}`);

/** 100 i + 10 j + k - 50, as make.py has it. */
const values = Array.from({ length: 24 }, (_, n) => {
  const [i, j, k] = [Math.floor(n / 12), Math.floor(n / 4) % 3, n % 4];
  return 100 * i + 10 * j + k - 50;
});

function expected(name: string): { shape: number[]; values: number[] } {
  if (name === 'scalar') return { shape: [], values: [7] };
  if (name === 'row') return { shape: [5], values: [0, 1, 2, 3, 4] };
  if (name === 'empty') return { shape: [0, 3], values: [] };
  const of = (value: number) => {
    if (name.startsWith('b1')) return value > 0 ? 1 : 0;
    if (name.startsWith('u')) return value + 50;
    return name.startsWith('i1') ? (value << 24) >> 24 : value;
  };
  return { shape: [2, 3, 4], values: values.map(of) };
}

const numbers = (data: NpyData) => Array.from(data as ArrayLike<number | bigint>, Number);

describe('npy', () => {
  it.each(['plain.npz', 'compressed.npz'])(
    '%s: every type, byte order and order of elements',
    async (file) => {
      const arrays = await decodeNpz(fixture(file));
      expect(arrays.size).toBe(24);
      for (const [name, { shape, data }] of arrays)
        expect({ name, shape, values: numbers(data) }).toEqual({ name, ...expected(name) });
      expect(arrays.get('i8_big')!.data).toBeInstanceOf(BigInt64Array);
      expect(arrays.get('f8_little')!.data).toBeInstanceOf(Float64Array);
    },
  );

  it('is the same in its three versions', () => {
    for (const version of [1, 2, 3]) {
      const { shape, data } = decodeNpy(fixture(`version${version}.npy`));
      expect({ version, shape, data }).toEqual({
        version,
        shape: [2, 3, 4],
        data: Float32Array.from(values),
      });
    }
  });

  it('is written as NumPy writes it, byte for byte', async () => {
    expect(encodeNpy({ shape: [2, 3, 4], data: Float32Array.from(values) })).toEqual(fixture('version1.npy'));
    const arrays = await decodeNpz(fixture('plain.npz'));
    for (const compressed of [false, true])
      expect(await decodeNpz(await encodeNpz(arrays, { compressed }))).toEqual(arrays);
  });

  const good = fixture('version1.npy');
  const withHeader = (header: string) => {
    const file = encodeNpy({ shape: [1], data: Float32Array.of(1) });
    file.set(new TextEncoder().encode(header.padEnd(117)), 10);
    return file;
  };
  it.each([
    ['empty', good.subarray(0, 0), /no valid npy file: it doesn't begin/],
    ['another format', fixture('plain.npz'), /doesn't begin/],
    ['of an unknown version', good.with(6, 9), /version 9.0/],
    ['cut in its header', good.subarray(0, 60), /header that ends at byte 128 of 60/],
    ['cut in its data', good.subarray(0, 200), /96 bytes.*got 72: the file is cut short/],
    ['too long', new Uint8Array([...good, 0]), /too long/],
    [
      'of objects',
      withHeader("{'descr': '|O', 'fortran_order': False, 'shape': (1,), }"),
      /type '|O'; known: f4/,
    ],
    ['without a shape', withHeader("{'descr': '<f4', 'fortran_order': False, }"), /its header is/],
    [
      'of negative shape',
      withHeader("{'descr': '<f4', 'fortran_order': False, 'shape': (-1,), }"),
      /its header/,
    ],
    ['code', withHeader("{'descr': '<f4', 'fortran_order': exit(), 'shape': (1,), }"), /its header is/],
    [
      'of a huge shape',
      withHeader("{'descr': '<f4', 'fortran_order': False, 'shape': (999999999,99999), }"),
      /got 4: the file is cut short/,
    ],
  ])('refuses a file that is %s', (_, file, message) => {
    expect(() => decodeNpy(file, 'x.npy')).toThrow(message);
  });
});

describe('npz', () => {
  it('refuses what is no archive, is cut short, or claims more than it can hold', async () => {
    const file = fixture('compressed.npz');
    await expect(decodeNpz(good.slice())).rejects.toThrow(/no zip archive/);
    await expect(decodeNpz(new Uint8Array(3))).rejects.toThrow(/no zip archive/);
    for (let end = 0; end < file.length; end += 97)
      await expect(decodeNpz(file.subarray(0, end), { name: 'x.npz' })).rejects.toThrow(
        /^x.npz is no zip|'.*' in x.npz/,
      );
    await expect(decodeNpz(file, { maxBytes: 100 })).rejects.toThrow(
      /claims .* more than 100: the option maxBytes/,
    );
  });

  /** The archive of one array, of zeros and deflated, with numbers of its directory replaced. */
  async function altered(count: number, change: (directory: DataView) => void): Promise<Uint8Array> {
    const arrays = new Map([['x', { shape: [count], data: new Float32Array(count) }]]);
    const file = await encodeNpz(arrays, { compressed: true });
    const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
    change(new DataView(file.buffer, view.getUint32(file.length - 6, true)));
    return file;
  }
  const [CRC, SIZE] = [16, 24];

  it('refuses what claims more than 512 MiB beside its own length before it unpacks anything', async () => {
    const file = await altered(9, (directory) => directory.setUint32(SIZE, 600 * 2 ** 20, true));
    await expect(decodeNpz(file, { name: 'x.npz' })).rejects.toThrow(
      `x.npz claims 629145600 bytes of arrays, more than ${512 * 2 ** 20 + file.length}, which are the ${file.length} of the file and 512 MiB: the option maxBytes allows more`,
    );
  });

  it.each([100, 5_000_000])(
    'refuses an array of %d that is longer or shorter than it claims',
    async (count) => {
      for (const change of [-1, 4]) {
        const file = await altered(count, (directory) =>
          directory.setUint32(SIZE, directory.getUint32(SIZE, true) + change, true),
        );
        await expect(decodeNpz(file)).rejects.toThrow(
          /'x.npy' in the file is damaged: expected \d+ bytes unpacked, got/,
        );
      }
    },
  );

  it('refuses an array of another checksum', async () => {
    const file = await altered(9, (directory) => directory.setUint32(CRC, 5, true));
    await expect(decodeNpz(file)).rejects.toThrow(
      /'x.npy' in the file is damaged: its checksum is 5, its contents/,
    );
    const stored = await encodeNpz(new Map([['x', { shape: [9], data: new Float32Array(9) }]]));
    stored[stored.indexOf(0x7b) + 130] ^= 1;
    await expect(decodeNpz(stored)).rejects.toThrow(/'x.npy' in the file is damaged: its checksum/);
  });

  it('reads 65,535 arrays in linear time, and refuses to write more', async () => {
    const array = { shape: [0], data: new Float32Array(0) };
    const arrays = (count: number) => new Map(Array.from({ length: count }, (_, i) => [`${i}`, array]));
    const file = await encodeNpz(arrays(65_535));
    const start = performance.now();
    expect((await decodeNpz(file)).size).toBe(65_535);
    expect(performance.now() - start).toBeLessThan(5000);
    await expect(encodeNpz(arrays(65_536))).rejects.toThrow(/65536 arrays .* at most 65535/);
  });

  it.each(['../x', 'a/../../x', '/x', '\\x', 'C:\\x', '..\\x'])(
    "neither holds nor gives '%s', which would be a file outside of the folder that it is unpacked into",
    async (name) => {
      const array = { shape: [1], data: Float32Array.of(1) };
      const message = / is a path that leads out of the archive$/;
      await expect(encodeNpz(new Map([[name, array]]))).rejects.toThrow(message);
      const file = zipSync({ [`${name}.npy`]: encodeNpy(array) });
      await expect(decodeNpz(file, { name: 'x.npz' })).rejects.toThrow(message);
    },
  );

  it.each(['a/x', 'a..b', '...', '__proto__', 'C:x'])("gives '%s' back", async (name) => {
    const file = await encodeNpz(new Map([[name, { shape: [1], data: Float32Array.of(1) }]]));
    expect([...(await decodeNpz(file)).keys()]).toEqual([name]);
  });

  it('is refused or read, whatever bytes are changed', async () => {
    const file = fixture('compressed.npz');
    const random = new RandomStream(3, 'flips');
    let refused = 0;
    for (let n = 0; n < 100; n++) {
      const [at, bit] = random.words(2);
      const damaged = file.with(at % file.length, file[at % file.length] ^ (1 << (bit % 8)));
      await decodeNpz(damaged).catch((error) => {
        refused++;
        expect(error.name, `${error.stack}`).toBe('WeftError');
      });
    }
    expect(refused).toBeGreaterThan(10);
  });
});

const good = fixture('version1.npy');
