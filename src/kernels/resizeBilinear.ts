import { ShapeError } from '../errors.ts';
import { kernelFamily, type UniformType } from '../gpu/kernel.ts';
import { defineOp } from '../tensor/autograd.ts';
import { launch, split } from '../tensor/launch.ts';
import { type Shape, showShape } from '../tensor/shape.ts';
import { empty, type Tensor } from '../tensor/tensor.ts';
import { expectTensor } from './shared/expectTensor.ts';

/*
 * Bilinear resampling: rows, then columns, each output a mix of its two neighbours.
 *
 * N images, H x W input, Y x X output, C channels. Output row oy lies at input row s(oy):
 *   half-pixel centres   s(oy) = (oy + 1/2) H/Y - 1/2             = ((2 oy + 1) H - Y) / 2Y
 *   aligned corners      s(oy) = oy (H-1)/(Y-1), of one row 0     = oy (H-1) / max(Y-1, 1)
 * which is a fraction of whole numbers, (oy a + b) / d, so that neighbours and weights come out exact. Columns likewise.
 *
 *   weight(oy,h)  = max(0, 1 - |s(oy) - h|), and 1 where s(oy) is past the edge row h
 *   y[n,oy,ox,c]  = sum_{h,v} weight(oy,h) weight(ox,v) x[n,h,v,c]
 *   dx[n,h,v,c]   = sum_{oy,ox} weight(oy,h) weight(ox,v) dy[n,oy,ox,c]
 *
 * The gradient gathers from the outputs that weigh an input, whose s(oy) is above h - 1 and below h + 1.
 *
 * An invocation computes one element, of four channels where C is a multiple of 4; G is their number.
 */

const NAME = 'resizeBilinear';
const LANES = 64;
/** Fractions are computed with i32. */
const LARGEST = 2 ** 31;

const uniforms: Record<string, UniformType> = Object.fromEntries(
  ['H', 'W', 'G', 'Y', 'X', 'aY', 'bY', 'dY', 'aX', 'bX', 'dX'].map((name) => [name, 'i32']),
);

/** The element of an invocation in an image of this height and width: `image`, `row`, `column` and `g`. */
const placeWgsl = (height: string, width: string) => `
    let height = u32(u.${height});
    let width = u32(u.${width});
    let groups = u32(u.G);
    if (item >= u.items * height * width * groups) { return; }
    let pixel = item / groups;
    let g = item - pixel * groups;
    let line = pixel / width;
    let column = i32(pixel - line * width);
    let image = line / height;
    let row = i32(line - image * height);`;

const elementOf = (vector: boolean) => (vector ? 'vec4f' : 'f32');

const forwardKernel = kernelFamily(({ vector }: { vector: boolean }) => ({
  name: 'resize-bilinear',
  lanes: LANES,
  read: { x: elementOf(vector) },
  write: { y: elementOf(vector) },
  uniforms,
  declarations: `
    struct Neighbours { low: u32, high: u32, weight: f32 }
    // Of s / d in 0 to last; the weight is that of the higher one.
    fn neighbours(s: i32, d: i32, last: i32) -> Neighbours {
      if (s <= 0) { return Neighbours(0u, 0u, 0.0); }
      let low = s / d;
      return Neighbours(u32(min(low, last)), u32(min(low + 1, last)), f32(s - low * d) / f32(d));
    }`,
  body: `
    ${placeWgsl('Y', 'X')}
    let rows = neighbours(row * u.aY + u.bY, u.dY, u.H - 1);
    let columns = neighbours(column * u.aX + u.bX, u.dX, u.W - 1);
    let upper = (image * u32(u.H) + rows.low) * u32(u.W);
    let lower = (image * u32(u.H) + rows.high) * u32(u.W);
    let top = (1.0 - columns.weight) * x[(upper + columns.low) * groups + g]
      + columns.weight * x[(upper + columns.high) * groups + g];
    let bottom = (1.0 - columns.weight) * x[(lower + columns.low) * groups + g]
      + columns.weight * x[(lower + columns.high) * groups + g];
    y[item] = (1.0 - rows.weight) * top + rows.weight * bottom;`,
}));

