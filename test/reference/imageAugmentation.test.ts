import { describe, expect, test } from 'vitest';
import { make } from './array64.ts';
import { affineMatrix, perspectiveMatrix } from './imageDraws.ts';
import { adjustBrightness, eraseImages } from './pixels.ts';
import { placeOf, type Warp, warpImages } from './warpImages.ts';

const image = (rows: number[][]) => make([1, rows.length, rows[0].length, 1], Float64Array.from(rows.flat()));
const rounded = (values: Iterable<number>) => [...values].map((value) => Math.round(value * 1e6) / 1e6);
const through = (matrix: readonly number[], flips: Partial<Warp> = {}): Warp => ({
  matrix,
  flipColumns: false,
  flipRows: false,
  ...flips,
});
const still = { theta: 0, shear: 0, zoom: [1, 1], shift: [0, 0] } as const;

/** By fill mode. */
const SCIPY = {
  constant: [7.0, 7.0, 10.0421913, 7.0, 7.0, 44.3728281, 7.0, 7.0, 7.0, 7.0, 7.0, 7.0],
  nearest: [
    31.0929205, 20.2929205, 10.0421913, 74.3363188, 56.3363188, 44.3728281, 81.0, 83.6007635, 96.7643497,
    81.0, 90.7489845, 104.3244202,
  ],
  reflect: [
    34.7656117, 20.2929205, 10.0421913, 74.3363188, 56.3363188, 44.3728281, 81.0, 83.6007635, 96.7643497,
    39.6341117, 65.7845441, 98.0957509,
  ],
  wrap: [
    39.3297671, 34.2271618, 10.0421913, 93.812189, 85.520267, 44.3728281, 17.9754017, 4.9059069, 2.0259594,
    58.2417794, 28.2098163, 21.9356369,
  ],
};

describe('warp', () => {
  const x = image([
    [1, 2, 4],
    [8, 16, 32],
  ]);
  const shifted = (row: number, column: number, fillMode: 'constant' | 'nearest' | 'reflect' | 'wrap') =>
    rounded(
      warpImages(x, [through([1, 0, row, 0, 1, column, 0, 0, 1])], {
        interpolation: 'linear',
        fillMode,
        fill: 9,
      }).data,
    );

  test('a shift of half a pixel is the mean of two, outside as the mode says', () => {
    expect(shifted(0, 0.5, 'constant')).toEqual([1.5, 3, 9, 12, 24, 9]);
    expect(shifted(0, 0.5, 'nearest')).toEqual([1.5, 3, 4, 12, 24, 32]);
    expect(shifted(0, 1.5, 'reflect')).toEqual([3, 4, 3, 24, 32, 24]);
    expect(shifted(0, 1.5, 'wrap')).toEqual([3, 1.5, 3, 24, 12, 24]);
    expect(shifted(0, -1, 'reflect')).toEqual([1, 1, 2, 8, 8, 16]);
    expect(shifted(-1, 0, 'wrap')).toEqual([8, 16, 32, 1, 2, 4]);
    expect(shifted(5, 0, 'nearest')).toEqual([8, 16, 32, 8, 16, 32]);
    expect(shifted(0.25, 0, 'constant')).toEqual([2.75, 5.5, 11, 9, 9, 9]);
  });

  test('flips act on the result', () => {
    const options = { interpolation: 'linear', fillMode: 'nearest', fill: 0 } as const;
    const matrix = [1, 0, 0, 0, 1, 1, 0, 0, 1];
    expect([...warpImages(x, [through(matrix, { flipColumns: true })], options).data]).toEqual([
      4, 4, 2, 32, 32, 16,
    ]);
    expect([...warpImages(x, [through(matrix, { flipRows: true })], options).data]).toEqual([
      16, 32, 32, 2, 4, 4,
    ]);
  });

  test("'blend' weighs with the share inside twice", () => {
    const options = { interpolation: 'linear', fillMode: 'blend', fill: 8 } as const;
    const y = warpImages(x, [through([1, 0, 0, 0, 1, 0.5, 0, 0, 1])], options);
    expect([...y.data]).toEqual([1.5, 3, 0.5 * 2 + 4, 12, 24, 0.5 * 16 + 4]);
  });

  test('a turn by 90 degrees about the centre of the pixels moves them as it should', () => {
    const square = image([
      [1, 2],
      [3, 4],
    ]);
    const options = { interpolation: 'nearest', fillMode: 'constant', fill: 0 } as const;
    const turned = (theta: number) => [
      ...warpImages(square, [through(affineMatrix({ ...still, theta }, [0.5, 0.5]))], options).data,
    ];
    expect(turned(90)).toEqual([3, 1, 4, 2]);
    expect(turned(-90)).toEqual([2, 4, 1, 3]);
  });

  test("agrees with SciPy 1.17's affine_transform under keras-preprocessing's matrix", () => {
    // ndimage.affine_transform(x, matrix[:2,:2], matrix[:2,2], order=1, mode=...) of the 4 x 3 image 0, 1, 4 ... 121.
    const squares = image([0, 1, 2, 3].map((h) => [0, 1, 2].map((w) => (3 * h + w) ** 2)));
    const matrix = affineMatrix({ theta: 20, shear: 10, zoom: [1.1, 0.8], shift: [0.7, -1.3] }, [2.5, 2]);
    for (const [fillMode, expected] of Object.entries(SCIPY)) {
      const options = { interpolation: 'linear', fillMode: fillMode as 'wrap', fill: 7 } as const;
      const y = warpImages(squares, [through(matrix)], options);
      expect(y.data.length, fillMode).toBe(expected.length);
      for (const [at, value] of y.data.entries())
        expect(value, `${fillMode} ${at}`).toBeCloseTo(expected[at], 6);
    }
  });
});

