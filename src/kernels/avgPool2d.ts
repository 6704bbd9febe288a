import { kernelFamily } from '../gpu/kernel.ts';
import { defineOp } from '../tensor/autograd.ts';
import { launch, split } from '../tensor/launch.ts';
import { empty, type Tensor } from '../tensor/tensor.ts';
import { expectTensor } from './shared/expectTensor.ts';
import {
  eachWindow,
  elementOf,
  gatherWindows,
  groupWgsl,
  inVectors,
  LANES,
  type PoolOptions,
  uniforms,
  windowsOf,
} from './shared/windows.ts';

/*
 * Average over windows: letters, and how they lie, in `shared/windows.ts`. Padding is 0.
 *
 *   y[n,oy,ox,c] = sum_{i,j} x[n, oy*S+i-P, ox*T+j-Q, c] / d(oy,ox)     over the pixels inside the image
 *   dx[n,h,v,c]  = sum of dy[n,oy,ox,c] / d(oy,ox)                      over the windows that hold (h, v)
 *
 * where d counts the window's pixels inside the image, or those inside the padded image; or is 1: sums instead of averages.
 */

const NAME = 'avgPool2d';

/** What sums are divided by. */
export type Divisor = 'inside' | 'padded' | 'one';

/** `divisor(oy, ox)` */
const divisorWgsl = (divisor: Divisor): string => {
  const along = (at: string, size: string, stride: string, length: string, before: string, after: string) =>
    divisor === 'padded'
      ? `(min(${at} * u.${stride} + u.${size}, u.${length} + u.${before} + u.${after}) - ${at} * u.${stride})`
      : `(min(${at} * u.${stride} + u.${size}, u.${length} + u.${before}) - max(${at} * u.${stride}, u.${before}))`;
  const count =
    divisor === 'one'
      ? '1u'
      : `${along('oy', 'I', 'S', 'H', 'P', 'A')} * ${along('ox', 'J', 'T', 'W', 'Q', 'B')}`;
  return `fn divisor(oy: u32, ox: u32) -> f32 { return f32(${count}); }`;
};

interface Variant {
  readonly vector: boolean;
  readonly divisor: Divisor;
}

const forwardKernel = kernelFamily(({ vector, divisor }: Variant) => ({
  name: 'avg-pool-2d',
  lanes: LANES,
  read: { x: elementOf(vector) },
  write: { y: elementOf(vector) },
  uniforms,
  declarations: `${groupWgsl(vector, 'x', 'y')}\n${divisorWgsl(divisor)}`,
  body: `
    let I = u.I; let J = u.J; let S = u.S; let T = u.T; let P = u.P; let Q = u.Q;
    ${eachWindow(`
      var sum = vec4f();
      for (var i = firstI; i < lastI; i++) {
        for (var j = firstJ; j < lastJ; j++) { sum += load(corner + i * u.W + j, g); }
      }
      store(window, g, sum / divisor(oy, ox));`)}`,
}));

const gradientKernel = kernelFamily(({ vector, divisor }: Variant) => ({
  name: 'avg-pool-2d-gradient',
  lanes: LANES,
  read: { dy: elementOf(vector) },
  write: { dx: elementOf(vector) },
  uniforms,
  declarations: `${groupWgsl(vector, 'dy', 'dx')}\n${divisorWgsl(divisor)}`,
  body: gatherWindows('sum += load(window, g) / divisor(oy, ox);'),
}));

/** Writes the averages of x's windows to y. */
export function average(x: Tensor, windows: PoolOptions, divisor: Divisor, y: Tensor): void {
  const g = windowsOf(NAME, x.shape, windows);
  launch(
    forwardKernel({ vector: inVectors(g), divisor }),
    { x: split(x, g.H * g.W * g.C), y: split(y, g.Y * g.X * g.C) },
    { items: g.N, workgroups: (items) => Math.ceil((items * g.Y * g.G) / LANES), uniforms: g },
  );
}

/** The adjoint of `average`: writes to dx, of x's shape, what comes from the averages' dy. */
export function spreadAverage(dy: Tensor, windows: PoolOptions, divisor: Divisor, dx: Tensor): void {
  const g = windowsOf(NAME, dx.shape, windows);
  launch(
    gradientKernel({ vector: inVectors(g), divisor }),
    { dy: split(dy, g.Y * g.X * g.C), dx: split(dx, g.H * g.W * g.C) },
    { items: g.N, workgroups: (items) => Math.ceil((items * g.H * g.G) / LANES), uniforms: g },
  );
}

interface Attributes extends PoolOptions {
  readonly divisor: Divisor;
}

const op = defineOp<Attributes>({
  name: NAME,
  shape([x], windows) {
    const { N, Y, X, C } = windowsOf(NAME, x, windows);
    return [N, Y, X, C];
  },
  forward({ inputs: [x], attrs, output }) {
    average(x, attrs, attrs.divisor, output);
  },
  backward({ gradient: dy, attrs, inputShapes: [shape] }) {
    const dx = empty(shape);
    spreadAverage(dy, attrs, attrs.divisor, dx);
    return [dx];
  },
});

/** Options of `avgPool2d`. */
export interface AvgPool2dOptions extends PoolOptions {
  /** Whether padding counts as pixels of its window. Default: that of a given number, as in PyTorch; not that of `'same'`, as in TensorFlow. */
  readonly countIncludePad?: boolean;
}

/**
 * The mean of every window of an image, channel by channel. Rows and columns past the last window are ignored, padding is 0.
 *
 * @param x images [N, H, W, C]
 * @returns [N, floor((H + padding above and below - pool height) / row stride) + 1, the same of columns, C]
 * @throws ShapeError
 * @example
 * ```ts
 * import { avgPool2d, tensor } from 'weft-gpu';
 *
 * await avgPool2d(tensor([1, 5, 2, 4], [1, 2, 2, 1])).data(); // Float32Array [3]
 * ```
 */
export function avgPool2d(x: Tensor, { countIncludePad, ...windows }: AvgPool2dOptions = {}): Tensor {
  expectTensor(NAME, 'x', x, 'f32');
  const divisor = (countIncludePad ?? windows.padding !== 'same') ? 'padded' : 'inside';
  return op([x], { ...windows, divisor });
}
