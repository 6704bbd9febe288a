/**
 * Random parameters of augmentations. `words(t)` gives an image's block t of four u32 words, from Philox at the counter
 * (image, draw, stream, purpose * 2^24 + t).
 */

import { shiftOf } from './augment.ts';
import { philox4x32, type Words4 } from './philox.ts';
import type { Box } from './pixels.ts';
import type { Warp } from './warpImages.ts';

export type Words = (t: number) => Words4;

/** `draw`: draw, stream, and the two words of the key. */
export const wordsOf =
  (draw: ArrayLike<number>, purpose: number, image: number): Words =>
  (t) =>
    philox4x32([image, draw[0], draw[1], purpose * 2 ** 24 + t], [draw[2], draw[3]]);

const unit = (word: number): number => (word >>> 8) / 2 ** 24;
export const between = (low: number, high: number, word: number): number => low + (high - low) * unit(word);
const happens = (p: number, word: number): boolean => unit(word) >= Math.fround(1 - Math.fround(p));

type Matrix = number[][];
const product = (a: Matrix, b: Matrix): Matrix =>
  a.map((row) => b[0].map((_, j) => row.reduce((sum, value, k) => sum + value * b[k][j], 0)));

export interface AffineParameters {
  /** Degrees. */
  theta: number;
  shear: number;
  zoom: readonly [number, number];
  shift: readonly [number, number];
}

/** keras-preprocessing's matrix: rotation, shift, shear and zoom, multiplied in this order, about a centre (row, column). */
export function affineMatrix(
  { theta, shear, zoom, shift }: AffineParameters,
  centre: readonly [number, number],
): number[] {
  const [t, s] = [theta, shear].map((degrees) => (degrees * Math.PI) / 180);
  const steps: Matrix[] = [
    [
      [1, 0, centre[0]],
      [0, 1, centre[1]],
      [0, 0, 1],
    ],
    [
      [Math.cos(t), -Math.sin(t), 0],
      [Math.sin(t), Math.cos(t), 0],
      [0, 0, 1],
    ],
    [
      [1, 0, shift[0]],
      [0, 1, shift[1]],
      [0, 0, 1],
    ],
    [
      [1, -Math.sin(s), 0],
      [0, Math.cos(s), 0],
      [0, 0, 1],
    ],
    [
      [zoom[0], 0, 0],
      [0, zoom[1], 0],
      [0, 0, 1],
    ],
    [
      [1, 0, -centre[0]],
      [0, 1, -centre[1]],
      [0, 0, 1],
    ],
  ];
  return steps.reduce(product).flat();
}

export interface AffineRanges {
  centre: readonly [number, number];
  rotation: readonly [number, number];
  shear: number;
  zoom: readonly [number, number];
  rows: { pixels: number } | { whole: number };
  columns: { pixels: number } | { whole: number };
  flipColumns: number;
  flipRows: number;
}

export function drawAffine(words: Words, ranges: AffineRanges): Warp {
  const [first, second] = [words(0), words(1)];
  const shift = (range: AffineRanges['rows'], word: number) =>
    'whole' in range ? -shiftOf(word, range.whole) : between(-range.pixels, range.pixels, word);
  const parameters = {
    theta: between(...ranges.rotation, second[0]),
    shear: between(-ranges.shear, ranges.shear, second[1]),
    zoom: [between(...ranges.zoom, second[2]), between(...ranges.zoom, second[3])] as const,
    shift: [shift(ranges.rows, first[0]), shift(ranges.columns, first[1])] as const,
  };
  return {
    matrix: affineMatrix(parameters, ranges.centre),
    flipColumns: happens(ranges.flipColumns, first[2]),
    flipRows: happens(ranges.flipRows, first[3]),
  };
}

/** Solves a x = b by elimination with row pivots. */
function solve(a: Matrix, b: readonly number[]): number[] {
  const rows = a.map((row, i) => [...row, b[i]]);
  for (let k = 0; k < rows.length; k++) {
    const best = rows.findIndex(
      (row, i) => i >= k && rows.every((other, j) => j < k || Math.abs(other[k]) <= Math.abs(row[k])),
    );
    [rows[k], rows[best]] = [rows[best], rows[k]];
    for (let i = 0; i < rows.length; i++) {
      if (i === k) continue;
      const factor = rows[i][k] / rows[k][k];
      rows[i] = rows[i].map((value, j) => value - factor * rows[k][j]);
    }
  }
  return rows.map((row, i) => row[row.length - 1] / row[i]);
}

/** Corners as (x, y), from the top left, clockwise. */
export type Corners = readonly (readonly [number, number])[];

