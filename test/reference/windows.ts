/**
 * Windows over an image, for pools.
 *
 * Letters: x [N,H,W,C], windows I × J moved by S and T, P and Q rows and columns of padding before the image, out [N,Y,X,C].
 * The windows that exist are counted one by one: each begins S (T) after the one before it, and ends inside the padded image; with
 * ceil mode one more may end outside, if the one before it left pixels and it begins before the end of the image. 'same' is ceil(H / S) × ceil(W / T) windows.
 */

import type { Array64 } from './array64.ts';

type Pair = readonly [number, number];

export interface WindowAttrs {
  poolSize: number | Pair;
  strides: number | Pair;
  /** Default 'valid'. */
  padding?: 'same' | 'valid' | number | Pair | readonly [Pair, Pair];
  ceilMode?: boolean;
}

export const pair = <T>(value: T | readonly [T, T]): readonly [T, T] =>
  Array.isArray(value) ? (value as unknown as readonly [T, T]) : [value as T, value as T];

/** Where the windows begin along an axis, and where the padded image ends. */
function along(axis: 0 | 1, length: number, { poolSize, strides, padding = 'valid', ceilMode }: WindowAttrs) {
  const [size, stride] = [pair(poolSize)[axis], pair(strides)[axis]];
  const starts: number[] = [];
  if (padding === 'same') {
    const count = Math.ceil(length / stride);
    const total = Math.max((count - 1) * stride + size - length, 0);
    for (let k = 0; k < count; k++) starts.push(k * stride - Math.floor(total / 2));
    return { size, starts, end: length + Math.ceil(total / 2) };
  }
  const [before, after] = padding === 'valid' ? [0, 0] : pair(pair<number | Pair>(padding)[axis]);
  const end = length + after;
  for (let start = -before; start < length; start += stride) {
    if (start + size <= end) starts.push(start);
    else if (ceilMode && start - stride + size < end) starts.push(start);
  }
  return { size, starts, end };
}

export interface Window {
  /** Places in x of the window's pixels that are inside the image, in row-major order. */
  readonly pixels: number[];
  /** How many of its pixels are inside the padded image. */
  readonly padded: number;
}

/** The output's shape, and for every output its window. */
export function windowsOf(
  op: string,
  x: Array64,
  attrs: WindowAttrs,
): { shape: number[]; windows: Window[] } {
  const [N, H, W, C] = x.shape;
  const [rows, columns] = [along(0, H, attrs), along(1, W, attrs)];
  const [Y, X] = [rows.starts.length, columns.starts.length];
  if (Y < 1 || X < 1) throw new Error(`${op}: window ${attrs.poolSize} is larger than the image ${H} × ${W}`);
  const windows: Window[] = [];
  for (let n = 0; n < N; n++) {
    for (const top of rows.starts) {
      for (const left of columns.starts) {
        const corner: number[] = [];
        for (let h = Math.max(top, 0); h < Math.min(top + rows.size, H); h++)
          for (let v = Math.max(left, 0); v < Math.min(left + columns.size, W); v++)
            corner.push(((n * H + h) * W + v) * C);
        const padded =
          (Math.min(top + rows.size, rows.end) - top) * (Math.min(left + columns.size, columns.end) - left);
        for (let c = 0; c < C; c++) windows.push({ pixels: corner.map((at) => at + c), padded });
      }
    }
  }
  return { shape: [N, Y, X, C], windows };
}

/** The most windows that hold one pixel. */
export function overlapOf({ poolSize, strides }: WindowAttrs): number {
  return [0, 1].reduce((product, axis) => product * Math.ceil(pair(poolSize)[axis] / pair(strides)[axis]), 1);
}
