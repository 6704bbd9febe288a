import { ShapeError } from '../errors.ts';
import { type KernelSpec, kernelFamily, type UniformType } from '../gpu/kernel.ts';
import { defineOp } from '../tensor/autograd.ts';
import { launch, split } from '../tensor/launch.ts';
import { type Shape, showShape } from '../tensor/shape.ts';
import { empty, type Tensor } from '../tensor/tensor.ts';
import { expectTensor } from './shared/expectTensor.ts';

/*
 * Maximum over windows, without padding.
 *
 * N images, H x W input, C channels, windows of I x J moved by P rows and Q columns, Y x X output
 *   Y = floor((H - I) / P) + 1,  X = floor((W - J) / Q) + 1
 *   y[n,oy,ox,c]      = max_{i,j} x[n, oy*P+i, ox*Q+j, c]
 *   winner[n,oy,ox,c] = i*J + j of the first maximum in row-major order
 *   dx[n,h,v,c]       = sum of dy[n,oy,ox,c] over the windows that hold (h, v) and whose winner is its place there,
 *                       (h - oy*P)*J + v - ox*Q
 *
 * The winners are all that the backward pass needs: a byte each. It gathers, input by input, from the windows that hold it; where
 * windows adjoin (P = I, Q = J) it goes through the windows instead, each of which is read once and written whole.
 *
 * An invocation takes four channels of a row; G = ceil(C / 4) such groups. Along the row it only counts:
 * divisions of integers are dear.
 */

const LANES = 64;
/** Places in a window that a byte can tell apart. */
const BYTE_PLACES = 256;
/** The place of a maximum that takes no gradient. */
export const NOWHERE = 255;

interface Variant {
  /** C is a multiple of 4: a group is one vec4f. */
  readonly vector: boolean;
  /** A window holds more places than a byte tells apart: winners take four words instead of one. */
  readonly wide: boolean;
  /** I = J = P = Q = 2, the usual pool: known to the compiler. */
  readonly two: boolean;
}

/** WGSL of I, J, P and Q. */
const sizesOf = ({ two }: Variant) =>
  ['I', 'J', 'P', 'Q']
    .map((letter) => `${two ? 'const' : 'let'} ${letter} = ${two ? '2u' : `u.${letter}`};`)
    .join(' ');

const uniforms: Record<string, UniformType> = {
  H: 'u32',
  W: 'u32',
  C: 'u32',
  G: 'u32',
  Y: 'u32',
  X: 'u32',
  I: 'u32',
  J: 'u32',
  P: 'u32',
  Q: 'u32',
};

const elementOf = ({ vector }: Variant) => (vector ? 'vec4f' : 'f32');
const winnersOf = ({ wide }: Variant) => (wide ? 'vec4u' : 'u32');

/** `load(pixel, g)` and `store(pixel, g, value)` of a group; channels past the last repeat it and aren't stored. */
const groupWgsl = ({ vector }: Variant, from: string, to: string) =>
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

const forwardKernel = kernelFamily((variant: Variant & { rectified: boolean }) => ({
  name: 'max-pool-2d',
  lanes: LANES,
  read: { x: elementOf(variant) },
  write: { y: elementOf(variant), winners: winnersOf(variant) },
  uniforms,
  declarations: `
    ${groupWgsl(variant, 'x', 'y')}
    ${
      variant.wide
        ? 'fn pack(places: vec4u) -> vec4u { return places; }'
        : 'fn pack(places: vec4u) -> u32 { return places.x | (places.y << 8u) | (places.z << 16u) | (places.w << 24u); }'
    }`,
  body: `
    ${sizesOf(variant)}
    if (item >= u.items * u.Y * u.G) { return; }
    let g = item % u.G;
    let row = item / u.G;
    let n = row / u.Y;
    let oy = row - n * u.Y;
    for (var ox = 0u; ox < u.X; ox++) {
      let corner = (n * u.H + oy * P) * u.W + ox * Q;
      var best = vec4f();
      var places = vec4u();
      for (var i = 0u; i < I; i++) {
        for (var j = 0u; j < J; j++) {
          let value = load(corner + i * u.W + j, g);
          let wins = (value > best) | vec4<bool>(i + j == 0u);
          best = select(best, value, wins);
          places = select(places, vec4u(i * J + j), wins);
        }
      }
      let window = row * u.X + ox;
      store(window, g, best);
      ${variant.rectified ? `places = select(vec4u(${NOWHERE}u), places, best > vec4f());` : ''}
      winners[window * u.G + g] = pack(places);
    }`,
}));

