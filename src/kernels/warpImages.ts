import { ShapeError } from '../errors.ts';
import { kernelFamily } from '../gpu/kernel.ts';
import { defineOp } from '../tensor/autograd.ts';
import { launch, split } from '../tensor/launch.ts';
import { showShape, sizeOf } from '../tensor/shape.ts';
import type { Tensor } from '../tensor/tensor.ts';
import { expectTensor } from './shared/expectTensor.ts';

/*
 * Images seen through a map of the plane, mirrored where asked.
 *
 * x [N,H,W,C]; of each image a matrix M (3x3, over (row, column, 1)) and two flips
 *   (r, v) = pixel (h, w) of the result, or its mirror image: r = H-1-h, v = W-1-w
 *   (a, b, s) = M (r, v, 1)
 *   y[n,h,w,c] = x[n, :, :, c] at row a/s, column b/s
 *
 * Between pixels, `linear` weighs the four around by their distances, `nearest` takes the nearest (of two equally near ones the even).
 * Outside the image (i a coordinate, n the size):
 *   constant  fill wherever i < 0 or i > n-1, as scipy.ndimage does: nothing is blended
 *   nearest   the border pixel: i clamped to 0 .. n-1
 *   reflect   ... 2 1 0 | 0 1 2 ... n-1 | n-1 n-2 ...
 *   wrap      with period n-1: the first and the last pixel fall together, as in scipy.ndimage's `wrap`
 *   blend     pixels outside are 0; with m the share of weights inside, y = m * sum + (1 - m) * fill. The product with m is
 *             torchvision's, whose sum has it already.
 */

/** Numbers that a transform takes: the matrix, row-major; whether columns and rows are mirrored; 0. */
export const TRANSFORM_SIZE = 12;

const LANES = 64;

/** What lies outside an image, in Keras' words. */
export type FillMode = 'constant' | 'nearest' | 'reflect' | 'wrap' | 'blend';

interface Attributes {
  readonly interpolation: 'linear' | 'nearest';
  readonly fillMode: FillMode;
  readonly projective: boolean;
}

/** WGSL: where coordinate i is in 0 .. n-1; only `wrap` and `nearest` move it. */
const PLACE: Readonly<Record<FillMode, string>> = {
  constant: 'return i;',
  blend: 'return i;',
  reflect: 'return i;',
  nearest: 'return clamp(i, 0.0, f32(n - 1));',
  wrap: `
  let period = f32(n - 1);
  if (n == 1) { return 0.0; }
  if (i < 0.0) { return i + period * (floor(-i / period) + 1.0); }
  if (i > period) { return i - period * floor(i / period); }
  return i;`,
};

/** WGSL: the pixel at index i, which may lie outside. */
const REFLECT = `
  let period = 2 * n;
  let k = ((i % period) + period) % period;
  return min(k, period - 1 - k);`;

const warpKernel = kernelFamily(({ interpolation, fillMode, projective }: Attributes) => ({
  name: `warp-images-${interpolation}-${fillMode}${projective ? '-projective' : ''}`,
  lanes: LANES,
  read: { x: 'f32', transforms: 'f32' },
  write: { y: 'f32' },
  uniforms: { H: 'i32', W: 'i32', C: 'i32', fill: 'f32' },
  declarations: `
fn place(i: f32, n: i32) -> f32 { ${PLACE[fillMode]} }
fn pixel(i: i32, n: i32) -> i32 { ${fillMode === 'reflect' ? REFLECT : 'return clamp(i, 0, n - 1);'} }
fn inside(i: i32, n: i32) -> bool { return i >= 0 && i < n; }`,
  body: `
    let at = workgroup * ${TRANSFORM_SIZE}u;
    let toRow = vec3f(transforms[at], transforms[at + 1u], transforms[at + 2u]);
    let toColumn = vec3f(transforms[at + 3u], transforms[at + 4u], transforms[at + 5u]);
    ${projective ? 'let toScale = vec3f(transforms[at + 6u], transforms[at + 7u], transforms[at + 8u]);' : ''}
    let flipColumns = transforms[at + 9u] != 0.0;
    let flipRows = transforms[at + 10u] != 0.0;
    let image = i32(workgroup) * u.H * u.W * u.C;
    for (var p = i32(lane); p < u.H * u.W; p += ${LANES}) {
      let h = p / u.W;
      let w = p % u.W;
      let seen = vec3f(f32(select(h, u.H - 1 - h, flipRows)), f32(select(w, u.W - 1 - w, flipColumns)), 1.0);
      ${
        projective
          ? `
      let scale = dot(toScale, seen);
      let row = place(dot(toRow, seen) / scale, u.H);
      let column = place(dot(toColumn, seen) / scale, u.W);`
          : `
      let row = place(dot(toRow, seen), u.H);
      let column = place(dot(toColumn, seen), u.W);`
      }
      ${interpolation === 'nearest' ? nearestBody(fillMode) : linearBody(fillMode)}
    }`,
}));

