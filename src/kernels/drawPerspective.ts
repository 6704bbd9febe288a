import { ShapeError } from '../errors.ts';
import { kernel } from '../gpu/kernel.ts';
import { defineOp } from '../tensor/autograd.ts';
import { launch, split } from '../tensor/launch.ts';
import type { Tensor } from '../tensor/tensor.ts';
import { expectTensor } from './shared/expectTensor.ts';
import { IMAGE_DRAWS_WGSL, imageDrawUniforms, type Purpose, purposeOffset } from './shared/imageDraws.ts';
import { TRANSFORM_SIZE } from './warpImages.ts';

/*
 * A random perspective for each image, as torchvision's RandomPerspective has it: with probability p each corner moves inward by a
 * whole number of pixels, 0 .. floor(s H/2) in rows and 0 .. floor(s W/2) in columns (H/2 and W/2 rounded down), all equally likely.
 * The map takes a pixel of the result to the place that it shows: the corners (x, y)_0..3 (from the top left, clockwise) go to those of
 * the image, (0, 0), (W-1, 0), (W-1, H-1), (0, H-1).
 *
 * The map from the unit square to a quadrangle is known in closed form (P. Heckbert, "Fundamentals of texture mapping and image
 * warping", 1989, section 2.2.2); ours is (W-1, H-1) times its inverse, which is its adjugate up to a factor. torchvision
 * computes with pixel centres at 0.5 although its corners lie at 0: M' = T(-0.5) M T(0.5). Where three corners lie on a line there is no
 * such map, nor one of torchvision's form where pixel (0, 0) would go to infinity (its solver decides then); the image stays, and so
 * does one of a single row or column.
 *
 * Block 0: word 0 decides; block 1: corners 0 and 1 (column, row, column, row), block 2: corners 2 and 3.
 */

const perspectiveKernel = kernel({
  name: 'draw-perspective',
  lanes: 64,
  read: { draw: 'vec4u' },
  write: { transforms: 'f32' },
  uniforms: { ...imageDrawUniforms, H: 'f32', W: 'f32', rows: 'u32', columns: 'u32', p: 'f32' },
  declarations: `${IMAGE_DRAWS_WGSL}
/** Whether three of the corners lie on a line: no map takes them to those of a rectangle. */
fn isFlat(x: vec4f, y: vec4f) -> bool {
  // Twice the areas of the triangles without corner 0, 1, 2 and 3.
  let areas = vec4f(
    (x[2] - x[1]) * (y[3] - y[1]) - (x[3] - x[1]) * (y[2] - y[1]),
    (x[2] - x[0]) * (y[3] - y[0]) - (x[3] - x[0]) * (y[2] - y[0]),
    (x[1] - x[0]) * (y[3] - y[0]) - (x[3] - x[0]) * (y[1] - y[0]),
    (x[1] - x[0]) * (y[2] - y[0]) - (x[2] - x[0]) * (y[1] - y[0]));
  return any(areas == vec4f());
}`,
  body: `
    if (item >= u.items) { return; }
    let image = u.first + item;
    // Rows of the matrix, over (row, column, 1).
    var toRow = vec3f(1.0, 0.0, 0.0);
    var toColumn = vec3f(0.0, 1.0, 0.0);
    var toScale = vec3f(0.0, 0.0, 1.0);
    let inward = vec4u(u.columns, u.rows, u.columns, u.rows) + 1u;
    let top = vec4f(words(image, 1u) % inward);
    let bottom = vec4f(words(image, 2u) % inward);
    let x = vec4f(top.x, u.W - 1.0 - top.z, u.W - 1.0 - bottom.x, bottom.z);
    let y = vec4f(top.y, top.w, u.H - 1.0 - bottom.y, u.H - 1.0 - bottom.w);
    if (happens(u.p, words(image, 0u).x) && !isFlat(x, y)) {
      let sum = vec2f(x[0] - x[1] + x[2] - x[3], y[0] - y[1] + y[2] - y[3]);
      let d1 = vec2f(x[1] - x[2], y[1] - y[2]);
      let d2 = vec2f(x[3] - x[2], y[3] - y[2]);
      // The square's map [[a, b, c], [d, e, f], [g, h, w]], its denominator multiplied out: all whole numbers.
      let w = d1.x * d2.y - d2.x * d1.y;
      let g = sum.x * d2.y - d2.x * sum.y;
      let h = d1.x * sum.y - sum.x * d1.y;
      let a = (x[1] - x[0]) * w + g * x[1];
      let b = (x[3] - x[0]) * w + h * x[3];
      let c = x[0] * w;
      let d = (y[1] - y[0]) * w + g * y[1];
      let e = (y[3] - y[0]) * w + h * y[3];
      let f = y[0] * w;
      let scale = a * e - b * d;
      if (scale != 0.0) {
        toColumn = vec3f(c * h - b * w, e * w - f * h, b * f - c * e) * ((u.W - 1.0) / scale);
        toRow = vec3f(a * w - c * g, f * g - d * w, c * d - a * f) * ((u.H - 1.0) / scale);
        toScale = vec3f(b * g - a * h, d * h - e * g, scale) / scale;
        // From and to pixel centres.
        toRow.z += 0.5 * (toRow.x + toRow.y);
        toColumn.z += 0.5 * (toColumn.x + toColumn.y);
        toScale.z += 0.5 * (toScale.x + toScale.y);
        toRow -= 0.5 * toScale;
        toColumn -= 0.5 * toScale;
      }
    }
    let at = item * ${TRANSFORM_SIZE}u;
    for (var i = 0u; i < 3u; i++) {
      transforms[at + i] = toRow[i];
      transforms[at + 3u + i] = toColumn[i];
      transforms[at + 6u + i] = toScale[i];
      transforms[at + 9u + i] = 0.0;
    }`,
});

/** Options of `drawPerspective`. */
export interface DrawPerspectiveOptions {
  height: number;
  width: number;
  /** How far corners move: 0 not at all, 1 up to the middle. */
  distortionScale: number;
  /** Probability that an image is distorted. */
  p: number;
  /** Default 0. */
  purpose?: Purpose;
}

const op = defineOp<DrawPerspectiveOptions & { count: number }>({
  name: 'drawPerspective',
  shape: (_, { count }) => [count, TRANSFORM_SIZE],
  forward({
    inputs: [draw],
    attrs: { count, height: H, width: W, distortionScale, p, purpose = 0 },
    output,
  }) {
    const inward = (size: number) => Math.floor(distortionScale * Math.floor(size / 2));
    launch(
      perspectiveKernel,
      { draw, transforms: split(output, TRANSFORM_SIZE) },
      {
        items: count,
        uniforms: { purpose: purposeOffset(purpose), H, W, rows: inward(H), columns: inward(W), p },
      },
    );
  },
});

/**
 * Draws a perspective for each of `count` images: what `warpImages` takes.
 *
 * @param draw the random words: `RandomStream.drawTensor()`
 * @returns f32 [count, 12]: the map's matrix (3x3, row-major), three zeros
 * @throws ShapeError
 */
export function drawPerspective(draw: Tensor, count: number, options: DrawPerspectiveOptions): Tensor {
  expectTensor('drawPerspective', 'draw', draw, 'u32', [4]);
  const { distortionScale: scale } = options;
  if (!(scale >= 0 && scale <= 1))
    throw new ShapeError('drawPerspective', 'a distortion scale from 0 to 1', String(scale));
  return op([draw], { ...options, count });
}
