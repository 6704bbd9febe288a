/**
 * Average over windows: letters in `windows.ts`. Padding is 0.
 *   out[n,y,x,c]  = sum of in over the window's pixels inside the image / d
 *   d in[n,h,v,c] = sum of g[n,y,x,c] / d over the windows that hold (h, v)
 * where d counts the pixels inside the image or, with countIncludePad, inside the padded image. It does so by default, but for 'same'.
 */

import { zeros } from './array64.ts';
import type { Reference } from './reference.ts';
import { overlapOf, pair, type Window, type WindowAttrs, windowsOf } from './windows.ts';

export interface AvgPool2dAttrs extends WindowAttrs {
  countIncludePad?: boolean;
}

const divisorOf = (
  { pixels, padded }: Window,
  { padding, countIncludePad = padding !== 'same' }: AvgPool2dAttrs,
) => (countIncludePad ? padded : pixels.length);

export const avgPool2d: Reference<AvgPool2dAttrs> = {
  forward([x], attrs) {
    const { shape, windows } = windowsOf('avgPool2d', x, attrs);
    const average = (window: Window) =>
      window.pixels.reduce((sum, at) => sum + x.data[at], 0) / divisorOf(window, attrs);
    return { shape, data: Float64Array.from(windows, average) };
  },

  backward([x], attrs, gradient) {
    const dx = zeros(x.shape);
    windowsOf('avgPool2d', x, attrs).windows.forEach((window, out) => {
      for (const at of window.pixels) dx.data[at] += gradient.data[out] / divisorOf(window, attrs);
    });
    return [dx];
  },

  sumLength(_inputs, attrs) {
    const [I, J] = pair(attrs.poolSize);
    return Math.max(I * J, overlapOf(attrs));
  },
};