const nearestBody = (fillMode: FillMode): string => `
      let i = i32(round(row));
      let j = i32(round(column));
      let shown = ${fillMode === 'constant' || fillMode === 'blend' ? 'inside(i, u.H) && inside(j, u.W)' : 'true'};
      for (var c = 0; c < u.C; c++) {
        var value = u.fill;
        if (shown) { value = x[image + (pixel(i, u.H) * u.W + pixel(j, u.W)) * u.C + c]; }
        y[image + p * u.C + c] = value;
      }`;

const linearBody = (fillMode: FillMode): string => `
      let i = i32(floor(row));
      let j = i32(floor(column));
      let down = row - floor(row);
      let right = column - floor(column);
      let above = (image + pixel(i, u.H) * u.W * u.C);
      let below = (image + pixel(i + 1, u.H) * u.W * u.C);
      let before = pixel(j, u.W) * u.C;
      let after = pixel(j + 1, u.W) * u.C;
      ${
        fillMode === 'blend'
          ? `
      let rows = vec2f(select(0.0, 1.0 - down, inside(i, u.H)), select(0.0, down, inside(i + 1, u.H)));
      let columns = vec2f(select(0.0, 1.0 - right, inside(j, u.W)), select(0.0, right, inside(j + 1, u.W)));
      let share = (rows.x + rows.y) * (columns.x + columns.y);`
          : `
      let rows = vec2f(1.0 - down, down);
      let columns = vec2f(1.0 - right, right);`
      }
      ${
        fillMode === 'constant'
          ? 'let shown = row >= 0.0 && row <= f32(u.H - 1) && column >= 0.0 && column <= f32(u.W - 1);'
          : ''
      }
      for (var c = 0; c < u.C; c++) {
        var value = rows.x * (columns.x * x[above + before + c] + columns.y * x[above + after + c])
                  + rows.y * (columns.x * x[below + before + c] + columns.y * x[below + after + c]);
        ${fillMode === 'constant' ? 'value = select(u.fill, value, shown);' : ''}
        ${fillMode === 'blend' ? 'value = share * value + (1.0 - share) * u.fill;' : ''}
        y[image + p * u.C + c] = value;
      }`;

/** Options of `warpImages`. */
export interface WarpImagesOptions {
  /** Default 'linear'. */
  interpolation?: 'linear' | 'nearest';
  /** What shows where the map points outside the image. Default 'constant'. */
  fillMode?: FillMode;
  /** The value of `constant` and `blend`. Default 0. */
  fill?: number;
  /** Whether a matrix may have another last row than 0 0 1. Default false: that row isn't read. */
  projective?: boolean;
}

const op = defineOp<Attributes & { fill: number }>({
  name: 'warpImages',
  shape([x, transforms]) {
    if (x.length !== 4) throw new ShapeError('warpImages', 'x [N, H, W, C]', showShape(x));
    if (transforms.length !== 2 || transforms[0] !== x[0] || transforms[1] !== TRANSFORM_SIZE)
      throw new ShapeError('warpImages', `transforms [${x[0]}, ${TRANSFORM_SIZE}]`, showShape(transforms));
    return x;
  },
  forward({ inputs: [x, transforms], attrs: { fill, ...attributes }, output }) {
    const [N, H, W, C] = x.shape;
    const size = sizeOf([H, W, C]);
    launch(
      warpKernel(attributes),
      { x: split(x, size), transforms: split(transforms, TRANSFORM_SIZE), y: split(output, size) },
      { items: N, workgroups: (items) => items, uniforms: { H, W, C, fill } },
    );
  },
});

/**
 * Shows each image through a map from the pixels of the result to places in the image, mirrored after that where asked. No gradient
 * flows through.
 *
 * @param x f32 [N, H, W, C]
 * @param transforms f32 [N, 12], as `drawAffine` and `drawPerspective` give them
 * @returns the shape of x
 * @throws ShapeError
 */
export function warpImages(
  x: Tensor,
  transforms: Tensor,
  { interpolation = 'linear', fillMode = 'constant', fill = 0, projective = false }: WarpImagesOptions = {},
): Tensor {
  expectTensor('warpImages', 'x', x, 'f32');
  expectTensor('warpImages', 'transforms', transforms, 'f32');
  return op([x, transforms], { interpolation, fillMode, fill, projective });
}
