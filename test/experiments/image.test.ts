import fs from 'node:fs/promises';
import { join } from 'node:path';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { prepare, readPicture, SIDE } from '../../src/experiments/image.ts';
import type { DecodedPicture } from '../../src/node/pictures.ts';
import { temporaryFolder } from './weft.ts';

let folder: string;
beforeAll(async () => {
  folder = await temporaryFolder();
});
afterAll(() => fs.rm(folder, { recursive: true }));

type Pixel = readonly [red: number, green: number, blue: number, opacity: number];

function picture(width: number, height: number, pixel: (x: number, y: number) => Pixel): DecodedPicture {
  const data = new Uint8Array(width * height * 4);
  for (let i = 0; i < width * height; i++) data.set(pixel(i % width, Math.floor(i / width)), 4 * i);
  return { width, height, channels: 4, data };
}

const grey = (value: number): Pixel => [value, value, value, 255];
const at = (pixels: Uint8Array, x: number, y: number) => pixels[y * SIDE + x];

describe('a picture', () => {
  it('of the right kind and size stays as it is', () => {
    const isInside = (x: number, y: number) => x > 0 && x < 27 && y > 0 && y < 27;
    const { pixels, steps } = prepare(picture(28, 28, (x, y) => grey(isInside(x, y) ? 7 * x : 0)));
    expect(steps).toEqual([]);
    expect(at(pixels, 20, 5)).toBe(140);
    expect(at(pixels, 0, 5)).toBe(0);
  });

  it('with a bright border is inverted, and this is said', () => {
    const { pixels, steps } = prepare(picture(28, 28, (x) => grey(x === 14 ? 55 : 255)));
    expect(steps).toEqual(['inverted, since its border is bright']);
    expect(at(pixels, 14, 9)).toBe(200);
    expect(at(pixels, 3, 9)).toBe(0);
  });

  it('in colour becomes its luma', () => {
    const { pixels, steps } = prepare(
      picture(28, 28, (x, y) => (x === 9 && y === 9 ? [255, 0, 0, 255] : [0, 0, 0, 255])),
    );
    expect(steps).toEqual(['made grey']);
    expect(at(pixels, 9, 9)).toBe(Math.round(0.299 * 255));
  });

  it('is white where it is transparent', () => {
    const { pixels } = prepare(picture(28, 28, (x) => (x === 14 ? grey(0) : [0, 0, 0, 0])));
    expect(at(pixels, 14, 9)).toBe(255);
    expect(at(pixels, 3, 9)).toBe(0);
  });

  it('is scaled down to the means of its parts, and centred where it is narrow', () => {
    const { pixels, steps } = prepare(
      picture(28, 56, (x, y) => grey(x > 3 && x < 24 && y > 3 && y < 52 ? (y % 2 ? 200 : 100) : 0)),
    );
    expect(steps).toEqual(['resized from 28x56 to 28x28']);
    expect(at(pixels, 14, 14)).toBe(150);
    // 14 pixels wide, with 7 of nothing on either side.
    expect([6, 9, 18, 21].map((x) => at(pixels, x, 14))).toEqual([0, 150, 150, 0]);
  });

  it('keeps its brightness under any scale', () => {
    for (const [width, height] of [
      [5, 5],
      [100, 100],
      [61, 83],
    ]) {
      const { pixels } = prepare(picture(width, height, () => grey(120)));
      expect(at(pixels, 14, 14)).toBe(120);
    }
  });
});

describe('an image file', () => {
  it('gives its pixels, and the same image whatever kind of file it is', async () => {
    const striped = picture(56, 28, (x) => grey(x < 28 ? 20 : 80));
    const { width, height, channels } = striped;
    const drawn = sharp(striped.data, { raw: { width, height, channels } });
    const files = {
      'a.png': drawn.clone().png(),
      'grey.png': drawn.clone().removeAlpha().toColourspace('b-w').png(),
      'a.jpg': drawn.clone().removeAlpha().jpeg({ quality: 100 }),
      'a.webp': drawn.clone().webp({ lossless: true }),
    };
    for (const [name, file] of Object.entries(files)) {
      await file.toFile(join(folder, name));
      expect(prepare(await readPicture(join(folder, name))), name).toEqual(prepare(striped));
    }
  });

  it('is refused with its name where it is missing, a folder, or no picture', async () => {
    await expect(readPicture(join(folder, 'none.png'))).rejects.toThrow(/could not read .*none\.png/);
    await expect(readPicture(folder)).rejects.toThrow(/could not read .*: EISDIR/);
    const text = join(folder, 'text.png');
    await fs.writeFile(text, 'hello');
    await expect(readPicture(text)).rejects.toThrow('text.png is no picture: PNG, JPEG and WebP are read');
  });
});
