/** Dense f64 arrays for the references: what is needed to write an op as plain loops, and no more. */

import { philox4x32 } from './philox.ts';

/** A dense array in row-major order. A scalar has the shape []. */
export interface Array64 {
  shape: number[];
  data: Float64Array;
}

/** How many elements a shape has; 1 for []. */
export function sizeOf(shape: readonly number[]): number {
  return shape.reduce((size, extent) => size * extent, 1);
}

/** An array of `shape` with the given values in row-major order; throws when their number doesn't fit. */
export function make(shape: readonly number[], values: ArrayLike<number>): Array64 {
  if (values.length !== sizeOf(shape)) {
    throw new Error(`make: shape [${shape}] holds ${sizeOf(shape)} values, got ${values.length}`);
  }
  return { shape: [...shape], data: Float64Array.from(values) };
}

/** An array of zeros. */
export function zeros(shape: readonly number[]): Array64 {
  return { shape: [...shape], data: new Float64Array(sizeOf(shape)) };
}

/**
 * Whether x takes the place of the largest so far, as in NumPy: the first of equal ones stays, and NaN, the first of several, is above all
 * numbers.
 */
export function beats(x: number, best: number): boolean {
  return (x > best || Number.isNaN(x)) && !Number.isNaN(best);
}

/** Row-major strides, in elements. */
export function stridesOf(shape: readonly number[]): number[] {
  const strides = new Array<number>(shape.length);
  let stride = 1;
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    strides[axis] = stride;
    stride *= shape[axis];
  }
  return strides;
}

/**
 * For every index of `shape` in row-major order, its position `base + sum(index[axis] * strides[axis])` in
 * another array. Broadcasting, transposing and slicing are this one walk with other strides.
 */
export function positions(shape: readonly number[], strides: readonly number[], base = 0): Int32Array {
  const result = new Int32Array(sizeOf(shape));
  const index = new Array<number>(shape.length).fill(0);
  let position = base;
  for (let i = 0; i < result.length; i++) {
    result[i] = position;
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      index[axis]++;
      position += strides[axis];
      if (index[axis] < shape[axis]) break;
      position -= strides[axis] * shape[axis];
      index[axis] = 0;
    }
  }
  return result;
}

/** The common shape of two operands: axes are aligned at the right, and an extent of 1 (or none) repeats. */
export function broadcastShape(a: readonly number[], b: readonly number[]): number[] {
  const rank = Math.max(a.length, b.length);
  return Array.from({ length: rank }, (_, axis) => {
    const extentA = a[axis - rank + a.length] ?? 1;
    const extentB = b[axis - rank + b.length] ?? 1;
    if (extentA !== extentB && extentA !== 1 && extentB !== 1) {
      throw new Error(`broadcastShape: [${a}] and [${b}] differ at axis ${axis}`);
    }
    return extentA === 1 ? extentB : extentA;
  });
}

/** For every element of `to`, the position of the element of `from` that broadcasting puts there. */
export function broadcastPositions(from: readonly number[], to: readonly number[]): Int32Array {
  const missing = to.length - from.length;
  const strides = stridesOf(from);
  return positions(
    to,
    to.map((_, axis) => (axis < missing || from[axis - missing] === 1 ? 0 : strides[axis - missing])),
  );
}

/** A seeded source of test data. Draws follow one another in one stream, so the order of calls matters. */
export interface Random {
  /** The next `count` uniform u32 words. */
  words(count: number): Uint32Array;
  /** Uniform in the open interval (low, high). */
  uniform(shape: readonly number[], low?: number, high?: number): Array64;
  /** Uniform in (-1, 1) without the interval [-gap, gap]: for functions with a kink at 0. */
  awayFromZero(shape: readonly number[], gap?: number): Array64;
  /** A shuffled arithmetic progression in (-1, 1): no two values closer than 2 / size, for maxima. */
  distinct(shape: readonly number[]): Array64;
  /** `count` integers, uniform in 0 … below - 1. */
  integers(count: number, below: number): number[];
}

/** The test data of one seed: Philox words with key (seed, 0) and counters (0, 0, 0, 0), (1, 0, 0, 0), … */
export function createRandom(seed: number): Random {
  let block = 0;
  let pending: number[] = [];
  const nextWord = (): number => {
    if (pending.length === 0) pending = philox4x32([block++, 0, 0, 0], [seed, 0]).reverse();
    return pending.pop() as number;
  };
  const nextUnit = (): number => (nextWord() + 0.5) / 2 ** 32;

  const words = (count: number): Uint32Array => Uint32Array.from({ length: count }, nextWord);
  const uniform = (shape: readonly number[], low = -1, high = 1): Array64 => {
    const result = zeros(shape);
    for (let i = 0; i < result.data.length; i++) result.data[i] = low + (high - low) * nextUnit();
    return result;
  };
  const awayFromZero = (shape: readonly number[], gap = 0.1): Array64 => {
    const result = uniform(shape);
    for (let i = 0; i < result.data.length; i++) {
      result.data[i] = Math.sign(result.data[i]) * (gap + (1 - gap) * Math.abs(result.data[i]));
    }
    return result;
  };
  const distinct = (shape: readonly number[]): Array64 => {
    const result = zeros(shape);
    const { data } = result;
    for (let i = 0; i < data.length; i++) {
      const j = Math.floor(nextUnit() * (i + 1));
      data[i] = data[j];
      data[j] = (2 * i + 1) / data.length - 1;
    }
    return result;
  };
  const integers = (count: number, below: number): number[] =>
    Array.from({ length: count }, () => Math.floor(nextUnit() * below));
  return { words, uniform, awayFromZero, distinct, integers };
}
