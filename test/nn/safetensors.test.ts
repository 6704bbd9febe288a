import { describe, expect, it } from 'vitest';
import { WeftError } from '../../src/errors.ts';
import { crc32 } from '../../src/nn/crc32.ts';
import { decodeSafetensors, encodeSafetensors, type NamedTensors } from '../../src/nn/safetensors.ts';
import { sizeOf } from '../../src/tensor/shape.ts';
import type { TypedArray } from '../../src/tensor/tensor.ts';
import { draws } from '../support/property.ts';

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
    ['a header that is a list', file([1]), /the header: expected an object, got \[1\]/],
    ['a header that is null', file('null'), /the header: expected an object, got null/],
    ['an entry that is no object', file({ a: 3 }), /'a': expected an object, got 3/],
    ['an unknown dtype', file({ a: entry('F8', [1], 0, 1) }, 1), /'a': dtype must be 'F32' or .*, got 'F8'/],
    [
      'an inherited dtype',
      file({ a: entry('toString', [1], 0, 4) }, 4),
      /'a': dtype must be .*, got 'toString'/,
    ],
    [
      'a negative shape',
      file({ a: entry('F32', [-1, -1], 0, 4) }, 4),
      /'a': shape.0. must be a whole number from 0, got -1/,
    ],
    ['a huge shape', file({ a: entry('F32', [2 ** 40, 2 ** 40], 0, 4) }, 4), /'a' claims bytes 0 to 4 of 4/],
    ['offsets outside', file({ a: entry('F32', [1], 4, 8) }, 4), /'a' claims bytes 4 to 8 of 4/],
    ['offsets backwards', file({ a: entry('F32', [0], 4, 0) }, 4), /'a' claims/],
    [
      'fractions for offsets',
      file({ a: entry('F32', [1], 0.5, 4.5) }, 8),
      /'a': data_offsets.0. must be a whole number/,
    ],
    ['no offsets', file({ a: { dtype: 'F32', shape: [1] } }, 4), /'a': data_offsets is missing/],
    ['three offsets', file({ a: entry('F32', [1], 0, 4, 8) }, 4), /'a': data_offsets.2. must be .*, got 8/],
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
      /__metadata__: a must be a text, got an object/,
    ],
  ])('with %s is refused', (_, bytes, message) => {
    expect(() => decodeSafetensors(bytes)).toThrow(message);
  });
});

const tensors: NamedTensors['tensors'] = new Map<string, { shape: number[]; data: TypedArray }>([
  ['a', { shape: [2, 3], data: Float32Array.of(1, 2, 3, 4, 5, 6) }],
  ['b', { shape: [2], data: Int32Array.of(7, 8) }],
]);

describe('a checksum', () => {
  const good = encodeSafetensors(tensors, { key: '{"a": "b"}' });

  it('is in every file that is written, where other programs let it be', () => {
    expect(decodeSafetensors(good)).toEqual({ tensors, metadata: { key: '{"a": "b"}' } });
    const headerBytes = Number(new DataView(good.buffer).getBigUint64(0, true));
    const header = JSON.parse(new TextDecoder().decode(good.subarray(8, 8 + headerBytes)));
    expect(header.__metadata__['weft-crc32']).toMatch(/^weft-crc32 [0-9a-f]{8}$/);
    // By the definition: of the whole file, with zeros in its own place.
    const digits = header.__metadata__['weft-crc32'].slice(-8);
    const blank = new TextDecoder('latin1').decode(good).replace(digits, '00000000');
    const bytes = Uint8Array.from(blank, (character) => character.charCodeAt(0));
    expect(crc32(bytes).toString(16).padStart(8, '0')).toBe(digits);
  });

  it('refuses the file whichever bit of it is changed', () => {
    for (let bit = 0; bit < 8 * good.length; bit++) {
      const damaged = good.slice();
      damaged[bit >> 3] ^= 1 << (bit & 7);
      const read = () => decodeSafetensors(damaged);
      expect(read, `bit ${bit & 7} of byte ${bit >> 3}`).toThrow(WeftError);
    }
  });

  it('says what a program must leave out that writes a file anew', () => {
    const { 'weft-crc32': _, ...rest } = { 'weft-crc32': 'weft-crc32 01234567', other: 'x' };
    const of = (metadata: object) => file({ __metadata__: metadata, a: entry('F32', [1], 0, 4) }, 4);
    expect(() => decodeSafetensors(of({ ...rest, 'weft-crc32': 'weft-crc32 01234567' }))).toThrow(
      /safetensors: the file is damaged: .* must leave 'weft-crc32' out of the metadata/,
    );
    expect(decodeSafetensors(of(rest)).metadata).toEqual(rest);
  });

  it('is CRC-32', () => {
    const text = new TextEncoder().encode('123456789');
    expect(crc32(text)).toBe(0xcbf43926);
    for (let cut = 0; cut <= text.length; cut++)
      expect(crc32(text.subarray(cut), crc32(text.subarray(0, cut)))).toBe(0xcbf43926);
  });
});

