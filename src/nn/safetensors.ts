import { WeftError } from '../errors.ts';
import { type Shape, sizeOf } from '../tensor/shape.ts';
import type { TypedArray } from '../tensor/tensor.ts';

/*
 * The safetensors format (https://github.com/huggingface/safetensors, "Format"): the header's length in 8 bytes, little-endian;
 * a JSON header {name: {dtype, shape, data_offsets: [begin, end]}, __metadata__: {string: string}}; then the bytes of the tensors,
 * without gaps.
 */

export interface NamedTensors {
  tensors: Map<string, { shape: Shape; data: TypedArray }>;
  metadata: Record<string, string>;
}

const dtypes = { F32: Float32Array, I32: Int32Array, U32: Uint32Array } as const;
const dtypeOf = (data: TypedArray): keyof typeof dtypes =>
  data instanceof Float32Array ? 'F32' : data instanceof Int32Array ? 'I32' : 'U32';

/** Bytes that the header is padded to, so that the tensors are aligned. */
const ALIGNMENT = 8;

/** The same tensors and metadata in the same order give the same bytes. */
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

/** @throws WeftError where the file is cut short, or its header names ranges that it doesn't hold. */
export function decodeSafetensors(file: Uint8Array): NamedTensors {
  if (file.length < 8) throw new WeftError(`not a safetensors file: ${file.length} bytes`);
  const headerBytes = Number(new DataView(file.buffer, file.byteOffset).getBigUint64(0, true));
  if (headerBytes > file.length - 8)
    throw new WeftError(
      `not a safetensors file, or cut short: a header of ${headerBytes} bytes in a file of ${file.length}`,
    );
  let header: Record<string, { dtype: keyof typeof dtypes; shape: number[]; data_offsets: [number, number] }>;
  try {
    header = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(file.subarray(8, 8 + headerBytes)));
  } catch (error) {
    throw new WeftError(`not a safetensors file: its header is no JSON (${(error as Error).message})`);
  }
  const body = file.subarray(8 + headerBytes);
  const { __metadata__: metadata = {}, ...entries } = header as Record<string, never>;
  const tensors: NamedTensors['tensors'] = new Map();
  for (const [name, entry] of Object.entries(entries as typeof header)) {
    const { dtype, shape, data_offsets: offsets } = entry ?? {};
    const make = dtypes[dtype];
    if (!make)
      throw new WeftError(
        `safetensors: '${name}' has dtype ${dtype}; known: ${Object.keys(dtypes).join(', ')}`,
      );
    const isShape = Array.isArray(shape) && shape.every((n) => Number.isInteger(n) && n >= 0);
    const [begin, end] = Array.isArray(offsets) ? offsets : [0, -1];
    if (!isShape || !(begin >= 0 && end <= body.length) || end - begin !== sizeOf(shape) * 4) {
      throw new WeftError(
        `safetensors: '${name}' claims bytes ${begin} to ${end} of ${body.length} for shape ${JSON.stringify(shape)}: the file is cut short or damaged`,
      );
    }
    tensors.set(name, { shape, data: new make(new Uint8Array(body.subarray(begin, end)).buffer) });
  }
  return { tensors, metadata };
}