const gradientBindings = (variant: Variant): Omit<KernelSpec, 'name' | 'body'> => ({
  lanes: LANES,
  read: { dy: elementOf(variant), winners: winnersOf(variant) },
  write: { dx: elementOf(variant) },
  uniforms,
  declarations: `
    ${groupWgsl(variant, 'dy', 'dx')}
    ${
      variant.wide
        ? 'fn unpack(places: vec4u) -> vec4u { return places; }'
        : 'fn unpack(places: u32) -> vec4u { return vec4u(places, places >> 8u, places >> 16u, places >> 24u) & vec4u(255u); }'
    }`,
});

/** For any windows. */
const gatheringGradient = kernelFamily((variant: Variant) => ({
  ...gradientBindings(variant),
  name: 'max-pool-2d-gradient',
  body: `
    if (item >= u.items * u.H * u.G) { return; }
    let g = item % u.G;
    let row = item / u.G;
    let n = row / u.H;
    let h = row - n * u.H;
    // The windows that hold row h, and those that hold column v: from the first one up to, not with, the
    // last.
    let firstY = select(0u, (h - u.I) / u.P + 1u, h >= u.I);
    let lastY = min(h / u.P + 1u, u.Y);
    var firstX = 0u;
    var lastX = 0u;
    for (var v = 0u; v < u.W; v++) {
      if (v == firstX * u.Q + u.J) { firstX++; }
      if (v == lastX * u.Q && lastX < u.X) { lastX++; }
      var sum = vec4f();
      for (var oy = firstY; oy < lastY; oy++) {
        for (var ox = firstX; ox < lastX; ox++) {
          let window = (n * u.Y + oy) * u.X + ox;
          let place = (h - oy * u.P) * u.J + v - ox * u.Q;
          sum += select(vec4f(), load(window, g), unpack(winners[window * u.G + g]) == vec4u(place));
        }
      }
      store(row * u.W + v, g, sum);
    }`,
}));

/** For windows that adjoin: an item is an image, whose rows and columns past the last window make up windows without a winner. */
const adjoiningGradient = kernelFamily((variant: Variant) => ({
  ...gradientBindings(variant),
  name: 'max-pool-2d-gradient',
  body: `
    ${sizesOf(variant)}
    let bands = (u.H + I - 1u) / I;
    if (item >= u.items * bands * u.G) { return; }
    let g = item % u.G;
    let band = item / u.G;
    let n = band / bands;
    let oy = band - n * bands;
    let lastI = min(I, u.H - oy * I);
    for (var ox = 0u; ox * J < u.W; ox++) {
      var slope = vec4f();
      var winner = vec4u();
      if (oy < u.Y && ox < u.X) {
        let window = (n * u.Y + oy) * u.X + ox;
        slope = load(window, g);
        winner = unpack(winners[window * u.G + g]);
      }
      let corner = (n * u.H + oy * I) * u.W + ox * J;
      let lastJ = min(J, u.W - ox * J);
      for (var i = 0u; i < lastI; i++) {
        for (var j = 0u; j < lastJ; j++) {
          store(corner + i * u.W + j, g, select(vec4f(), slope, winner == vec4u(i * J + j)));
        }
      }
    }`,
}));

type Pair = readonly [number, number];

export interface Windows {
  readonly size: Pair;
  readonly strides: Pair;
}

