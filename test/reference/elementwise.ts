/**
 * Elementwise functions. Each is given by its value and its derivatives:
 *   unary   out = f(x),     dx = g * f'(x)
 *   binary  out = f(a, b),  da = g * df/da,  db = g * df/db
 * Binary functions broadcast (axes aligned at the right, an extent of 1 repeats): the gradient of a repeated
 * value is the sum over its repetitions.
 */

import { type Array64, beats, broadcastPositions, broadcastShape, sizeOf, zeros } from './array64.ts';
import type { NoAttrs, Reference } from './reference.ts';

function unary<Attrs = NoAttrs>(
  value: (x: number, attrs: Attrs) => number,
  derivative: (x: number, attrs: Attrs) => number,
): Reference<Attrs> {
  return {
    forward([x], attrs) {
      return { shape: [...x.shape], data: x.data.map((element) => value(element, attrs)) };
    },
    backward([x], attrs, gradient) {
      const data = x.data.map((element, i) => gradient.data[i] * derivative(element, attrs));
      return [{ shape: [...x.shape], data }];
    },
    sumLength() {
      return 1;
    },
  };
}

type Binary = (a: number, b: number) => number;

function binary(value: Binary, derivativeA: Binary, derivativeB: Binary): Reference<NoAttrs> {
  const geometry = ([a, b]: Array64[]) => {
    const shape = broadcastShape(a.shape, b.shape);
    return { shape, fromA: broadcastPositions(a.shape, shape), fromB: broadcastPositions(b.shape, shape) };
  };
  return {
    forward(inputs) {
      const [a, b] = inputs;
      const { shape, fromA, fromB } = geometry(inputs);
      return { shape, data: Float64Array.from(fromA, (at, i) => value(a.data[at], b.data[fromB[i]])) };
    },
    backward(inputs, _attrs, gradient) {
      const [a, b] = inputs;
      const { fromA, fromB } = geometry(inputs);
      const da = zeros(a.shape);
      const db = zeros(b.shape);
      for (let i = 0; i < fromA.length; i++) {
        da.data[fromA[i]] += gradient.data[i] * derivativeA(a.data[fromA[i]], b.data[fromB[i]]);
        db.data[fromB[i]] += gradient.data[i] * derivativeB(a.data[fromA[i]], b.data[fromB[i]]);
      }
      return [da, db];
    },
    sumLength(inputs) {
      const size = sizeOf(geometry(inputs).shape);
      return Math.max(...inputs.map((input) => size / input.data.length));
    },
  };
}

const one = () => 1;

export const add = binary((a, b) => a + b, one, one);
export const sub = binary(
  (a, b) => a - b,
  one,
  () => -1,
);
export const mul = binary(
  (a, b) => a * b,
  (_a, b) => b,
  (a) => a,
);
export const div = binary(
  (a, b) => a / b,
  (_a, b) => 1 / b,
  (a, b) => -a / (b * b),
);
/** Where both are equal, or both NaN, a takes the gradient. */
export const maximum = binary(
  (a, b) => Math.max(a, b),
  (a, b) => (beats(b, a) ? 0 : 1),
  (a, b) => (beats(b, a) ? 1 : 0),
);

export const neg = unary(
  (x) => -x,
  () => -1,
);
export const exp = unary(
  (x) => Math.exp(x),
  (x) => Math.exp(x),
);
/** Natural logarithm of x > 0. */
export const log = unary(
  (x) => Math.log(x),
  (x) => 1 / x,
);
export const sqrt = unary(
  (x) => Math.sqrt(x),
  (x) => 0.5 / Math.sqrt(x),
);
export const square = unary(
  (x) => x * x,
  (x) => 2 * x,
);
/** The derivative at 0 is 0. */
export const abs = unary(
  (x) => Math.abs(x),
  (x) => Math.sign(x),
);

export const sigmoid = unary(
  (x) => 1 / (1 + Math.exp(-x)),
  // Written so that it doesn't vanish before it underflows.
  (x) => 1 / (1 + Math.exp(-x)) / (1 + Math.exp(x)),
);
export const tanh = unary(
  (x) => Math.tanh(x),
  (x) => 1 / Math.cosh(x) ** 2,
);

export interface LeakyReluAttrs {
  slope: number;
}
/** The derivative at 0 is the slope. */
export const leakyRelu = unary<LeakyReluAttrs>(
  (x, { slope }) => (x > 0 ? x : slope * x),
  (x, { slope }) => (x > 0 ? 1 : slope),
);

export interface RescaleAttrs {
  scale: number;
  offset: number;
}

/** x * scale + offset */
export const rescale = unary<RescaleAttrs>(
  (x, { scale, offset }) => x * scale + offset,
  (_x, { scale }) => scale,
);

export interface PowAttrs {
  exponent: number;
}
/** x to a constant exponent. The derivative for the exponent 0 is 0, at x = 0 too. */
export const pow = unary<PowAttrs>(
  (x, { exponent }) => x ** exponent,
  (x, { exponent }) => (exponent === 0 ? 0 : exponent * x ** (exponent - 1)),
);
