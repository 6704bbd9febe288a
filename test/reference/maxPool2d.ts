/**
 * Maximum over windows: letters in `windows.ts`. Padding is below every value.
 *   out[n,y,x,c] = max in[n, y*S+i-P, x*T+j-Q, c] over the window's pixels inside the image
 * The whole gradient goes to the first maximum of the window in row-major order; where there is NaN, to the last NaN, as in PyTorch. Where windows overlap, an
 * input takes a gradient from each window that it wins.
 */

import { type Array64, zeros } from './array64.ts';
import type { Reference } from './reference.ts';
import { overlapOf, type WindowAttrs, windowsOf } from './windows.ts';

export type MaxPool2dAttrs = WindowAttrs;

/** The output's shape, and for every output the position of its first maximum in x. */
function winners(x: Array64, attrs: MaxPool2dAttrs) {
  const { shape, windows } = windowsOf('maxPool2d', x, attrs);
  const winner = ({ pixels }: { pixels: number[] }) =>
    pixels.reduce((best, candidate) =>
      x.data[candidate] > x.data[best] || Number.isNaN(x.data[candidate]) ? candidate : best,
    );
  return { shape, from: Int32Array.from(windows, winner) };
}

export const maxPool2d: Reference<MaxPool2dAttrs> = {
  forward([x], attrs) {
    const { shape, from } = winners(x, attrs);
    return { shape, data: Float64Array.from(from, (position) => x.data[position]) };
  },

  backward([x], attrs, gradient) {
    const { from } = winners(x, attrs);
    const dx = zeros(x.shape);
    for (let i = 0; i < from.length; i++) dx.data[from[i]] += gradient.data[i];
    return [dx];
  },

  sumLength(_inputs, attrs) {
    return overlapOf(attrs);
  },
};