/** @throws ShapeError */
function geometryOf(x: Shape, { size: [I, J], strides: [P, Q] }: Windows) {
  if (x.length !== 4) throw new ShapeError('maxPool2d', 'x [N, H, W, C]', showShape(x));
  for (const [name, pair] of [
    ['pool size', [I, J]],
    ['strides', [P, Q]],
  ] as const) {
    if (!pair.every((n) => Number.isInteger(n) && n >= 1))
      throw new ShapeError('maxPool2d', `${name} of whole numbers of at least 1`, showShape(pair));
  }
  const [N, H, W, C] = x;
  if (I > H || J > W)
    throw new ShapeError('maxPool2d', `an image of at least ${I}x${J}, the size of the pool`, showShape(x));
  const [Y, X] = [Math.floor((H - I) / P) + 1, Math.floor((W - J) / Q) + 1];
  return { N, H, W, C, G: Math.ceil(C / 4), Y, X, I, J, P, Q };
}

const variantOf = ({ C, I, J, P, Q }: ReturnType<typeof geometryOf>): Variant => ({
  vector: C % 4 === 0,
  wide: I * J > BYTE_PLACES,
  two: [I, J, P, Q].every((size) => size === 2),
});

/** Words of winners a group of four channels takes. */
const wordsOf = ({ wide }: Variant): number => (wide ? 4 : 1);

/**
 * Writes the maxima of x and returns their places, for `unpool`. With `rectified`, places of maxima that aren't above 0 are `NOWHERE`:
 * a ReLU before the pool lets no gradient through there. Windows then hold fewer than 255 places.
 */
export function pool(x: Tensor, windows: Windows, y: Tensor, rectified = false): Tensor {
  const g = geometryOf(x.shape, windows);
  const { N, H, W, C, G, Y, X } = g;
  const variant = variantOf(g);
  const words = wordsOf(variant);
  const winners = empty([N, Y, X, G, words], 'u32');
  launch(
    forwardKernel({ ...variant, rectified }),
    { x: split(x, H * W * C), y: split(y, Y * X * C), winners: split(winners, Y * X * G * words) },
    { items: N, workgroups: (items) => Math.ceil((items * Y * G) / LANES), uniforms: g },
  );
  return winners;
}

/** The gradient of x, of shape `shape`, from that of its maxima. */
export function unpool(dy: Tensor, winners: Tensor, windows: Windows, shape: Shape): Tensor {
  const g = geometryOf(shape, windows);
  const { N, H, W, C, G, Y, X, I, J, P, Q } = g;
  const adjoining = P === I && Q === J;
  const bands = adjoining ? Math.ceil(H / I) : H;
  const dx = empty(shape);
  launch(
    (adjoining ? adjoiningGradient : gatheringGradient)(variantOf(g)),
    { dy: split(dy, Y * X * C), winners: split(winners, winners.size / N), dx: split(dx, H * W * C) },
    { items: N, workgroups: (items) => Math.ceil((items * bands * G) / LANES), uniforms: g },
  );
  return dx;
}

const op = defineOp<Windows>({
  name: 'maxPool2d',
  shape([x], windows) {
    const { N, Y, X, C } = geometryOf(x, windows);
    return [N, Y, X, C];
  },
  forward({ inputs: [x], attrs, output, save }) {
    save(pool(x, attrs, output));
  },
  backward: ({ gradient: dy, saved: [winners], attrs, inputShapes: [shape] }) => [
    unpool(dy, winners, attrs, shape),
  ],
});

export interface MaxPool2dOptions {
  /** Height and width of a window, or one number for both; default 2. */
  poolSize?: number | Pair;
  /** Rows and columns from one window to the next, or one number for both; default: the pool size. */
  strides?: number | Pair;
}

const pairOf = (value: number | Pair): Pair => (typeof value === 'number' ? [value, value] : value);

/**
 * The largest value of every window of an image, channel by channel. Windows lie wholly inside the image;
 * rows and columns past the last one are ignored. The gradient goes to the first maximum of a window in
 * row-major order.
 *
 * @param x images [N, H, W, C]
 * @returns [N, floor((H - pool height) / row stride) + 1, floor((W - pool width) / column stride) + 1, C]
 * @throws ShapeError
 */
export function maxPool2d(x: Tensor, { poolSize = 2, strides = poolSize }: MaxPool2dOptions = {}): Tensor {
  expectTensor('maxPool2d', 'x', x, 'f32');
  return op([x], { size: pairOf(poolSize), strides: pairOf(strides) });
}
