import { PNG } from 'pngjs';
import { describe, expect, it } from 'vitest';
import { colorMap, encodePng, grayPicture, type Picture, pictureGrid } from '../../src/report/pictures.ts';

/** Red, green, blue of each pixel of a PNG file. */
function decode(file: Uint8Array) {
  const { width, height, data } = PNG.sync.read(Buffer.from(file));
  const opaque = data.every((byte, i) => i % 4 !== 3 || byte === 255);
  return { width, height, opaque, rgb: Array.from(data.filter((_, i) => i % 4 !== 3)) };
}

describe('PNG files', () => {
  it('hold grey and coloured pixels as they are', () => {
    const gray = grayPicture(Uint8Array.of(0, 7, 255, 128, 64, 1), 3, 2);
    expect(decode(encodePng(gray))).toEqual({
      ...{ width: 3, height: 2, opaque: true },
      rgb: [0, 7, 255, 128, 64, 1].flatMap((value) => [value, value, value]),
    });
    const pixels = Uint8Array.of(1, 2, 3, 200, 100, 0);
    expect(decode(encodePng({ width: 1, height: 2, channels: 3, pixels }))).toEqual({
      ...{ width: 1, height: 2, opaque: true },
      rgb: [...pixels],
    });
  });

  it('are refused where the size is another', () => {
    const wrong: Picture = { width: 2, height: 2, channels: 1, pixels: new Uint8Array(3) };
    expect(() => encodePng(wrong)).toThrow('encodePng: 2x2 pixels of 1 channels are 4 bytes, got 3');
  });
});

describe('pictures', () => {
  it('are enlarged pixel by pixel', () => {
    const { width, height, pixels } = grayPicture([5, 9], 2, 1, { scale: 2 });
    expect([width, height, [...pixels]]).toEqual([4, 2, [5, 5, 9, 9, 5, 5, 9, 9]]);
  });

  it('have the colours of viridis from the smallest value to the largest, and black for NaN', () => {
    const ends = [0x44, 0x01, 0x54, 0xfd, 0xe7, 0x25];
    expect([...colorMap([-1, 3])]).toEqual(ends);
    expect([...colorMap([-5, 9], { range: [0, 1] })]).toEqual(ends);
    expect([...colorMap([Number.NaN, 1])].slice(0, 3)).toEqual([0, 0, 0]);
    expect([...colorMap([2, 2])].slice(0, 3)).toEqual([...colorMap([0.5], { range: [0, 1] })]);
  });

  it('stand in a grid with gaps between them', () => {
    const [a, b, c] = [1, 2, 3].map((value) => grayPicture([value], 1, 1));
    const { width, height, pixels } = pictureGrid([a, b, c], { columns: 2, gapGray: 9 });
    expect([width, height, [...pixels]]).toEqual([3, 3, [1, 9, 2, 9, 9, 9, 3, 9, 9]]);
    expect(pictureGrid([a, b], { columns: 5, gap: 0 }).width).toBe(2);
  });

  it('in a grid are of one size and kind, and there is at least one', () => {
    const options = { columns: 2 };
    expect(() => pictureGrid([], options)).toThrow('pictureGrid: there is no picture');
    expect(() => pictureGrid([grayPicture([1], 1, 1), grayPicture([1, 2], 2, 1)], options)).toThrow(
      'pictureGrid: picture 1 is 2x1x1, the first 1x1x1',
    );
  });
});
