/**
 * Sum, mean and maximum over axes.
 *
 * Letters: x, a set of axes A, n = the product of x's extents over A. The output has the other axes, or with
 * keepDims all axes with extent 1 at those of A. r(i) is the output element that input element i belongs to.
 *   sum:  out[r] = sum_{i: r(i)=r} x[i],  dx[i] = g[r(i)]
 *   mean: sum / n,                        dx[i] = g[r(i)] / n
 *   max:  the largest, NaN above all,     dx[i] = g[r(i)] for the first maximum in row-major order, else 0
 */

import { type Array64, beats, broadcastPositions, sizeOf, zeros } from './array64.ts';
import type { Reference } from './reference.ts';

export interface ReductionAttrs {
  /** Axes to reduce, 0 … rank-1. */
  axes: readonly number[];
  keepDims: boolean;
}

/** The output's shape, r(i) for every input element, and n. */
function geometry(x: Array64, { axes, keepDims }: ReductionAttrs) {
  const kept = x.shape.map((extent, axis) => (axes.includes(axis) ? 1 : extent));
  const shape = keepDims ? kept : x.shape.filter((_, axis) => !axes.includes(axis));
  return { shape, to: broadcastPositions(kept, x.shape), count: x.data.length / sizeOf(kept) };
}

const countOf: Reference<ReductionAttrs>['sumLength'] = ([x], attrs) => geometry(x, attrs).count;

export const reduceSum: Reference<ReductionAttrs> = {
  forward([x], attrs) {
    const { shape, to } = geometry(x, attrs);
    const output = zeros(shape);
    for (let i = 0; i < to.length; i++) output.data[to[i]] += x.data[i];
    return output;
  },

  backward([x], attrs, gradient) {
    const { to } = geometry(x, attrs);
    return [{ shape: [...x.shape], data: Float64Array.from(to, (r) => gradient.data[r]) }];
  },

  sumLength: countOf,
};

export const reduceMean: Reference<ReductionAttrs> = {
  forward([x], attrs) {
    const { shape, to, count } = geometry(x, attrs);
    const output = zeros(shape);
    for (let i = 0; i < to.length; i++) output.data[to[i]] += x.data[i];
    for (let r = 0; r < output.data.length; r++) output.data[r] /= count;
    return output;
  },

  backward([x], attrs, gradient) {
    const { to, count } = geometry(x, attrs);
    return [{ shape: [...x.shape], data: Float64Array.from(to, (r) => gradient.data[r] / count) }];
  },

  sumLength: countOf,
};

/** For every output element, the position of its first maximum. */
function winners(x: Array64, attrs: ReductionAttrs) {
  const { shape, to } = geometry(x, attrs);
  const from = new Int32Array(sizeOf(shape)).fill(-1);
  for (let i = 0; i < to.length; i++) {
    const best = from[to[i]];
    if (best < 0 || beats(x.data[i], x.data[best])) from[to[i]] = i;
  }
  return { shape, from };
}

export const reduceMax: Reference<ReductionAttrs> = {
  forward([x], attrs) {
    const { shape, from } = winners(x, attrs);
    return { shape, data: Float64Array.from(from, (i) => x.data[i]) };
  },

  backward([x], attrs, gradient) {
    const { from } = winners(x, attrs);
    const dx = zeros(x.shape);
    for (let r = 0; r < from.length; r++) dx.data[from[r]] = gradient.data[r];
    return [dx];
  },

  sumLength() {
    return 1;
  },
};
