import { type KernelSpec, kernelFamily } from '../gpu/kernel.ts';
import { defineOp } from '../tensor/autograd.ts';
import { launch, split } from '../tensor/launch.ts';
import type { Shape } from '../tensor/shape.ts';
import { empty, type Tensor } from '../tensor/tensor.ts';
import { expectTensor } from './shared/expectTensor.ts';
import { nanWgsl } from './shared/nan.ts';
import {
  eachWindow,
  elementOf,
  gatherWindows,
  groupWgsl,
  inVectors,
  LANES,
  type PoolOptions,
  uniforms,
  type WindowGeometry,
  windowsOf,
} from './shared/windows.ts';

/*
 * Maximum over windows: letters, and how they lie, in `shared/windows.ts`. Padding is below every value.
 *
 *   y[n,oy,ox,c]      = max_{i,j} x[n, oy*S+i-P, ox*T+j-Q, c] over the pixels inside the image
 *   winner[n,oy,ox,c] = i*J + j of the first maximum in row-major order; where there is NaN, of the last NaN, as in PyTorch
 *   dx[n,h,v,c]       = sum of dy[n,oy,ox,c] over the windows that hold (h, v) and whose winner is its place there,
 *                       (h + P - oy*S)*J + v + Q - ox*T
 *
 * The winners are all that the backward pass needs: a byte each. It gathers, input by input, from the windows that hold it; where
 * windows adjoin (S = I, T = J, no padding before) it goes through the windows instead, each of which is read once and written whole.
 */

const NAME = 'maxPool2d';
/** Places in a window that a byte can tell apart. */
const BYTE_PLACES = 256;
/** The place of a maximum that takes no gradient. */
export const NOWHERE = 255;

interface Variant {
  /** C is a multiple of 4: a group is one vec4f. */
  readonly vector: boolean;
  /** A window holds more places than a byte tells apart: winners take four words instead of one. */
  readonly wide: boolean;
  /** I = J = S = T = 2 and all windows inside, the usual pool: known to the compiler. */
  readonly two: boolean;
}

/** WGSL of sizes, strides and offsets. */
const sizesOf = ({ two }: Variant) =>
  two
    ? 'const I = 2u; const J = 2u; const S = 2u; const T = 2u; const P = 0u; const Q = 0u;'
    : 'let I = u.I; let J = u.J; let S = u.S; let T = u.T; let P = u.P; let Q = u.Q;';

const winnersOf = ({ wide }: Variant) => (wide ? 'vec4u' : 'u32');

const forwardKernel = kernelFamily((variant: Variant & { rectified: boolean }) => ({
  name: 'max-pool-2d',
  lanes: LANES,
  read: { x: elementOf(variant.vector) },
  write: { y: elementOf(variant.vector), winners: winnersOf(variant) },
  uniforms,
  declarations: `
    ${nanWgsl('vec4f')}
    ${groupWgsl(variant.vector, 'x', 'y')}
    ${
      variant.wide
        ? 'fn pack(places: vec4u) -> vec4u { return places; }'
        : 'fn pack(places: vec4u) -> u32 { return places.x | (places.y << 8u) | (places.z << 16u) | (places.w << 24u); }'
    }`,
  body: `
    ${sizesOf(variant)}
    ${eachWindow(
      `
      var best = load(corner + firstI * u.W + firstJ, g);
      var places = vec4u(firstI * J + firstJ);
      for (var i = firstI; i < lastI; i++) {
        for (var j = firstJ; j < lastJ; j++) {
          let value = load(corner + i * u.W + j, g);
          let wins = takesOver(value, best);
          best = select(best, value, wins);
          places = select(places, vec4u(i * J + j), wins);
        }
      }
      store(window, g, best);
      ${variant.rectified ? `places = select(vec4u(${NOWHERE}u), places, isOpen(best));` : ''}
      winners[window * u.G + g] = pack(places);`,
      variant.two,
    )}`,
}));

const gradientBindings = (variant: Variant): Omit<KernelSpec, 'name' | 'body'> => ({
  lanes: LANES,
  read: { dy: elementOf(variant.vector), winners: winnersOf(variant) },
  write: { dx: elementOf(variant.vector) },
  uniforms,
  declarations: `
    ${groupWgsl(variant.vector, 'dy', 'dx')}
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
  body: gatherWindows(
    'sum += select(vec4f(), load(window, g), unpack(winners[window * u.G + g]) == vec4u(i * u.J + j));',
  ),
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

const variantOf = (g: WindowGeometry): Variant => {
  const { H, W, Y, X, I, J, S, T, P, Q } = g;
  return {
    vector: inVectors(g),
    wide: I * J > BYTE_PLACES,
    two: [I, J, S, T].every((size) => size === 2) && P + Q === 0 && 2 * Y <= H && 2 * X <= W,
  };
};

/** Words of winners a group of four channels takes. */
const wordsOf = ({ wide }: Variant): number => (wide ? 4 : 1);

/**
 * Writes the maxima of x and returns their places, for `unpool`. With `rectified`, places of maxima that aren't above 0 are `NOWHERE`:
 * a ReLU before the pool lets no gradient through there. Windows then hold fewer than 255 places.
 */
export function pool(x: Tensor, windows: PoolOptions, y: Tensor, rectified = false): Tensor {
  const g = windowsOf(NAME, x.shape, windows);
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
export function unpool(dy: Tensor, winners: Tensor, windows: PoolOptions, shape: Shape): Tensor {
  const g = windowsOf(NAME, shape, windows);
  const { N, H, W, C, G, Y, X, I, J, S, T, P, Q } = g;
  const adjoining = S === I && T === J && P + Q === 0;
  const bands = adjoining ? Math.ceil(H / I) : H;
  const dx = empty(shape);
  launch(
    (adjoining ? adjoiningGradient : gatheringGradient)(variantOf(g)),
    { dy: split(dy, Y * X * C), winners: split(winners, winners.size / N), dx: split(dx, H * W * C) },
    { items: N, workgroups: (items) => Math.ceil((items * bands * G) / LANES), uniforms: g },
  );
  return dx;
}

const op = defineOp<PoolOptions>({
  name: NAME,
  shape([x], windows) {
    const { N, Y, X, C } = windowsOf(NAME, x, windows);
    return [N, Y, X, C];
  },
  forward({ inputs: [x], attrs, output, save }) {
    save(pool(x, attrs, output));
  },
  backward: ({ gradient: dy, saved: [winners], attrs, inputShapes: [shape] }) => [
    unpool(dy, winners, attrs, shape),
  ],
});

/** Options of `maxPool2d`. */
export type MaxPool2dOptions = PoolOptions;

/**
 * The largest value of every window of an image, channel by channel. Rows and columns past the last window are ignored, padding is below
 * every value. The gradient goes to the first maximum of a window in row-major order. A window with a NaN gives NaN, wherever it stands.
 *
 * @param x images [N, H, W, C]
 * @returns [N, floor((H + padding above and below - pool height) / row stride) + 1, the same of columns, C]
 * @throws ShapeError
 * @example
 * ```ts
 * import { maxPool2d, tensor } from 'weft-gpu';
 *
 * await maxPool2d(tensor([1, 5, 2, 3], [1, 2, 2, 1])).data(); // Float32Array [5]
 * ```
 */
export function maxPool2d(x: Tensor, options: MaxPool2dOptions = {}): Tensor {
  expectTensor(NAME, 'x', x, 'f32');
  return op([x], options);
}
