import { WeftError } from '../errors.ts';
import { type Shape, sizeOf } from '../tensor/shape.ts';
import type { TypedArray } from '../tensor/tensor.ts';

/*
 * The safetensors format (https://github.com/huggingface/safetensors, "Format"): the header's length in 8 bytes, little-endian;
 * a JSON header {name: {dtype, shape, data_offsets: [begin, end]}, __metadata__: {string: string}}; then the bytes of the tensors,
 * without gaps.
 */

/** What a safetensors file holds. */
export interface NamedTensors {
  tensors: Map<string, { shape: Shape; data: TypedArray }>;
  metadata: Record<string, string>;
}

/** Bytes of an element, and how to read them: what other programs write and has no kind of tensor here comes as f32. */
const dtypes: Record<string, { size: number; read: (bytes: ArrayBuffer) => TypedArray }> = {
  F32: { size: 4, read: (bytes) => new Float32Array(bytes) },
  I32: { size: 4, read: (bytes) => new Int32Array(bytes) },
  U32: { size: 4, read: (bytes) => new Uint32Array(bytes) },
  F64: { size: 8, read: (bytes) => Float32Array.from(new Float64Array(bytes)) },
  I64: { size: 8, read: (bytes) => Float32Array.from(new BigInt64Array(bytes), Number) },
  F16: { size: 2, read: (bytes) => Float32Array.from(new Uint16Array(bytes), fromHalf) },
  // The upper half of an f32.
  BF16: {
    size: 2,
    read: (bytes) => new Float32Array(Uint32Array.from(new Uint16Array(bytes), (half) => half << 16).buffer),
  },
};

/** The number of an IEEE 754 half: a sign, 5 bits of exponent, 10 of fraction. */
function fromHalf(bits: number): number {
  const [sign, exponent, fraction] = [bits >> 15 ? -1 : 1, (bits >> 10) & 31, bits & 1023];
  if (exponent === 31) return fraction ? Number.NaN : sign * Number.POSITIVE_INFINITY;
  return sign * (exponent === 0 ? fraction * 2 ** -24 : (1024 + fraction) * 2 ** (exponent - 25));
}

const dtypeOf = (data: TypedArray): string =>
  data instanceof Float32Array ? 'F32' : data instanceof Int32Array ? 'I32' : 'U32';

/** As the format's own library has it. */
const MAX_HEADER_BYTES = 100e6;

/** Bytes that the header is padded to, so that the tensors are aligned. */
const ALIGNMENT = 8;

/**
 * The same tensors and metadata in the same order give the same bytes.
 *
 * @example
 * ```ts
 * import { decodeSafetensors, encodeSafetensors } from 'weft-gpu';
 *
 * const file = encodeSafetensors(new Map([['x', { shape: [2], data: Float32Array.of(1, 2) }]]));
 * console.log(decodeSafetensors(file).tensors.get('x')?.data); // Float32Array [1, 2]
 * ```
 */
export function encodeSafetensors(
  tensors: ReadonlyMap<string, { shape: Shape; data: TypedArray }>,
  metadata: Record<string, string> = {},
): Uint8Array {
  const header: Record<string, unknown> = { __metadata__: metadata };
  let offset = 0;
  for (const [name, { shape, data }] of tensors) {
    header[name] = { dtype: dtypeOf(data), shape, data_offsets: [offset, offset + data.byteLength] };
    offset += data.byteLength;
  }
  const json = new TextEncoder().encode(JSON.stringify(header));
  const headerBytes = Math.ceil(json.length / ALIGNMENT) * ALIGNMENT;
  const file = new Uint8Array(8 + headerBytes + offset);
  new DataView(file.buffer).setBigUint64(0, BigInt(headerBytes), true);
  file.fill(0x20, 8, 8 + headerBytes);
  file.set(json, 8);
  let at = 8 + headerBytes;
  for (const { data } of tensors.values()) {
    file.set(new Uint8Array(data.buffer, data.byteOffset, data.byteLength), at);
    at += data.byteLength;
  }
  return file;
}

/**
 * @throws WeftError where the file is cut short, or its header is no such header: see `entriesOf`
 * @example
 * ```ts
 * import { decodeSafetensors, layers, sequential } from 'weft-gpu';
 *
 * const model = sequential([layers.dense({ units: 3 })], { inputShape: [4] });
 * const { tensors } = decodeSafetensors(await model.save());
 * console.log(tensors.get('dense.kernel')?.shape); // [ 4, 3 ]
 * ```
 */