/**
 * torchvision's perspective: the map from the end points (of the result) to the start points (the image's corners) by its eight
 * linear equations; applied at pixel centres (x + 0.5, y + 0.5), then half a pixel back. As a matrix over (row, column, 1).
 */
export function perspectiveMatrix(height: number, width: number, end: Corners): number[] {
  const start: Corners = [
    [0, 0],
    [width - 1, 0],
    [width - 1, height - 1],
    [0, height - 1],
  ];
  const equations = end.flatMap(([x, y], i) => {
    const [u, v] = start[i];
    return [
      [x, y, 1, 0, 0, 0, -u * x, -u * y],
      [0, 0, 0, x, y, 1, -v * x, -v * y],
    ];
  });
  const [a, b, c, d, e, f, g, h] = solve(equations, start.flat());
  const toCentre = [
    [1, 0, 0.5],
    [0, 1, 0.5],
    [0, 0, 1],
  ];
  const back = [
    [1, 0, -0.5],
    [0, 1, -0.5],
    [0, 0, 1],
  ];
  return product(
    product(back, [
      [e, d, f],
      [b, a, c],
      [h, g, 1],
    ]),
    toCentre,
  ).flat();
}

const IDENTITY = [1, 0, 0, 0, 1, 0, 0, 0, 1];

/** The corners' new places, unless the image stays: by chance, or because three of them lie on a line. */
export function drawCorners(
  words: Words,
  height: number,
  width: number,
  scale: number,
  p: number,
): Corners | undefined {
  const inward = (size: number) => Math.floor(scale * Math.floor(size / 2)) + 1;
  const [columns, rows] = [inward(width), inward(height)];
  const [top, bottom] = [words(1), words(2)];
  const corners = [
    [top[0] % columns, top[1] % rows],
    [width - 1 - (top[2] % columns), top[3] % rows],
    [width - 1 - (bottom[0] % columns), height - 1 - (bottom[1] % rows)],
    [bottom[2] % columns, height - 1 - (bottom[3] % rows)],
  ] as const;
  const onALine = corners.some((_, left) => {
    const [[x0, y0], [x1, y1], [x2, y2]] = corners.filter((_, i) => i !== left);
    return (x1 - x0) * (y2 - y0) === (x2 - x0) * (y1 - y0);
  });
  return happens(p, words(0)[0]) && !onALine ? corners : undefined;
}

export function drawPerspective(words: Words, height: number, width: number, scale: number, p: number): Warp {
  const corners = drawCorners(words, height, width, scale, p);
  const found = corners && perspectiveMatrix(height, width, corners);
  // Round-off of the equations has no bound where the last number of the matrix, taken to be 1, is 0.
  const matrix = found?.every((number) => Math.abs(number) < 1e9) ? found : IDENTITY;
  return { matrix, flipColumns: false, flipRows: false };
}

export interface BoxOptions {
  height: number;
  width: number;
  rule: 'eraser' | 'torchvision';
  p: number;
  share: readonly [number, number];
  ratio: readonly [number, number];
  value: readonly [number, number];
}

/** The box, and whether some extent lay so near to where rounding changes it that f32 may round it otherwise. */
export function drawBox(words: Words, options: BoxOptions): Box & { doubtful: boolean } {
  const { height: H, width: W, rule, p, share, ratio, value } = options;
  const first = words(0);
  const filling = between(...value, first[1]);
  let doubtful = false;
  const isDoubtful = (extent: number) => {
    const edge = rule === 'eraser' ? extent : extent + 0.5;
    return Math.abs(edge - Math.round(edge)) < 1e-4;
  };
  const tries = rule === 'eraser' ? 64 : 10;
  for (let t = 1; t <= tries && happens(p, first[0]); t++) {
    const drawn = words(t);
    const area = between(...share, drawn[0]) * H * W;
    const [low, high] = ratio;
    const r =
      rule === 'eraser'
        ? between(low, high, drawn[1])
        : Math.exp(between(Math.log(low), Math.log(high), drawn[1]));
    const extents = [Math.sqrt(area * r), Math.sqrt(area / r)];
    doubtful ||= extents.some(isDoubtful);
    if (rule === 'eraser') {
      const [h, w] = extents.map(Math.floor);
      const [left, top] = [drawn[2] % W, drawn[3] % H];
      if (left + w <= W && top + h <= H) return { top, left, height: h, width: w, value: filling, doubtful };
    } else {
      const [h, w] = extents.map(Math.round);
      if (!(h < H && w < W)) continue;
      const [top, left] = [drawn[2] % (H - h + 1), drawn[3] % (W - w + 1)];
      return { top, left, height: h, width: w, value: filling, doubtful };
    }
  }
  return { top: 0, left: 0, height: 0, width: 0, value: filling, doubtful };
}
