import sharp from 'sharp';
import { describe, expect, it } from 'vitest';
import { colorMap, encodePng, grayPicture, type Picture, pictureGrid } from '../../src/report/pictures.ts';

/** A PNG file as another library reads it. */
async function decode(file: Uint8Array) {
  const { data, info } = await sharp(file).raw().toBuffer({ resolveWithObject: true });
  const { format, channels, hasAlpha } = await sharp(file).metadata();
  return { width: info.width, height: info.height, format, channels, hasAlpha, rgb: [...data] };
}

describe('PNG files', () => {
  it('hold grey and coloured pixels as they are', async () => {
    const gray = Uint8Array.of(0, 7, 255, 128, 64, 1);
    expect(await decode(encodePng(grayPicture(gray, 3, 2)))).toEqual({
      ...{ width: 3, height: 2, format: 'png', channels: 1, hasAlpha: false },
      rgb: [...gray].flatMap((value) => [value, value, value]),
    });
    const pixels = Uint8Array.of(1, 2, 3, 200, 100, 0);
    expect(await decode(encodePng({ width: 1, height: 2, channels: 3, pixels }))).toEqual({
      ...{ width: 1, height: 2, format: 'png', channels: 3, hasAlpha: false },
      rgb: [...pixels],
    });
  });

  it('are refused where the size is another', () => {
    const wrong: Picture = { width: 2, height: 2, channels: 1, pixels: new Uint8Array(3) };
    expect(() => encodePng(wrong)).toThrow('encodePng: 2x2 pixels of 1 channels are 4 bytes, got 3');
    const none = grayPicture([], 0, 1);
    expect(() => encodePng(none)).toThrow('encodePng: expected a width and height of whole pixels, got 0x1');
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
