import { ShapeError } from '../../errors.ts';
import type { UniformType } from '../../gpu/kernel.ts';
import { type Shape, showShape } from '../../tensor/shape.ts';
import { type Padding, type Strides, sideOf, stridesOf, zerosOf } from './padding.ts';

/*
 * Windows over an image, which pools reduce channel by channel.
 *
 * N images, H x W input, C channels, windows of I x J moved by S rows and T columns, Y x X of them, P rows and Q columns of padding before
 * the image, P' and Q' after it
 *   window (oy, ox) holds rows oy*S - P to oy*S - P + I and columns ox*T - Q to ox*T - Q + J, as far as they are inside the image
 *   Y = floor((H + P + P' - I) / S) + 1, with ceil mode rounded up as long as the last window begins inside the image or before it
 *
 * An invocation takes four channels of a row; G = ceil(C / 4) such groups. Along the row it only counts: divisions of integers are dear.
 */

export const LANES = 64;

/** How windows lie over an image. */
export interface PoolOptions {
  /** Height and width of a window, or one number for both; default 2. */
  readonly poolSize?: number | readonly [number, number];
  /** Rows and columns from one window to the next, or one number for both; default: the pool size. */
  readonly strides?: Strides;
  /**
   * Pixels around the image: `'valid'` (default), none; `'same'`, as many as make the output ceil(size / stride), as TensorFlow has it; or
   * their number, below the pool size: on all sides, [rows, columns] or [[top, bottom], [left, right]].
   */
  readonly padding?: Padding;
  /** As in PyTorch: rows and columns past the last whole window get one, too, if it begins inside the image or before it. Default false. */
  readonly ceilMode?: boolean;
}

const LETTERS = ['H', 'W', 'C', 'G', 'Y', 'X', 'I', 'J', 'S', 'T', 'P', 'Q', 'A', 'B'] as const;

/** Letters as above; A = P' and B = Q'. */
export type WindowGeometry = Readonly<Record<'N' | (typeof LETTERS)[number], number>>;

export const uniforms: Record<string, UniformType> = Object.fromEntries(
  LETTERS.map((letter) => [letter, 'u32']),
);

/** The windows of a pool over images of shape x. @throws ShapeError */
export function windowsOf(
  op: string,
  x: Shape,
  { poolSize = 2, strides = poolSize, padding = 'valid', ceilMode = false }: PoolOptions,
): WindowGeometry {
  if (x.length !== 4) throw new ShapeError(op, 'x [N, H, W, C]', showShape(x));
  const sizes = typeof poolSize === 'number' ? [poolSize, poolSize] : poolSize;
  if (sizes.length !== 2 || !sizes.every((n) => Number.isInteger(n) && n >= 1))
    throw new ShapeError(op, 'a pool size of a positive whole number, or two', JSON.stringify(poolSize));
  const [N, H, W, C] = x;
  const [I, J] = sizes;
  const [S, T] = stridesOf(op, strides);
  const [rows, columns] = zerosOf(op, padding);
  const [P, A] = typeof rows === 'string' ? sideOf(rows, H, I, S) : rows;
  const [Q, B] = typeof columns === 'string' ? sideOf(columns, W, J, T) : columns;
  // Else a window could lie in the padding alone.
  if (Math.max(P, A) >= I || Math.max(Q, B) >= J)
    throw new ShapeError(op, `padding below the pool size ${I}x${J}`, JSON.stringify(padding));
  const count = (length: number, before: number, after: number, window: number, stride: number) => {
    const room = (before + length + after - window) / stride;
    if (!ceilMode) return Math.floor(room) + 1;
    const last = Math.ceil(room);
    return last * stride < before + length ? last + 1 : last;
  };
  const [Y, X] = [count(H, P, A, I, S), count(W, Q, B, J, T)];
  if (Y < 1 || X < 1)
    throw new ShapeError(op, `an image of at least ${I}x${J}, the size of the pool`, showShape(x));
  return { N, H, W, C, G: Math.ceil(C / 4), Y, X, I, J, S, T, P, Q, A, B };
}

