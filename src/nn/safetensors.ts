import * as v from 'valibot';
import { checkBytes, showValue } from '../checks.ts';
import { WeftError } from '../errors.ts';
import { check, dictionary, object, parseJson, wholeNumber } from '../schema.ts';
import { type Shape, showShape, sizeOf } from '../tensor/shape.ts';
import type { TypedArray } from '../tensor/tensor.ts';
import { crc32 } from './crc32.ts';

/*
 * The safetensors format (https://github.com/huggingface/safetensors, "Format"): the header's length in 8 bytes, little-endian;
 * a JSON header {name: {dtype, shape, data_offsets: [begin, end]}, __metadata__: {string: string}}; then the bytes of the tensors,
 * without gaps.
 *
 * Files written here have a checksum of the whole file in their metadata, in a place of its own at the beginning of the header. Other
 * programs' files have none.
 */

/** What a safetensors file holds. */
export interface NamedTensors {
  tensors: Map<string, { shape: Shape; data: TypedArray }>;
  metadata: Record<string, string>;
}

/** How elements are read: what other programs write and has no kind of tensor here comes as f32, without arrays in between. */
const dtypes: Record<string, { size: number; read: (bytes: Uint8Array) => TypedArray }> = {
  F32: { size: 4, read: (bytes) => viewOn(Float32Array, bytes).slice() },
  I32: { size: 4, read: (bytes) => viewOn(Int32Array, bytes).slice() },
  U32: { size: 4, read: (bytes) => viewOn(Uint32Array, bytes).slice() },
  F64: { size: 8, read: (bytes) => new Float32Array(viewOn(Float64Array, bytes)) },
  I64: {
    size: 8,
    read: (bytes) => {
      const [low, high] = [viewOn(Uint32Array, bytes), viewOn(Int32Array, bytes)];
      const values = new Float32Array(bytes.length / 8);
      for (let i = 0; i < values.length; i++) values[i] = high[2 * i + 1] * 2 ** 32 + low[2 * i];
      return values;
    },
  },
  F16: {
    size: 2,
    read: (bytes) => {
      const halves = viewOn(Uint16Array, bytes);
      const values = new Float32Array(halves.length);
      for (let i = 0; i < values.length; i++) values[i] = fromHalf(halves[i]);
      return values;
    },
  },
  // The upper half of an f32.
  BF16: {
    size: 2,
    read: (bytes) => {
      const halves = viewOn(Uint16Array, bytes);
      const values = new Uint32Array(halves.length);
      for (let i = 0; i < values.length; i++) values[i] = halves[i] << 16;
      return new Float32Array(values.buffer);
    },
  },
};

/** A view on bytes; on a copy of them where they don't lie at a multiple of an element's size. */
function viewOn<T>(
  type: { new (buffer: ArrayBufferLike, offset: number, length: number): T; BYTES_PER_ELEMENT: number },
  bytes: Uint8Array,
): T {
  const { buffer, byteOffset } =
    bytes.byteOffset % type.BYTES_PER_ELEMENT === 0 ? bytes : new Uint8Array(bytes);
  return new type(buffer, byteOffset, bytes.length / type.BYTES_PER_ELEMENT);
}

/** The number of an IEEE 754 half: a sign, 5 bits of exponent, 10 of fraction. */
function fromHalf(bits: number): number {
  const sign = bits >> 15 ? -1 : 1;
  const exponent = (bits >> 10) & 31;
  const fraction = bits & 1023;
  if (exponent === 31) return fraction ? Number.NaN : sign * Number.POSITIVE_INFINITY;
  return sign * (exponent === 0 ? fraction * 2 ** -24 : (1024 + fraction) * 2 ** (exponent - 25));
}

/** What tensors are written as. */
const kinds = { F32: Float32Array, I32: Int32Array, U32: Uint32Array } as const;

/** As the format's own library has it. */
const MAX_HEADER_BYTES = 100e6;
/** Each takes some 800 bytes beside its values, more than in the header. */
const MAX_TENSORS = 2 ** 17;

