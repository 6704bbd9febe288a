import fs from 'node:fs/promises';
import { join } from 'node:path';
import jpeg from 'jpeg-js';
import { PNG } from 'pngjs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Picture, prepare, readPicture, SIDE } from '../../src/experiments/image.ts';
import { temporaryFolder } from './weft.ts';

let folder: string;
beforeAll(async () => {
  folder = await temporaryFolder();
});
afterAll(() => fs.rm(folder, { recursive: true }));

type Pixel = readonly [red: number, green: number, blue: number, opacity: number];

function picture(width: number, height: number, pixel: (x: number, y: number) => Pixel): Picture {
  const data = new Uint8Array(width * height * 4);
  for (let i = 0; i < width * height; i++) data.set(pixel(i % width, Math.floor(i / width)), 4 * i);
  return { width, height, data };
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
  const striped = picture(32, 16, (x) => grey(x < 16 ? 240 : 20));

  it('is read as PNG, at any depth', async () => {
    const file = join(folder, 'a.png');
    const png = Object.assign(new PNG({ width: 32, height: 16 }), { data: Buffer.from(striped.data) });
    for (const colorType of [0, 2, 6] as const) {
      await fs.writeFile(file, PNG.sync.write(png, { colorType }));
      const { width, height, data } = await readPicture(file);
      expect([width, height]).toEqual([32, 16]);
      expect(Buffer.from(data).equals(Buffer.from(striped.data))).toBe(true);
    }
  });

  it('is read as JPEG', async () => {
    const file = join(folder, 'a.jpg');
    const { data } = jpeg.encode({ width: 32, height: 16, data: Buffer.from(striped.data) }, 95);
    await fs.writeFile(file, data);
    const read = await readPicture(file);
    expect([read.width, read.height]).toEqual([32, 16]);
    expect(Math.abs(read.data[0] - 240)).toBeLessThan(6);
    expect(Math.abs(read.data[4 * 31] - 20)).toBeLessThan(6);
  });

  it('is refused with its name where it is missing, damaged or something else', async () => {
    await expect(readPicture(join(folder, 'none.png'))).rejects.toThrow(/could not read .*none\.png/);
    const text = join(folder, 'text.png');
    await fs.writeFile(text, 'hello');
    await expect(readPicture(text)).rejects.toThrow('is neither a PNG nor a JPEG image');
    for (const [name, head] of [
      ['cut.png', [0x89, 0x50, 0x4e, 0x47, 1, 2, 3]],
      ['cut.jpg', [0xff, 0xd8, 0xff, 0xe0, 1]],
    ] as const) {
      await fs.writeFile(join(folder, name), Uint8Array.from(head));
      await expect(readPicture(join(folder, name))).rejects.toThrow(`${name} is damaged`);
    }
  });
});
