/**
 * Bilinear resampling, without antialiasing.
 *
 * Letters: x [N,H,W,C], out [N,Y,X,C]. Output row y lies at s = (y + 1/2) H / Y - 1/2 or, with aligned corners, at y (H-1) / (Y-1) (of one
 * row: at 0), moved inside 0 … H-1; between rows floor(s) and floor(s) + 1 it takes them by 1 - (s - floor(s)) and s - floor(s).
 * Columns likewise.
 *   out[n,y,x,c]  = sum over the four neighbours of weight * in
 *   d in[n,h,v,c] = sum of weight * g[n,y,x,c] over the outputs that have (h, v) as a neighbour
 */

import { type Array64, zeros } from './array64.ts';
import type { Reference } from './reference.ts';

export interface ResizeBilinearAttrs {
  size: readonly [number, number];
  alignCorners: boolean;
}

/** The two neighbours of an output along an axis, with their weights. */
function neighbours(at: number, inputs: number, outputs: number, alignCorners: boolean): [number, number][] {
  const aligned = outputs === 1 ? 0 : (at * (inputs - 1)) / (outputs - 1);
  const place = alignCorners ? aligned : ((at + 0.5) * inputs) / outputs - 0.5;
  const inside = Math.min(Math.max(place, 0), inputs - 1);
  const low = Math.floor(inside);
  return [
    [low, 1 - (inside - low)],
    // Before the first pixel's centre there is none but that one.
    [place > 0 ? Math.min(low + 1, inputs - 1) : low, inside - low],
  ];
}

/** Calls `body` with the places of each output and of its neighbours, and their weights. */
function forEachNeighbour(
  [N, H, W, C]: readonly number[],
  { size: [Y, X], alignCorners }: ResizeBilinearAttrs,
  body: (out: number, at: number, weight: number) => void,
): void {
  for (let n = 0; n < N; n++) {
    for (let y = 0; y < Y; y++) {
      for (let x = 0; x < X; x++) {
        for (const [h, byRow] of neighbours(y, H, Y, alignCorners)) {
          for (const [v, byColumn] of neighbours(x, W, X, alignCorners)) {
            for (let c = 0; c < C; c++)
              body(((n * Y + y) * X + x) * C + c, ((n * H + h) * W + v) * C + c, byRow * byColumn);
          }
        }
      }
    }
  }
}

export const resizeBilinear: Reference<ResizeBilinearAttrs> = {
  forward([x], attrs) {
    const output = zeros([x.shape[0], ...attrs.size, x.shape[3]]);
    forEachNeighbour(x.shape, attrs, (out, at, weight) => {
      output.data[out] += weight * x.data[at];
    });
    return output;
  },

  backward([x], attrs, gradient) {
    const dx: Array64 = zeros(x.shape);
    forEachNeighbour(x.shape, attrs, (out, at, weight) => {
      dx.data[at] += weight * gradient.data[out];
    });
    return [dx];
  },

  sumLength([x], { size }) {
    return size.reduce((product, outputs, axis) => {
      const inputs = x.shape[1 + axis];
      return product * Math.max(2, Math.min(outputs, Math.ceil((2 * outputs) / inputs) + 1));
    }, 1);
  },
};
