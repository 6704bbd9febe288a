import { describe, expect, it } from 'vitest';
import { WeftError } from '../../src/errors.ts';
import { decodeSafetensors, encodeSafetensors } from '../../src/nn/safetensors.ts';
import { RandomStream } from '../../src/tensor/random.ts';

/** A file with any header, right or wrong. */
function file(header: unknown, body: ArrayBufferLike | number = 0): Uint8Array {
  const json = new TextEncoder().encode(typeof header === 'string' ? header : JSON.stringify(header));
  const bytes = typeof body === 'number' ? new Uint8Array(body) : new Uint8Array(body);
  const out = new Uint8Array(8 + json.length + bytes.length);
  new DataView(out.buffer).setBigUint64(0, BigInt(json.length), true);
  out.set(json, 8);
  out.set(bytes, 8 + json.length);
  return out;
}

const entry = (dtype: string, shape: number[], ...data_offsets: number[]) => ({ dtype, shape, data_offsets });

describe("other programs' dtypes", () => {
  const read = (dtype: string, data: Uint16Array | Float64Array | BigInt64Array) =>
    Array.from(
      decodeSafetensors(
        file({ a: entry(dtype, [data.length], 0, data.byteLength) }, data.buffer),
      ).tensors.get('a')!.data,
    );

  it('are read as f32', () => {
    expect(read('F64', Float64Array.of(0.5, -1e300, 3))).toEqual([0.5, Number.NEGATIVE_INFINITY, 3]);
    expect(read('I64', BigInt64Array.of(-5n, 7n))).toEqual([-5, 7]);
    expect(read('BF16', Uint16Array.of(0x3f80, 0xc040, 0x7f80))).toEqual([1, -3, Number.POSITIVE_INFINITY]);
    // 1, -2, the largest, the smallest, the least with a leading one, both zeros, infinity.
    const halves = Uint16Array.of(0x3c00, 0xc000, 0x7bff, 0x0001, 0x0400, 0, 0x8000, 0xfc00);
    expect(read('F16', halves)).toEqual([1, -2, 65504, 2 ** -24, 2 ** -14, 0, -0, Number.NEGATIVE_INFINITY]);
    expect(read('F16', Uint16Array.of(0x7e00))).toEqual([Number.NaN]);
  });
});

describe('a hostile safetensors file', () => {
  const two = (a: unknown, b: unknown) => ({ a, b });
  it.each<[string, Uint8Array, RegExp]>([
    [
      'a header longer than all numbers',
      new Uint8Array(16).fill(255),
      /a header of 18446744073709552000 bytes in a file of 16/,
    ],
    ['a header that is a list', file([1]), /the header is no object/],
    ['a header that is null', file('null'), /the header is no object/],
    ['an entry that is no object', file({ a: 3 }), /'a' is no object/],
    ['an unknown dtype', file({ a: entry('F8', [1], 0, 1) }, 1), /'a' has dtype F8; known: F32/],
    ['an inherited dtype', file({ a: entry('toString', [1], 0, 4) }, 4), /'a' has dtype toString/],
    ['a negative shape', file({ a: entry('F32', [-1, -1], 0, 4) }, 4), /'a' claims/],
    ['a huge shape', file({ a: entry('F32', [2 ** 40, 2 ** 40], 0, 4) }, 4), /'a' claims bytes 0 to 4 of 4/],
    ['offsets outside', file({ a: entry('F32', [1], 4, 8) }, 4), /'a' claims bytes 4 to 8 of 4/],
    ['offsets backwards', file({ a: entry('F32', [0], 4, 0) }, 4), /'a' claims/],
    ['fractions for offsets', file({ a: entry('F32', [1], 0.5, 4.5) }, 8), /'a' claims/],
    ['no offsets', file({ a: { dtype: 'F32', shape: [1] } }, 4), /'a' claims/],
    [
      'an overlap',
      file(two(entry('F32', [2], 0, 8), entry('F32', [2], 4, 12)), 12),
      /'b' begins at byte 4.*ends at 8/,
    ],
    [
      'the same bytes twice',
      file(two(entry('F32', [1], 0, 4), entry('I32', [1], 0, 4)), 4),
      /'b' begins at byte 0/,
    ],
    ['a hole', file(two(entry('F32', [1], 0, 4), entry('F32', [1], 8, 12)), 12), /'b' begins at byte 8/],
    [
      'bytes to spare',
      file({ a: entry('F32', [1], 0, 4) }, 8),
      /4 bytes after the last tensor belong to nothing/,
    ],
    [
      'a name twice',
      file(
        `{"a": ${JSON.stringify(entry('F32', [1], 0, 4))}, "\\u0061": ${JSON.stringify(entry('F32', [1], 4, 8))}}`,
        8,
      ),
      /the header has 'a' twice/,
    ],
    [
      'metadata that is no text',
      file({ __metadata__: { a: { b: 1 } } }),
      /__metadata__ must hold texts alone/,
    ],
  ])('with %s is refused', (_, bytes, message) => {
    expect(() => decodeSafetensors(bytes)).toThrow(message);
  });

  it('is refused or read, whatever bytes are changed', () => {
    const good = encodeSafetensors(
      new Map([
        ['a', { shape: [2, 3], data: Float32Array.of(1, 2, 3, 4, 5, 6) }],
        ['b', { shape: [2], data: Int32Array.of(7, 8) }],
      ]),
      { key: '{"a": "b"}' },
    );
    expect(decodeSafetensors(good).metadata).toEqual({ key: '{"a": "b"}' });
    const random = new RandomStream(5, 'flips');
    let refused = 0;
    for (let n = 0; n < 2000; n++) {
      const [at, bit] = random.words(2);
      const damaged = good.slice();
      damaged[at % good.length] ^= 1 << (bit % 8);
      try {
        decodeSafetensors(damaged);
      } catch (error) {
        refused++;
        expect(error, `${(error as Error).stack}`).toBeInstanceOf(WeftError);
      }
    }
    expect(refused).toBeGreaterThan(500);
  });
});
