import { checkBytes, checkOptions, showValue } from '../checks.ts';
import { WeftError } from '../errors.ts';
import { type Shape, showShape, sizeOf } from '../tensor/shape.ts';

/*
 * NumPy's array file (numpy.lib.format): '\x93NUMPY', two version bytes, the header's length (u16 in version 1, u32 in 2 and 3,
 * little-endian), the header, a Python dictionary of 'descr', 'fortran_order' and 'shape' padded with spaces and a newline to a
 * multiple of 64 bytes, then the elements.
 */

/** Elements as `.npy` files hold them. */
export type NpyData =
  | Float32Array
  | Float64Array
  | Int8Array
  | Uint8Array
  | Int16Array
  | Uint16Array
  | Int32Array
  | Uint32Array
  | BigInt64Array
  | BigUint64Array;

/** An array in row-major (C) order. Booleans are bytes 0 and 1. */
export interface NpyArray {
  readonly shape: Shape;
  readonly data: NpyData;
}

/** By NumPy's letter and size. */
const types = {
  f4: Float32Array,
  f8: Float64Array,
  i1: Int8Array,
  u1: Uint8Array,
  b1: Uint8Array,
  i2: Int16Array,
  u2: Uint16Array,
  i4: Int32Array,
  u4: Uint32Array,
  i8: BigInt64Array,
  u8: BigUint64Array,
} as const;

const MAGIC = [0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59];
const ALIGNMENT = 64;
/** NumPy's own bound on arrays: no file of its making has more dimensions. */
const MAX_RANK = 32;

