/**
 * A box of x: out[i] = x[begin + i] for 0 <= i < size on every axis. Outside the box the gradient is 0.
 */

import { type Array64, positions, stridesOf, zeros } from './array64.ts';
import type { Reference } from './reference.ts';

export interface SliceAttrs {
  begin: readonly number[];
  size: readonly number[];
}

function box(x: Array64, { begin, size }: SliceAttrs): Int32Array {
  if (x.shape.some((extent, axis) => begin[axis] < 0 || begin[axis] + size[axis] > extent)) {
    throw new Error(`slice: begin [${begin}] with size [${size}] leaves the shape [${x.shape}]`);
  }
  const strides = stridesOf(x.shape);
  const base = begin.reduce((sum, start, axis) => sum + start * strides[axis], 0);
  return positions(size, strides, base);
}

export const slice: Reference<SliceAttrs> = {
  forward([x], attrs) {
    return { shape: [...attrs.size], data: Float64Array.from(box(x, attrs), (position) => x.data[position]) };
  },

  backward([x], attrs, gradient) {
    const dx = zeros(x.shape);
    box(x, attrs).forEach((position, i) => {
      dx.data[position] = gradient.data[i];
    });
    return [dx];
  },

  sumLength() {
    return 1;
  },
};