describe('what can be written', () => {
  const names = [
    '__proto__',
    'constructor',
    'toString',
    '',
    '0',
    '10',
    '2',
    'é 層',
    '\ud800',
    'a"b\\',
    '\0\n',
    'weft-crc32',
  ];

  it.each(draws('safetensors', 60))('can be read: $label', ({ int, pick, shape, random, chance }) => {
    const written = new Map(
      Array.from({ length: int(0, 6) }, () => {
        const extents = chance(0.2) ? [int(0, 3), 0, int(0, 9)] : shape(int(0, 4), 200);
        const type = pick([Float32Array, Int32Array, Uint32Array]);
        const data = new type(Uint32Array.from(random.integers(sizeOf(extents), 2 ** 32)).buffer);
        return [chance(0.7) ? pick(names) : `t${int(0, 99)}`, { shape: extents, data }] as const;
      }),
    );
    const metadata = Object.fromEntries(
      Array.from({ length: int(0, 3) }, () => [pick(names.slice(0, -1)), pick(names)]),
    );
    const encoded = encodeSafetensors(written, metadata);
    expect(encodeSafetensors(written, metadata)).toEqual(encoded);
    const read = decodeSafetensors(encoded);
    expect(new Map([...read.tensors].sort())).toEqual(new Map([...written].sort()));
    expect(Object.entries(read.metadata).sort()).toEqual(Object.entries(metadata).sort());
  });

  it('can be read, texts of 20 million characters included', () => {
    const text = '[0.693,12,32],'.repeat(1_500_000);
    expect(decodeSafetensors(encodeSafetensors(tensors, { text })).metadata.text).toBe(text);
  });

  it.each<[string, () => Uint8Array, RegExp]>([
    [
      'an array of another kind',
      () => encodeSafetensors(new Map([['a', { shape: [1], data: new Float64Array(1) as never }]])),
      /'a' of a Float64Array of 1 can't be written; known: Float32Array, Int32Array, Uint32Array/,
    ],
    [
      'too few values',
      () => encodeSafetensors(new Map([['a', { shape: [2], data: new Float32Array(1) }]])),
      /'a' has 1 values for shape \[2\]/,
    ],
    [
      'a tensor of the name that metadata has',
      () => encodeSafetensors(new Map([['__metadata__', { shape: [1], data: new Float32Array(1) }]])),
      /of any other name than __metadata__/,
    ],
    [
      'metadata that is no text',
      () => encodeSafetensors(new Map(), { a: 1 as never }),
      /safetensors metadata: a must be a text, got 1/,
    ],
    [
      'a header longer than the format allows',
      () => encodeSafetensors(new Map(), { a: 'x'.repeat(100e6) }),
      /a header of 1000000\d\d bytes can't be read again/,
    ],
  ])('is not %s', (_, write, message) => {
    expect(write).toThrow(message);
  });
});

it('a file is given as its bytes', () => {
  const bytes = encodeSafetensors(tensors);
  for (const [given, got] of [
    ['model.safetensors', "'model.safetensors'"],
    [bytes.buffer, 'an ArrayBuffer: new Uint8Array\\(buffer\\)'],
    [undefined, 'undefined'],
    [[1, 2], '\\[1, 2\\]'],
  ])
    expect(() => decodeSafetensors(given as never)).toThrow(
      new RegExp(`a safetensors file must be given as its bytes, a Uint8Array, got ${got}`),
    );
  // At any place in a larger buffer.
  const inside = new Uint8Array(bytes.length + 3);
  inside.set(bytes, 3);
  expect(decodeSafetensors(inside.subarray(3)).tensors).toEqual(tensors);
  expect(decodeSafetensors(Buffer.from(bytes)).tensors).toEqual(tensors);
});
