/**
 * Images seen through a map of the plane: images [N,H,W,C], for each a 3 x 3 matrix over (row, column, 1) from a pixel of the result
 * (or its mirror image) to the place in the image that it shows.
 *
 * Fill modes with linear interpolation are those of scipy.ndimage.affine_transform (order 1): 'constant' gives `fill` wherever a
 * coordinate leaves 0 ... n-1; 'reflect' is d c b a | a b c d | d c b a; 'wrap' has period n-1. 'blend' is torchvision's bilinear
 * grid sample: zeros outside, then the share m of the weights that lie inside blends with the fill, as m * sum + (1 - m) * fill.
 */

import { type Array64, zeros } from './array64.ts';

export type FillMode = 'constant' | 'nearest' | 'reflect' | 'wrap' | 'blend';

export interface Warp {
  /** Row-major, 9 numbers. */
  matrix: readonly number[];
  flipColumns: boolean;
  flipRows: boolean;
}

export interface WarpOptions {
  interpolation: 'linear' | 'nearest';
  fillMode: FillMode;
  fill: number;
}

/** Where a pixel of the result lies in the image: [row, column]. */
export function placeOf(
  { matrix: m, flipColumns, flipRows }: Warp,
  [H, W]: readonly number[],
  h: number,
  w: number,
): [number, number] {
  const r = flipRows ? H - 1 - h : h;
  const c = flipColumns ? W - 1 - w : w;
  const s = m[6] * r + m[7] * c + m[8];
  return [(m[0] * r + m[1] * c + m[2]) / s, (m[3] * r + m[4] * c + m[5]) / s];
}

/** The pixels that a coordinate lies between, with their weights; an index of undefined is outside. */
function taps(at: number, n: number, fillMode: FillMode): [index: number | undefined, weight: number][] {
  let i = at;
  if (fillMode === 'nearest') i = Math.min(Math.max(i, 0), n - 1);
  if (fillMode === 'wrap' && n === 1) i = 0;
  else if (fillMode === 'wrap' && i < 0) i += (n - 1) * (Math.floor(-i / (n - 1)) + 1);
  else if (fillMode === 'wrap' && i > n - 1) i -= (n - 1) * Math.floor(i / (n - 1));
  const first = Math.floor(i);
  const index = (k: number): number | undefined => {
    if (k >= 0 && k < n) return k;
    if (fillMode === 'blend') return undefined;
    if (fillMode !== 'reflect') return Math.min(Math.max(k, 0), n - 1);
    const folded = ((k % (2 * n)) + 2 * n) % (2 * n);
    return folded < n ? folded : 2 * n - 1 - folded;
  };
  return [
    [index(first), 1 - (i - first)],
    [index(first + 1), i - first],
  ];
}

/** To the nearest whole number, of two equally near ones to the even. */
function roundHalfToEven(x: number): number {
  const below = Math.floor(x);
  if (x - below !== 0.5) return Math.round(x);
  return below % 2 === 0 ? below : below + 1;
}

export function warpImages(
  x: Array64,
  warps: readonly Warp[],
  { interpolation, fillMode, fill }: WarpOptions,
): Array64 {
  const [N, H, W, C] = x.shape;
  const y = zeros(x.shape);
  const pixel = (n: number, i: number, j: number, c: number) => x.data[((n * H + i) * W + j) * C + c];
  const value = (n: number, [row, column]: readonly [number, number], c: number): number => {
    if (interpolation === 'nearest') {
      const [i, j] = [roundHalfToEven(row), roundHalfToEven(column)];
      return i >= 0 && i < H && j >= 0 && j < W ? pixel(n, i, j, c) : fill;
    }
    const inside = row >= 0 && row <= H - 1 && column >= 0 && column <= W - 1;
    if (fillMode === 'constant' && !inside) return fill;
    let sum = 0;
    let share = 0;
    for (const [i, rowWeight] of taps(row, H, fillMode)) {
      for (const [j, columnWeight] of taps(column, W, fillMode)) {
        if (i === undefined || j === undefined) continue;
        sum += rowWeight * columnWeight * pixel(n, i, j, c);
        share += rowWeight * columnWeight;
      }
    }
    return fillMode === 'blend' ? share * sum + (1 - share) * fill : sum;
  };
  for (let n = 0; n < N; n++)
    for (let h = 0; h < H; h++)
      for (let w = 0; w < W; w++)
        for (let c = 0; c < C; c++)
          y.data[((n * H + h) * W + w) * C + c] = value(n, placeOf(warps[n], [H, W], h, w), c);
  return y;
}
