import { ShapeError } from '../errors.ts';
import { kernel } from '../gpu/kernel.ts';
import { defineOp } from '../tensor/autograd.ts';
import { launch, split } from '../tensor/launch.ts';
import type { Tensor } from '../tensor/tensor.ts';
import { expectTensor } from './shared/expectTensor.ts';
import {
  IMAGE_DRAWS_WGSL,
  imageDrawUniforms,
  type Purpose,
  purposeOffset,
  SHIFT_WGSL,
} from './shared/imageDraws.ts';
import { TRANSFORM_SIZE } from './warpImages.ts';

/*
 * A random affine map for each image, as keras-preprocessing 1.1.0 composes it (`apply_affine_transform`). It takes a pixel of the
 * result to the place in the image that it shows, in (row, column) relative to a centre o:
 *   p' = o + R(theta) (t + S(phi) diag(zr, zc) (p - o))
 *   R = [[cos, -sin], [sin, cos]],  S = [[1, -sin phi], [0, cos phi]]
 * so a zoom above 1 shrinks the content, and a shift t > 0 moves it up or left. Flips are drawn beside it: they act on the result.
 *
 * Block 0 of an image: words 0 and 1 its shifts in rows and columns, 2 and 3 its flips of columns and rows; block 1: theta, phi, zr, zc.
 * Sine and cosine come from their series on -45 .. 45 degrees: WGSL's own may be off by 2^-11.
 */

const affineKernel = kernel({
  name: 'draw-affine',
  lanes: 64,
  read: { draw: 'vec4u' },
  write: { transforms: 'f32' },
  uniforms: {
    ...imageDrawUniforms,
    centreRow: 'f32',
    centreColumn: 'f32',
    rotationLow: 'f32',
    rotationHigh: 'f32',
    shear: 'f32',
    zoomLow: 'f32',
    zoomHigh: 'f32',
    rows: 'f32',
    columns: 'f32',
    wholeRows: 'u32',
    wholeColumns: 'u32',
    flipColumns: 'f32',
    flipRows: 'f32',
  },
  declarations: `${IMAGE_DRAWS_WGSL}${SHIFT_WGSL}
fn shiftBy(word: u32, whole: u32, pixels: f32) -> f32 {
  if (whole != 0u) { return f32(-shiftOf(word, whole)); }
  return between(-pixels, pixels, word);
}
/** Cosine and sine of an angle in degrees. */
fn turn(degrees: f32) -> vec2f {
  let quarters = round(degrees / 90.0);
  let x = (degrees - 90.0 * quarters) * ${Math.PI / 180};
  let y = x * x;
  let cosine = 1.0 - y * (1.0 / 2.0 - y * (1.0 / 24.0 - y * (1.0 / 720.0 - y / 40320.0)));
  let sine = x * (1.0 - y * (1.0 / 6.0 - y * (1.0 / 120.0 - y * (1.0 / 5040.0 - y / 362880.0))));
  switch (i32(quarters) & 3) {
    case 1 { return vec2f(-sine, cosine); }
    case 2 { return vec2f(-cosine, -sine); }
    case 3 { return vec2f(sine, -cosine); }
    default { return vec2f(cosine, sine); }
  }
}`,
  body: `
    if (item >= u.items) { return; }
    let first = words(u.first + item, 0u);
    let second = words(u.first + item, 1u);
    let r = turn(between(u.rotationLow, u.rotationHigh, second.x));
    let s = turn(between(-u.shear, u.shear, second.y));
    let zoomRow = between(u.zoomLow, u.zoomHigh, second.z);
    let zoomColumn = between(u.zoomLow, u.zoomHigh, second.w);
    let down = shiftBy(first.x, u.wholeRows, u.rows);
    let right = shiftBy(first.y, u.wholeColumns, u.columns);
    let a = r.x * zoomRow;
    let b = (-r.x * s.y - r.y * s.x) * zoomColumn;
    let c = r.y * zoomRow;
    let d = (r.x * s.x - r.y * s.y) * zoomColumn;
    let at = item * ${TRANSFORM_SIZE}u;
    transforms[at] = a;
    transforms[at + 1u] = b;
    transforms[at + 2u] = (r.x * down - r.y * right) + (u.centreRow - a * u.centreRow - b * u.centreColumn);
    transforms[at + 3u] = c;
    transforms[at + 4u] = d;
    transforms[at + 5u] = (r.y * down + r.x * right) + (u.centreColumn - c * u.centreRow - d * u.centreColumn);
    transforms[at + 6u] = 0.0;
    transforms[at + 7u] = 0.0;
    transforms[at + 8u] = 1.0;
    transforms[at + 9u] = select(0.0, 1.0, happens(u.flipColumns, first.z));
    transforms[at + 10u] = select(0.0, 1.0, happens(u.flipRows, first.w));
    transforms[at + 11u] = 0.0;`,
});