const gradientKernel = kernelFamily(({ vector }: { vector: boolean }) => ({
  name: 'resize-bilinear-gradient',
  lanes: LANES,
  read: { dy: elementOf(vector) },
  write: { dx: elementOf(vector) },
  uniforms,
  declarations: `
    // Along an axis of 'size' inputs and 'outputs' outputs, those that weigh input h: from the first to, not with, the last.
    fn reach(h: i32, size: i32, outputs: i32, a: i32, b: i32, d: i32) -> vec2i {
      var first = 0;
      var last = outputs;
      let below = (h - 1) * d - b;
      if (h > 0 && below >= 0) { first = below / a + 1; }
      if (h < size - 1) { last = min(((h + 1) * d - b + a - 1) / a, outputs); }
      return vec2i(first, last);
    }
    fn weightOf(s: i32, h: i32, size: i32, d: i32) -> f32 {
      let beyond = s - h * d;
      if ((h == 0 && beyond < 0) || (h == size - 1 && beyond > 0)) { return 1.0; }
      return max(0.0, f32(d - abs(beyond)) / f32(d));
    }`,
  body: `
    ${placeWgsl('H', 'W')}
    let rows = reach(row, u.H, u.Y, u.aY, u.bY, u.dY);
    let columns = reach(column, u.W, u.X, u.aX, u.bX, u.dX);
    var sum = ${elementOf(vector)}();
    for (var oy = rows.x; oy < rows.y; oy++) {
      var line = ${elementOf(vector)}();
      for (var ox = columns.x; ox < columns.y; ox++) {
        let at = ((image * u32(u.Y) + u32(oy)) * u32(u.X) + u32(ox)) * groups + g;
        line += weightOf(ox * u.aX + u.bX, column, u.W, u.dX) * dy[at];
      }
      sum += weightOf(oy * u.aY + u.bY, row, u.H, u.dY) * line;
    }
    dx[item] = sum;`,
}));

interface Attributes {
  readonly size: readonly [height: number, width: number];
  readonly alignCorners: boolean;
}

/** Letters of the kernels. @throws ShapeError */
function geometryOf(x: Shape, { size, alignCorners }: Attributes, op = NAME) {
  if (x.length !== 4) throw new ShapeError(op, 'x [N, H, W, C]', showShape(x));
  if (!Array.isArray(size) || size.length !== 2 || !size.every((n) => Number.isInteger(n) && n >= 1))
    throw new ShapeError(op, 'a size [height, width] of positive whole numbers', JSON.stringify(size));
  const [N, H, W, C] = x;
  const [Y, X] = size;
  if (2 * (H + 1) * (Y + 1) >= LARGEST || 2 * (W + 1) * (X + 1) >= LARGEST)
    throw new ShapeError(op, 'sizes whose products are below 2^30', `${H}x${W} and ${Y}x${X}`);
  const along = (inputs: number, outputs: number) =>
    alignCorners ? [inputs - 1, 0, Math.max(outputs - 1, 1)] : [2 * inputs, inputs - outputs, 2 * outputs];
  const [[aY, bY, dY], [aX, bX, dX]] = [along(H, Y), along(W, X)];
  const vector = C % 4 === 0;
  return { N, C, vector, letters: { H, W, G: vector ? C / 4 : C, Y, X, aY, bY, dY, aX, bX, dX } };
}

/** @throws ShapeError */
export function resizedShape(op: string, x: Shape, size: Attributes['size']): Shape {
  const { N, C, letters } = geometryOf(x, { size, alignCorners: false }, op);
  return [N, letters.Y, letters.X, C];
}

const op = defineOp<Attributes>({
  name: NAME,
  shape: ([x], { size }) => resizedShape(NAME, x, size),
  forward({ inputs: [x], attrs, output: y }) {
    const { N, C, vector, letters } = geometryOf(x.shape, attrs);
    const { H, W, Y, X, G } = letters;
    launch(
      forwardKernel({ vector }),
      { x: split(x, H * W * C), y: split(y, Y * X * C) },
      { items: N, workgroups: (items) => Math.ceil((items * Y * X * G) / LANES), uniforms: letters },
    );
  },
  backward({ gradient: dy, attrs, inputShapes: [shape] }) {
    const { N, C, vector, letters } = geometryOf(shape, attrs);
    const { H, W, Y, X, G } = letters;
    const dx = empty(shape);
    launch(
      gradientKernel({ vector }),
      { dy: split(dy, Y * X * C), dx: split(dx, H * W * C) },
      { items: N, workgroups: (items) => Math.ceil((items * H * W * G) / LANES), uniforms: letters },
    );
    return [dx];
  },
});

/** Options of `resizeBilinear`. */
export interface ResizeBilinearOptions {
  /**
   * The corner pixels' centres stay in place, as with PyTorch's `align_corners`. Default false: pixels are squares, as in TensorFlow 2 and in
   * PyTorch by default.
   */
  alignCorners?: boolean;
}

/**
 * Images at another size, each output pixel mixed from the four input pixels around it (no antialiasing: where images shrink, pixels
 * between are skipped). Past the outermost pixels' centres their values go on.
 *
 * @param x images [N, H, W, C]
 * @param size height and width of the result
 * @returns [N, height, width, C]
 * @throws ShapeError
 * @example
 * ```ts
 * import { resizeBilinear, zeros } from 'weft-gpu';
 *
 * console.log(resizeBilinear(zeros([1, 28, 28, 3]), [75, 75]).shape); // [ 1, 75, 75, 3 ]
 * ```
 */
export function resizeBilinear(
  x: Tensor,
  size: readonly [height: number, width: number],
  { alignCorners = false }: ResizeBilinearOptions = {},
): Tensor {
  expectTensor(NAME, 'x', x, 'f32');
  return op([x], { size, alignCorners });
}
