import { describe, expect, test } from 'vitest';
import { parseIdx } from '../../src/data/idx.ts';
import { WeftError } from '../../src/errors.ts';

/** An idx file: header, dimensions as big-endian u32, elements. */
function idx(shape: number[], data: number[], type = 0x08): Uint8Array {
  const dimensions = shape.flatMap((size) => [
    size >>> 24,
    (size >>> 16) & 255,
    (size >>> 8) & 255,
    size & 255,
  ]);
  return Uint8Array.from([0, 0, type, shape.length, ...dimensions, ...data]);
}

describe('parseIdx', () => {
  test('reads labels and images', () => {
    expect(parseIdx(idx([3], [9, 0, 4]), 'labels')).toEqual({ shape: [3], data: Uint8Array.of(9, 0, 4) });
    const images = parseIdx(idx([2, 2, 3], [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]), 'images');
    expect(images.shape).toEqual([2, 2, 3]);
    expect(Array.from(images.data)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]);
  });

  test('reads a dimension that needs more than one byte', () => {
    const { shape, data } = parseIdx(idx([300], new Array(300).fill(7)), 'labels');
    expect(shape).toEqual([300]);
    expect(data.length).toBe(300);
  });

  test('reads an array without elements', () => {
    expect(parseIdx(idx([0, 28, 28], []), 'empty')).toEqual({ shape: [0, 28, 28], data: new Uint8Array() });
  });

  test('reads a view that begins in the middle of its buffer', () => {
    const file = idx([2], [5, 6]);
    const buffer = new Uint8Array(file.length + 7).fill(255);
    buffer.set(file, 7);
    expect(Array.from(parseIdx(buffer.subarray(7), 'view').data)).toEqual([5, 6]);
  });

  test('gives bytes whose slice is a copy, whatever it was given', () => {
    const { data } = parseIdx(Buffer.from(idx([2], [5, 6])), 'buffer');
    data.slice()[0] = 1;
    expect(data[0]).toBe(5);
  });

  test.each([
    ['nothing', new Uint8Array(), 'at least 4 bytes of header, got 0'],
    ['a wrong start', Uint8Array.of(0, 1, 8, 1, 0, 0, 0, 0), 'two zero bytes at the start, got 0x00 0x01'],
    ['a gzipped file', Uint8Array.of(0x1f, 0x8b, 8, 0), 'the file is still gzipped'],
    ['floats', idx([1], [0, 0, 0, 0], 0x0d), 'element type 0x08 (unsigned byte), got 0x0d'],
    ['no dimensions', idx([], []), 'at least one dimension, got 0'],
    ['a header cut short', idx([2, 2], []).subarray(0, 9), '12 bytes of header for 2 dimensions, got 9'],
    ['data cut short', idx([2, 2], [1, 2, 3]), '16 bytes for shape 2×2, got 15: the file is cut short'],
    ['data to spare', idx([2, 2], [1, 2, 3, 4, 5]), '16 bytes for shape 2×2, got 17: the file is too long'],
    ['sizes past any memory', idx([0xffffffff, 0xffffffff], [1]), 'the file is cut short'],
  ])('refuses %s and names the file', (_, bytes, message) => {
    const parse = () => parseIdx(bytes, 'some-file');
    expect(parse).toThrow(WeftError);
    expect(parse).toThrow('some-file is no valid idx file: expected ');
    expect(parse).toThrow(message);
  });
});