/** A shift in pixels: up to `pixels` either way, sub-pixel; or, with `whole`, by a size from 0 .. whole-1 and a fair sign. */
export type ShiftRange = { readonly pixels: number } | { readonly whole: number };

/** Options of `drawAffine`. */
export interface DrawAffineOptions {
  /** What the maps turn and zoom about: (row, column). */
  centre: readonly [number, number];
  /** Degrees, uniform; positive ones turn the content clockwise. Default [0, 0]. */
  rotation?: readonly [number, number];
  /** Degrees, uniform from -shear to shear. Default 0. */
  shear?: number;
  /** Factors of rows and of columns, each uniform; above 1 the content shrinks. Default [1, 1]. */
  zoom?: readonly [number, number];
  /** Default none. */
  rows?: ShiftRange;
  columns?: ShiftRange;
  /** Probability of a mirroring left to right, after all else. Default 0. */
  flipColumns?: number;
  /** Probability of one top to bottom. Default 0. */
  flipRows?: number;
  /** Default 0. */
  purpose?: Purpose;
}

const op = defineOp<DrawAffineOptions & { count: number }>({
  name: 'drawAffine',
  shape: (_, { count }) => [count, TRANSFORM_SIZE],
  forward({ inputs: [draw], attrs, output }) {
    const { centre, rotation = [0, 0], shear = 0, zoom = [1, 1], rows, columns, purpose = 0 } = attrs;
    const pixels = (shift?: ShiftRange) => (shift && 'pixels' in shift ? shift.pixels : 0);
    const whole = (shift?: ShiftRange) => (shift && 'whole' in shift ? shift.whole : 0);
    launch(
      affineKernel,
      { draw, transforms: split(output, TRANSFORM_SIZE) },
      {
        items: attrs.count,
        uniforms: {
          purpose: purposeOffset(purpose),
          centreRow: centre[0],
          centreColumn: centre[1],
          rotationLow: rotation[0],
          rotationHigh: rotation[1],
          shear,
          zoomLow: zoom[0],
          zoomHigh: zoom[1],
          rows: pixels(rows),
          columns: pixels(columns),
          wholeRows: whole(rows),
          wholeColumns: whole(columns),
          flipColumns: attrs.flipColumns ?? 0,
          flipRows: attrs.flipRows ?? 0,
        },
      },
    );
  },
});

/**
 * Draws an affine map and flips for each of `count` images: what `warpImages` takes.
 *
 * @param draw the random words: `RandomStream.drawTensor()`
 * @returns f32 [count, 12]: the map's matrix (3x3, row-major), whether columns and rows are mirrored (1 or 0), 0
 * @throws ShapeError
 */
export function drawAffine(draw: Tensor, count: number, options: DrawAffineOptions): Tensor {
  expectTensor('drawAffine', 'draw', draw, 'u32', [4]);
  for (const shift of [options.rows, options.columns]) {
    const range = shift && ('whole' in shift ? shift.whole : shift.pixels);
    const wrong = range !== undefined && !(range >= 0 && (!('whole' in shift!) || Number.isInteger(range)));
    if (wrong)
      throw new ShapeError('drawAffine', 'a shift range of at least 0, whole where asked', String(range));
  }
  return op([draw], { ...options, count });
}
