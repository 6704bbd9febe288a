import { describe, expect, it } from 'vitest';
import { featureMapPicture, filtersPicture } from '../../src/report/featureMapPicture.ts';
import { colorMap, type Picture } from '../../src/report/pictures.ts';

const GREY = [160, 160, 160];
const at = ({ width, pixels }: Picture, x: number, y: number) => [
  ...pixels.subarray(3 * (y * width + x), 3 * (y * width + x) + 3),
];
const color = (level: number) => [...colorMap([level], { range: [0, 255] })];

/** Two images of 1x2 with 18 channels: channel 0 is (0, 2), channel 1 (5, 5), the others (0, 0) and (0, 1) by turns. */
const maps = {
  layer: 'conv2d',
  shape: [2, 1, 2, 18],
  data: Float32Array.from({ length: 72 }, (_, i) => {
    const [channel, place] = [i % 18, Math.floor(i / 18) % 2];
    return [place * 2, 5][channel] ?? (channel % 2) * place;
  }),
  blank: [[], []],
};

describe('featureMapPicture', () => {
  // A tile of 1x2 is enlarged 20 times, to 20x40, with 4 pixels around it.
  const picture = featureMapPicture(maps, 1, { dead: [2] });

  it('puts 16 maps a row, with gaps', () => {
    expect([picture.width, picture.height]).toEqual([4 + 16 * 44, 4 + 2 * 24]);
    expect(picture.pixels.length).toBe(picture.width * picture.height * 3);
    expect(at(picture, 0, 0)).toEqual(GREY);
    // The third to sixteenth tiles of the second row are none.
    expect(at(picture, 4 + 2 * 44 + 5, 4 + 24 + 5)).toEqual(GREY);
  });

  it('shows a map by its values less their mean, over their deviation', () => {
    // Two values lie one deviation below and above their mean: 128 - 64 and 128 + 64.
    expect([at(picture, 4, 4), at(picture, 23, 23), at(picture, 24, 4)]).toEqual([
      color(64),
      color(64),
      color(192),
    ]);
    // Channel 17 is the second tile of the second row.
    expect(at(picture, 4 + 44 + 20, 4 + 24)).toEqual(color(192));
  });

  it('crosses out maps of one value, dead ones in red', () => {
    const centre = (tile: number) => at(picture, 4 + tile * 44 + 20, 4 + 10);
    const [blank, dead] = [centre(1), centre(2)];
    expect(blank[0]).toBe(blank[1]);
    expect(dead[0]).toBeGreaterThan(2 * dead[1]);
    expect(centre(4)).toEqual(blank);
  });

  it('shows units of a flat layer by their deviation from each other', () => {
    const units = { layer: 'dense', shape: [1, 4], data: Float32Array.of(0, 0, 2, 2), blank: [[0, 1]] };
    const flat = featureMapPicture(units, 0, { dead: [1], columns: 2 });
    expect([flat.width, flat.height]).toEqual([4 + 2 * 44, 4 + 2 * 44]);
    expect([at(flat, 5, 5), at(flat, 5, 49)]).toEqual([color(64), color(192)]);
    expect(at(flat, 4 + 44 + 20, 4 + 20)[0]).toBeGreaterThan(200);
    const same = featureMapPicture({ ...units, data: new Float32Array(4) }, 0);
    expect(at(same, 24, 24)).toEqual(at(picture, 4 + 44 + 20, 14));
  });

  it('refuses an image that it has no maps of', () => {
    expect(() => featureMapPicture(maps, 2)).toThrow("'conv2d' has maps of images 0 to 1, got 2");
  });
});

describe('filtersPicture', () => {
  const filters = (shape: number[], data: number[]) => ({
    layer: 'conv2d',
    ...{ shape, data: Float32Array.from(data), range: [-1, 1] as const },
  });

  it('shows all filters by one scale', () => {
    const picture = filtersPicture(filters([2, 1, 1, 1], [-1, 0]));
    expect([picture.width, picture.height]).toEqual([4 + 2 * 44, 48]);
    expect([at(picture, 4, 4), at(picture, 48, 4)]).toEqual([color(0), color(127.5)]);
  });

  it('shows three channels in colour, and others a tile each', () => {
    const colored = filtersPicture(filters([1, 1, 1, 3], [-1, 0.2, 1]));
    expect(at(colored, 4, 4)).toEqual([0, 153, 255]);
    const tiles = filtersPicture(filters([2, 1, 1, 2], [-1, 1, 1, -1]));
    expect([tiles.width, tiles.height]).toEqual([92, 92]);
    expect([at(tiles, 4, 4), at(tiles, 48, 4), at(tiles, 4, 48)]).toEqual([color(0), color(255), color(255)]);
  });

  it('draws filters that are all the same', () => {
    const zeros = { ...filters([1, 1, 1, 3], [0, 0, 0]), range: [0, 0] as const };
    expect(at(filtersPicture(zeros), 4, 4)).toEqual([0, 0, 0]);
  });
});