/** The file of an array: version 1, little-endian, C order. The same array gives the same bytes. */
export function encodeNpy(array: NpyArray): Uint8Array {
  const { shape, data } = checkOptions('encodeNpy', array, '{ shape: [2], data: Float32Array.of(1, 2) }');
  if (!Array.isArray(shape) || !ArrayBuffer.isView(data))
    throw new WeftError(
      `encodeNpy: shape must be a list and data a typed array, got ${showValue(shape)} and ${showValue(data)}`,
    );
  if (sizeOf(shape) !== data.length)
    throw new WeftError(`npy: ${data.length} values for shape ${showShape(shape)}`);
  const [name] = Object.entries(types).find(([, type]) => data instanceof type) ?? [];
  if (!name) throw new WeftError(`npy: an array of kind ${data?.constructor?.name} can't be written`);
  const descr = `${name.endsWith('1') ? '|' : '<'}${name}`;
  const tuple = shape.length === 1 ? `(${shape[0]},)` : `(${shape.join(', ')})`;
  const header = `{'descr': '${descr}', 'fortran_order': False, 'shape': ${tuple}, }`;
  const before = MAGIC.length + 4;
  const headerBytes = Math.ceil((before + header.length + 1) / ALIGNMENT) * ALIGNMENT - before;
  const file = new Uint8Array(before + headerBytes + data.byteLength);
  file.set([...MAGIC, 1, 0, headerBytes & 0xff, headerBytes >> 8]);
  file.set(new TextEncoder().encode(`${header.padEnd(headerBytes - 1)}\n`), before);
  const elements = file.subarray(before + headerBytes);
  elements.set(new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
  toMachine(elements, data.BYTES_PER_ELEMENT, '<');
  return file;
}

/**
 * Reads an array of versions 1 to 3, in either byte order and either order of elements. Takes the file's memory once, and twice where
 * the elements are in Fortran's order.
 *
 * @param name what error messages call the file
 * @throws WeftError where it is no such file, holds another kind of elements, is cut short or has bytes to spare
 * @example
 * ```ts
 * import { decodeNpy, encodeNpy } from 'weft-gpu/files';
 *
 * const file = encodeNpy({ shape: [1, 2], data: Float32Array.of(1, 2) }); // or of a file: np.save('x.npy', x)
 * const { shape, data } = decodeNpy(file);
 * console.log(shape, data); // [ 1, 2 ] Float32Array(2) [ 1, 2 ]
 * ```
 */
export function decodeNpy(file: Uint8Array, name = 'the file'): NpyArray {
  checkBytes('an .npy file', file);
  const header = readHeader(file, name);
  return arrayOf(header, new Uint8Array(file.subarray(header.begin)));
}

/** An array as `decodeNpy` reads it, made of the file's own bytes, which nobody else may use. */
export function decodeOwnNpy(file: Uint8Array, name: string): NpyArray {
  const header = readHeader(file, name);
  // Elements lie at a multiple of their size.
  file.copyWithin(0, header.begin);
  return arrayOf(header, new Uint8Array(file.buffer, file.byteOffset, file.length - header.begin));
}

/** What a file's header says, and where it ends. */
interface Header {
  readonly shape: number[];
  readonly type: (typeof types)[keyof typeof types];
  readonly order: string;
  readonly isFortran: boolean;
  readonly begin: number;
}

/** @throws WeftError where it isn't that of a file of this length */
function readHeader(file: Uint8Array, name: string): Header {
  const fail = (why: string): never => {
    throw new WeftError(`${name} is no valid npy file: ${why}`);
  };
  if (file.length < 10 || MAGIC.some((byte, i) => file[i] !== byte))
    fail(`it doesn't begin with NumPy's mark (${file.length} bytes)`);
  const [version, view] = [file[6], new DataView(file.buffer, file.byteOffset, file.byteLength)];
  if (version < 1 || version > 3 || file[7] !== 0)
    fail(`version ${version}.${file[7]}; known: 1.0, 2.0, 3.0`);
  const lengthBytes = version === 1 ? 2 : 4;
  if (file.length < 8 + lengthBytes) fail('cut short in its header');
  const begin = 8 + lengthBytes + (version === 1 ? view.getUint16(8, true) : view.getUint32(8, true));
  if (begin > file.length) fail(`a header that ends at byte ${begin} of ${file.length}`);
  const text = new TextDecoder(version === 3 ? 'utf-8' : 'latin1').decode(
    file.subarray(8 + lengthBytes, begin),
  );
  const { descr, fortran, shape } = parseHeader(text) ?? fail(`its header is ${JSON.stringify(clip(text))}`);
  const [, order, kind] = descr.match(/^([<>|=])(\w+)$/) ?? [];
  const type = Object.hasOwn(types, kind ?? '') ? types[kind as keyof typeof types] : undefined;
  if (!type) {
    const known = Object.keys(types).join(', ');
    throw new WeftError(`${name} holds elements of NumPy's type '${clip(descr)}'; known: ${known}`);
  }
  const wanted = sizeOf(shape) * type.BYTES_PER_ELEMENT;
  const found = file.length - begin;
  if (wanted !== found)
    fail(
      `${wanted} bytes for shape ${showShape(shape)} of ${descr}, got ${found}: the file is ${found < wanted ? 'cut short' : 'too long'}`,
    );
  return { shape, type, order, isFortran: fortran, begin };
}

/** @param bytes the elements, in place of which the array's may come */
function arrayOf({ shape, type, order, isFortran }: Header, bytes: Uint8Array): NpyArray {
  toMachine(bytes, type.BYTES_PER_ELEMENT, order);
  const data = new type(bytes.buffer as ArrayBuffer, bytes.byteOffset, sizeOf(shape));
  return { shape, data: isFortran ? rowMajor(data, shape) : data };
}

/** The dictionary's three entries, in any order and nothing else. */
function parseHeader(text: string): { descr: string; fortran: boolean; shape: number[] } | undefined {
  const entries = new Map<string, string>();
  const rest = text.replace(
    /'(descr|fortran_order|shape)'\s*:\s*('[^']*'|True|False|\([\d\sL,]*\))\s*(,|(?=\}))/g,
    (_, key, value) => {
      entries.set(key, value);
      return '';
    },
  );
  if (!/^\{\s*\}\s*$/.test(rest) || entries.size !== 3) return undefined;
  const [descr, fortran, tuple] = ['descr', 'fortran_order', 'shape'].map((key) => entries.get(key) ?? '');
  const numbers = tuple.startsWith('(') ? tuple.slice(1, -1).split(',') : [];
  // The comma after the last: (3,) is a tuple of one.
  if (numbers.at(-1)?.trim() === '') numbers.pop();
  const shape = numbers.map((size) => (/^\s*\d+L?\s*$/.test(size) ? Number.parseInt(size, 10) : Number.NaN));
  const isShape = shape.length <= MAX_RANK && shape.every(Number.isSafeInteger);
  if (!descr.startsWith("'") || !/^(True|False)$/.test(fortran) || !tuple.startsWith('(') || !isShape)
    return undefined;
  return { descr: descr.slice(1, -1), fortran: fortran === 'True', shape };
}

const clip = (text: string): string => (text.length > 200 ? `${text.slice(0, 200)}…` : text).trim();

const MACHINE_IS_LITTLE = new Uint8Array(Uint16Array.of(1).buffer)[0] === 1;

/** Turns each element's bytes round, in place, where `order` isn't this machine's. */
function toMachine(bytes: Uint8Array, size: number, order: string): void {
  if (size === 1 || (order !== '<' && order !== '>') || (order === '<') === MACHINE_IS_LITTLE) return;
  for (let at = 0; at < bytes.length; at += size)
    for (let [low, high] = [at, at + size - 1]; low < high; low++, high--)
      [bytes[low], bytes[high]] = [bytes[high], bytes[low]];
}

/** Elements of an array whose first index runs fastest, in the order where the last one does. */
function rowMajor<T extends NpyData>(data: T, shape: Shape): T {
  const out = new (data.constructor as new (length: number) => T)(data.length);
  const index = new Array<number>(shape.length).fill(0);
  const strides = shape.map((_, axis) => sizeOf(shape.slice(0, axis)));
  let from = 0;
  for (let to = 0; to < out.length; to++) {
    out[to] = data[from];
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      from += strides[axis];
      if (++index[axis] < shape[axis]) break;
      from -= strides[axis] * shape[axis];
      index[axis] = 0;
    }
  }
  return out;
}