describe('matrices', () => {
  test('a zoom above 1 shrinks the content about the centre', () => {
    const warp = through(affineMatrix({ ...still, zoom: [2, 1] }, [3, 3]));
    expect(placeOf(warp, [6, 6], 4, 1)).toEqual([5, 1]);
  });

  test('a perspective takes the end points to the corners, half a pixel off', () => {
    const end = [
      [1, 0],
      [5, 2],
      [6, 7],
      [0, 8],
    ] as const;
    const warp = through(perspectiveMatrix(9, 7, end));
    const corners = [
      [0, 0],
      [6, 0],
      [6, 8],
      [0, 8],
    ];
    end.forEach(([x, y], i) => {
      // torchvision samples at the map of (x + 0.5, y + 0.5), less half a pixel.
      const [row, column] = placeOf(warp, [9, 7], y - 0.5, x - 0.5);
      expect(row).toBeCloseTo(corners[i][1] - 0.5, 9);
      expect(column).toBeCloseTo(corners[i][0] - 0.5, 9);
    });
    const unmoved = perspectiveMatrix(9, 7, [
      [0, 0],
      [6, 0],
      [6, 8],
      [0, 8],
    ]);
    expect(rounded(unmoved).map(Math.abs)).toEqual([1, 0, 0, 0, 1, 0, 0, 0, 1]);
  });
});

describe('pixels', () => {
  test('brightness stretches to 255, cuts to bytes, multiplies and cuts again', () => {
    expect([...adjustBrightness(image([[0, 50, 100]]), [0.5]).data]).toEqual([0, 63, 127]);
    expect([...adjustBrightness(image([[0, 50, 100]]), [1.5]).data]).toEqual([0, 190, 255]);
    expect([...adjustBrightness(image([[0, 0, 0]]), [1.5]).data]).toEqual([0, 0, 0]);
    expect([...adjustBrightness(image([[-10, 0, 10]]), [1]).data]).toEqual([0, 127, 255]);
    // An image that is stretched already keeps its grey levels.
    const levels = Array.from({ length: 256 }, (_, i) => i);
    expect([...adjustBrightness(image([levels]), [1]).data]).toEqual(levels);
  });

  test('a box is filled, nothing else', () => {
    const x = image([
      [1, 2, 3],
      [4, 5, 6],
    ]);
    const box = { top: 1, left: 0, height: 1, width: 2, value: 9 };
    expect([...eraseImages(x, [box]).data]).toEqual([1, 2, 3, 9, 9, 6]);
    expect([...eraseImages(x, [box], (_, element) => 10 * element).data]).toEqual([1, 2, 3, 30, 40, 6]);
    expect([...eraseImages(x, [{ ...box, height: 0, width: 0 }]).data]).toEqual([...x.data]);
  });
});