/** Bytes that the header is padded to, so that the tensors are aligned. */
const ALIGNMENT = 8;

const METADATA = '__metadata__';
/** The checksum's name in the metadata, and what its value begins with. */
const CHECKSUM = 'weft-crc32';
/** What a header with a checksum begins with; the checksum's eight digits come next. */
const BEFORE_CHECKSUM = `{"${METADATA}":{"${CHECKSUM}":"${CHECKSUM} `;
const NO_DIGITS = '0'.repeat(8);

/** @throws WeftError for a tensor that couldn't be read again */
function described(name: string, { shape, data }: { shape: Shape; data: TypedArray }) {
  const [dtype] = Object.entries(kinds).find(([, type]) => data instanceof type) ?? [];
  if (!dtype || name === METADATA)
    return fail(
      `a tensor ${showValue(name)} of ${showValue(data)} can't be written; known: ${Object.values(kinds)
        .map(({ name }) => name)
        .join(', ')}, of any other name than ${METADATA}`,
    );
  if (!shape.every((n) => Number.isSafeInteger(n) && n >= 0) || sizeOf(shape) !== data.length)
    fail(`${showValue(name)} has ${data.length} values for shape ${showShape(shape)}`);
  return { dtype, shape };
}

/**
 * The same tensors and metadata in the same order give the same bytes. `__metadata__` gets a checksum beside these, by which
 * `decodeSafetensors` knows a damaged file.
 *
 * @throws WeftError for what couldn't be read again: an array of another kind or length than its shape says, metadata that is no
 * text, and where the header would be longer than the format allows (100 MB)
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
  if (tensors.size > MAX_TENSORS) fail(`${tensors.size} tensors can't be read again: at most ${MAX_TENSORS}`);
  let offset = 0;
  const entries = [...tensors].map(([name, tensor]) => {
    const begin = offset;
    offset += tensor.data.byteLength;
    return `${JSON.stringify(name)}:${JSON.stringify({ ...described(name, tensor), data_offsets: [begin, offset] })}`;
  });
  // As text: of an object, names that are whole numbers would come before the rest.
  const texts = Object.entries(check('safetensors metadata', metadata, metadataSchema))
    .filter(([key]) => key !== CHECKSUM)
    .map(([key, value]) => `,${JSON.stringify(key)}:${JSON.stringify(value)}`);
  const json = new TextEncoder().encode(
    `${BEFORE_CHECKSUM}${NO_DIGITS}"${texts.join('')}}${entries.map((entry) => `,${entry}`).join('')}}`,
  );
  const headerBytes = Math.ceil(json.length / ALIGNMENT) * ALIGNMENT;
  if (headerBytes > MAX_HEADER_BYTES)
    fail(`a header of ${headerBytes} bytes can't be read again: at most ${MAX_HEADER_BYTES}`);
  const file = new Uint8Array(8 + headerBytes + offset);
  new DataView(file.buffer).setBigUint64(0, BigInt(headerBytes), true);
  file.fill(0x20, 8, 8 + headerBytes);
  file.set(json, 8);
  let at = 8 + headerBytes;
  for (const { data } of tensors.values()) {
    file.set(new Uint8Array(data.buffer, data.byteOffset, data.byteLength), at);
    at += data.byteLength;
  }
  file.set(new TextEncoder().encode(hex(crc32(file))), 8 + BEFORE_CHECKSUM.length);
  return file;
}
/**
 * Takes at most 3 times the file's memory (of 16-bit elements, which come as f32; of others, less), and 200 MB.
 *
 * @throws WeftError where the file is cut short or damaged: its header is no such header (see `entriesOf`), or its contents don't
 * match its checksum, if it has one
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
  checkBytes('a safetensors file', file);
  if (file.length < 8) throw new WeftError(`not a safetensors file: ${file.length} bytes`);
  const headerBytes = Number(new DataView(file.buffer, file.byteOffset).getBigUint64(0, true));
  if (headerBytes > Math.min(file.length - 8, MAX_HEADER_BYTES))
    throw new WeftError(
      `not a safetensors file, or cut short: a header of ${headerBytes} bytes in a file of ${file.length}`,
    );
  const { [METADATA]: metadata = {}, ...entries } = headerOf(file.subarray(8, 8 + headerBytes));
  const texts = check(`safetensors: ${METADATA}`, metadata, metadataSchema);
  const body = file.subarray(8 + headerBytes);
  const found = entriesOf(entries, body.length);
  const isChecked = checkChecksum(file, texts);
  const tensors: NamedTensors['tensors'] = new Map();
  for (const { name, dtype, shape, begin, end } of found)
    tensors.set(name, { shape, data: dtypes[dtype].read(body.subarray(begin, end)) });
  if (isChecked) delete texts[CHECKSUM];
  return { tensors, metadata: texts };
}

const metadataSchema = dictionary(v.string());

function headerOf(bytes: Uint8Array): Record<string, unknown> {
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch (error) {
    return fail(`the header is no text (${(error as Error).message})`);
  }
  return parseJson('safetensors: the header', text, dictionary(v.unknown()), {
    maxCharacters: MAX_HEADER_BYTES,
    // A tensor, its shape and its range.
    maxContainers: 2 + 3 * MAX_TENSORS,
  });
}

/**
 * Whether a file has a checksum, which its contents then match. It is known by its name as well as by its value: a changed bit hides
 * one of them at most.
 */
