import { WeftError } from '../errors.ts';

/** An array of bytes as an idx file holds it, row-major: `shape` is `[N]` for labels, `[N, H, W]` for images. */
export interface IdxArray {
  shape: number[];
  data: Uint8Array;
}

const UNSIGNED_BYTE = 0x08;

/**
 * Reads an idx file of unsigned bytes, the format of MNIST and Fashion-MNIST (http://yann.lecun.com/exdb/mnist/):
 * two zero bytes, the element type, the number of dimensions, each dimension as a big-endian u32, then the elements.
 *
 * @param bytes the file, uncompressed; the result's `data` is a view on it.
 * @param name what error messages call the file.
 * @throws WeftError where the file is no such file, is cut short or has bytes to spare.
 */
export function parseIdx(bytes: Uint8Array, name: string): IdxArray {
  const fail = (expected: string, got: string): never => {
    throw new WeftError(`${name} is no valid idx file: expected ${expected}, got ${got}`);
  };
  if (bytes.length < 4) fail('at least 4 bytes of header', `${bytes.length}`);
  const [zero0, zero1, type, rank] = bytes;
  if (zero0 !== 0 || zero1 !== 0)
    fail('two zero bytes at the start', `${hex(zero0)} ${hex(zero1)}${gzipHint(bytes)}`);
  if (type !== UNSIGNED_BYTE) fail(`element type ${hex(UNSIGNED_BYTE)} (unsigned byte)`, hex(type));
  if (rank === 0) fail('at least one dimension', '0');

  const headerBytes = 4 + 4 * rank;
  if (bytes.length < headerBytes)
    fail(`${headerBytes} bytes of header for ${rank} dimensions`, `${bytes.length}`);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const shape = Array.from({ length: rank }, (_, i) => view.getUint32(4 + 4 * i));
  const expectedBytes = headerBytes + shape.reduce((product, size) => product * size, 1);
  if (bytes.length !== expectedBytes) {
    const fault = bytes.length < expectedBytes ? 'the file is cut short' : 'the file is too long';
    fail(`${expectedBytes} bytes for shape ${shape.join('×')}`, `${bytes.length}: ${fault}`);
  }
  // A plain Uint8Array even where `bytes` is a Buffer, whose `slice` doesn't copy.
  return {
    shape,
    data: new Uint8Array(bytes.buffer, bytes.byteOffset + headerBytes, bytes.length - headerBytes),
  };
}

function hex(byte: number): string {
  return `0x${byte.toString(16).padStart(2, '0')}`;
}

function gzipHint(bytes: Uint8Array): string {
  return bytes[0] === 0x1f && bytes[1] === 0x8b ? ' (the file is still gzipped)' : '';
}