export function decodeSafetensors(file: Uint8Array): NamedTensors {
  if (file.length < 8) throw new WeftError(`not a safetensors file: ${file.length} bytes`);
  const headerBytes = Number(new DataView(file.buffer, file.byteOffset).getBigUint64(0, true));
  if (headerBytes > Math.min(file.length - 8, MAX_HEADER_BYTES))
    throw new WeftError(
      `not a safetensors file, or cut short: a header of ${headerBytes} bytes in a file of ${file.length}`,
    );
  let text: string;
  let header: unknown;
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(file.subarray(8, 8 + headerBytes));
    header = JSON.parse(text);
  } catch (error) {
    throw new WeftError(`not a safetensors file: its header is no JSON (${(error as Error).message})`);
  }
  const twice = repeatedKey(text);
  if (twice !== undefined) throw new WeftError(`safetensors: the header has '${twice}' twice`);
  const { __metadata__: metadata = {}, ...entries } = isObject(header)
    ? header
    : fail('the header is no object');
  if (!isObject(metadata) || !Object.values(metadata).every((value) => typeof value === 'string'))
    fail('__metadata__ must hold texts alone');
  const body = file.subarray(8 + headerBytes);
  const tensors: NamedTensors['tensors'] = new Map();
  for (const { name, dtype, shape, begin, end } of entriesOf(entries, body.length))
    tensors.set(name, { shape, data: dtypes[dtype].read(new Uint8Array(body.subarray(begin, end)).buffer) });
  return { tensors, metadata: metadata as Record<string, string> };
}

interface Entry {
  readonly name: string;
  readonly dtype: string;
  readonly shape: number[];
  readonly begin: number;
  readonly end: number;
}

/**
 * The header's tensors, in its order.
 * @throws WeftError naming one of unknown dtype, one whose range isn't that of its shape or not in the file, and where ranges overlap
 * or leave bytes that belong to nothing
 */
function entriesOf(header: object, bytes: number): Entry[] {
  const entries = Object.entries(header).map(([name, entry]): Entry => {
    const { dtype, shape, data_offsets: offsets } = isObject(entry) ? entry : fail(`'${name}' is no object`);
    if (typeof dtype !== 'string' || !Object.hasOwn(dtypes, dtype))
      return fail(`'${name}' has dtype ${dtype}; known: ${Object.keys(dtypes).join(', ')}`);
    const isShape = Array.isArray(shape) && shape.every((n) => Number.isSafeInteger(n) && n >= 0);
    const [begin, end] = Array.isArray(offsets) && offsets.length === 2 ? offsets : [0, -1];
    const isRange = Number.isSafeInteger(begin) && Number.isSafeInteger(end) && begin >= 0 && end <= bytes;
    if (!isShape || !isRange || end - begin !== sizeOf(shape) * dtypes[dtype].size)
      return fail(
        `'${name}' claims bytes ${begin} to ${end} of ${bytes} for shape ${JSON.stringify(shape)}: the file is cut short or damaged`,
      );
    return { name, dtype, shape, begin, end };
  });
  let at = 0;
  for (const { name, begin, end } of [...entries].sort((a, b) => a.begin - b.begin || a.end - b.end)) {
    if (begin !== at)
      fail(
        `'${name}' begins at byte ${begin}, what comes before it ends at ${at}: tensors must lie one after the other`,
      );
    at = end;
  }
  if (at !== bytes) fail(`${bytes - at} bytes after the last tensor belong to nothing`);
  return entries;
}

function fail(why: string): never {
  throw new WeftError(`safetensors: ${why}`);
}

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** A key that an object, given as valid JSON, has twice: of two, parsers take the last without a word. */
function repeatedKey(json: string): string | undefined {
  const seen = new Set<string>();
  let depth = 0;
  for (const [token, text, colon] of json.matchAll(/("(?:[^"\\]|\\.)*")(\s*:)?|[{}[\]]/g)) {
    if (token === '{' || token === '[') depth++;
    else if (token === '}' || token === ']') depth--;
    else if (depth === 1 && colon) {
      const key = JSON.parse(text);
      if (seen.has(key)) return key;
      seen.add(key);
    }
  }
  return undefined;
}