function checkChecksum(file: Uint8Array, metadata: Readonly<Record<string, string>>): boolean {
  const claimed =
    metadata[CHECKSUM] ?? Object.values(metadata).find((value) => value.startsWith(`${CHECKSUM} `));
  if (claimed === undefined) return false;
  const at = 8 + BEFORE_CHECKSUM.length;
  const before = crc32(file.subarray(0, at));
  const crc = crc32(file.subarray(at + 8), crc32(new TextEncoder().encode(NO_DIGITS), before));
  if (metadata[CHECKSUM] === `${CHECKSUM} ${hex(crc)}`) return true;
  return fail(
    `the file is damaged: its checksum is ${showValue(claimed)}, its contents have ${hex(crc)} (a program that writes it anew with other contents must leave '${CHECKSUM}' out of the metadata)`,
  );
}

const hex = (crc: number): string => crc.toString(16).padStart(8, '0');

interface Entry {
  readonly name: string;
  readonly dtype: string;
  readonly shape: readonly number[];
  readonly begin: number;
  readonly end: number;
}

const entrySchema = object({
  dtype: v.picklist(Object.keys(dtypes)),
  shape: v.array(wholeNumber()),
  data_offsets: v.strictTuple([wholeNumber(), wholeNumber()], 'two whole numbers'),
});

/**
 * The header's tensors, in its order.
 * @throws WeftError naming one of unknown dtype, one whose range isn't that of its shape or not in the file, and where ranges overlap
 * or leave bytes that belong to nothing
 */
function entriesOf(header: Readonly<Record<string, unknown>>, bytes: number): Entry[] {
  const entries = Object.entries(header).map(([name, entry]): Entry => {
    const { dtype, shape, data_offsets } = check(`safetensors: ${showValue(name)}`, entry, entrySchema);
    const [begin, end] = data_offsets;
    if (end > bytes || end - begin !== sizeOf(shape) * dtypes[dtype].size)
      fail(
        `${showValue(name)} claims bytes ${begin} to ${end} of ${bytes} for shape ${showShape(shape.slice(0, 9))}: the file is cut short or damaged`,
      );
    return { name, dtype, shape, begin, end };
  });
  let at = 0;
  for (const { name, begin, end } of [...entries].sort((a, b) => a.begin - b.begin || a.end - b.end)) {
    if (begin !== at)
      fail(
        `${showValue(name)} begins at byte ${begin}, what comes before it ends at ${at}: tensors must lie one after the other`,
      );
    at = end;
  }
  if (at !== bytes) fail(`${bytes - at} bytes after the last tensor belong to nothing`);
  return entries;
}

function fail(why: string): never {
  throw new WeftError(`safetensors: ${why}`);
}