/** Whether C is a multiple of 4: a group is one vec4f. */
export const inVectors = ({ C }: WindowGeometry): boolean => C % 4 === 0;

export const elementOf = (vector: boolean) => (vector ? 'vec4f' : 'f32');

/** `load(pixel, g)` and `store(pixel, g, value)` of a group; channels past the last repeat it and aren't stored. */
export const groupWgsl = (vector: boolean, from: string, to: string): string =>
  vector
    ? `
    fn load(pixel: u32, g: u32) -> vec4f { return ${from}[pixel * u.G + g]; }
    fn store(pixel: u32, g: u32, value: vec4f) { ${to}[pixel * u.G + g] = value; }`
    : `
    fn load(pixel: u32, g: u32) -> vec4f {
      let at = pixel * u.C + 4u * g;
      let last = u.C - 1u - 4u * g;
      return vec4f(${from}[at], ${from}[at + min(1u, last)], ${from}[at + min(2u, last)], ${from}[at + min(3u, last)]);
    }
    fn store(pixel: u32, g: u32, value: vec4f) {
      let at = pixel * u.C + 4u * g;
      for (var k = 0u; k < min(4u, u.C - 4u * g); k++) { ${to}[at + k] = value[k]; }
    }`;

/**
 * Goes through the windows of a row (an invocation's) and leaves its `items * Y * G` item in `g`, `n` and `oy`. `each` finds the window as
 * `window`, and its part of the image as rows `firstI` to `lastI` and columns `firstJ` to `lastJ` of the window, pixel (i, j) of it at
 * `corner + i * u.W + j`. With `whole`, all windows are known to be inside.
 */
export const eachWindow = (each: string, whole = false): string => `
    if (item >= u.items * u.Y * u.G) { return; }
    let g = item % u.G;
    let row = item / u.G;
    let n = row / u.Y;
    let oy = row - n * u.Y;
    ${inside('I', 'oy', 'S', 'P', 'H', whole)}
    for (var ox = 0u; ox < u.X; ox++) {
      // Before the image it wraps around, and back where a pixel's place is added.
      let corner = (n * u.H + oy * S - P) * u.W + ox * T - Q;
      ${inside('J', 'ox', 'T', 'Q', 'W', whole)}
      let window = row * u.X + ox;
      ${each}
    }`;

const inside = (size: string, at: string, stride: string, before: string, length: string, whole: boolean) =>
  whole
    ? `const first${size} = 0u; const last${size} = ${size};`
    : `let first${size} = max(${before}, ${at} * ${stride}) - ${at} * ${stride};
      let last${size} = min(${size}, u.${length} + ${before} - ${at} * ${stride});`;

/**
 * Gathers the gradient of a row of inputs from the windows that hold them: `each` adds to `sum` what comes from `window`, (oy, ox), where the
 * input's place is (i, j).
 */
export const gatherWindows = (each: string): string => `
    if (item >= u.items * u.H * u.G) { return; }
    let g = item % u.G;
    let row = item / u.G;
    let n = row / u.H;
    let h = row - n * u.H + u.P;
    // The windows that hold row h, and those that hold column v, both counted from the padding's edge: from the first one up to,
    // not with, the last.
    let firstY = select(0u, (h - u.I) / u.S + 1u, h >= u.I);
    let lastY = min(h / u.S + 1u, u.Y);
    var firstX = 0u;
    var lastX = min((u.Q + u.T - 1u) / u.T, u.X);
    for (var v = u.Q; v < u.W + u.Q; v++) {
      if (v == firstX * u.T + u.J) { firstX++; }
      if (v == lastX * u.T && lastX < u.X) { lastX++; }
      var sum = vec4f();
      for (var oy = firstY; oy < lastY; oy++) {
        for (var ox = firstX; ox < lastX; ox++) {
          let window = (n * u.Y + oy) * u.X + ox;
          let i = h - oy * u.S;
          let j = v - ox * u.T;
          ${each}
        }
      }
      store(row * u.W + v - u.Q, g, sum);
    }`;
