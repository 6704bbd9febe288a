import { kernelFamily } from '../../gpu/kernel.ts';
import { launch, split } from '../../tensor/launch.ts';
import { empty, type Tensor } from '../../tensor/tensor.ts';
import { nanWgsl } from '../shared/nan.ts';
import { sumPartials } from '../shared/sumRows.ts';
import { type ConvVariant, directFlops, type Geometry, isUnit3x3, type Output } from './geometry.ts';
import { turnFilter } from './turnFilter.ts';

/*
 * 3x3 convolution as an implicit matrix product in 64 x 64 tiles, for any adapter. A workgroup of 256 invocations brings 16 steps of
 * the common dimension of both operands into workgroup memory (8 KiB); each invocation keeps a 4 x 4 block of the product in registers.
 *
 * Forward: rows are output pixels, columns output channels, the common dimension (tap, input channel). The input gradient is the same
 * over dy with the turned filter. Filter gradient: rows are (tap, input channel), the common dimension the pixels of a
 * group of images; groups are summed in order.
 *
 * Shapes are uniforms, so one pipeline serves every layer. f32 sums in a fixed order; the error bound is the plain variant's.
 */

const TILE = 64;
const DEPTH = 16;
const LANES = 256;

interface Product {
  name: string;
  read: Record<string, 'f32'>;
  write: Record<string, 'f32'>;
  uniforms: readonly string[];
  /** `left(row, k)`, `right(k, column)` (0 outside the operands) and `store(row, column, sum)` (nothing outside the product). */
  access: string;
  /** Sets rowTiles and columnTiles (of one product) from the uniforms, and `begin` and `end`, the range of k, from `product`. */
  setup: string;
  /** Which index of `left` runs along memory: neighbouring lanes load neighbours. */
  leftAlong: 'k' | 'row';
}

export const productKernel = kernelFamily(
  ({ name, read, write, uniforms, access, setup, leftAlong }: Product) => {
    const [row, k] =
      leftAlong === 'k' ? ['lane / 16u + 16u * i', 'lane % 16u'] : ['lane % 64u', 'lane / 64u + 4u * i'];
    return {
      name,
      lanes: LANES,
      read,
      write,
      uniforms: Object.fromEntries(uniforms.map((uniform) => [uniform, 'u32'])),
      declarations: `
      var<workgroup> a: array<f32, ${TILE * DEPTH}>; // [k][row]
      var<workgroup> b: array<f32, ${TILE * DEPTH}>; // [k][column]
      var<private> product: u32;
      var<private> begin: u32;
      var<private> end: u32;
      ${access}`,
      body: `
      var rowTiles = 0u;
      var columnTiles = 0u;
      ${setup}
      let columnTile = workgroup % columnTiles;
      let rowTile = workgroup / columnTiles % rowTiles;
      let row0 = rowTile * ${TILE}u;
      let column0 = columnTile * ${TILE}u;
      let r = lane / 16u * 4u;
      let c = lane % 16u * 4u;
      var s0 = vec4f(); var s1 = vec4f(); var s2 = vec4f(); var s3 = vec4f();
      // The number of steps is the same for every group, so that barriers stay in uniform control flow.
      for (var step = 0u; step < steps; step++) {
        let k0 = begin + step * ${DEPTH}u;
        for (var i = 0u; i < 4u; i++) {
          let row = ${row};
          let k = ${k};
          a[k * ${TILE}u + row] = left(row0 + row, k0 + k);
          let kb = lane / 64u + 4u * i;
          b[kb * ${TILE}u + lane % 64u] = right(k0 + kb, column0 + lane % 64u);
        }
        workgroupBarrier();
        for (var k = 0u; k < ${DEPTH}u; k++) {
          let at = k * ${TILE}u;
          let v = vec4f(b[at + c], b[at + c + 1u], b[at + c + 2u], b[at + c + 3u]);
          s0 = fma(vec4f(a[at + r]), v, s0);
          s1 = fma(vec4f(a[at + r + 1u]), v, s1);
          s2 = fma(vec4f(a[at + r + 2u]), v, s2);
          s3 = fma(vec4f(a[at + r + 3u]), v, s3);
        }
        workgroupBarrier();
      }
      for (var j = 0u; j < 4u; j++) {
        store(row0 + r, column0 + c + j, s0[j]);
        store(row0 + r + 1u, column0 + c + j, s1[j]);
        store(row0 + r + 2u, column0 + c + j, s2[j]);
        store(row0 + r + 3u, column0 + c + j, s3[j]);
      }`,
    };
  },
);

const geometryUniforms = ['H', 'W', 'C', 'K', 'Y', 'X', 'P'] as const;

/** x[image, oy + i - P, ox + j - P, c] for an output pixel and a (tap, c). */
const inputAt = `
  fn inputAt(pixel: u32, tapAndChannel: u32) -> f32 {
    let tap = tapAndChannel / u.C;
    // Offsets wrap below zero, so that one comparison checks both ends of a range.
    let h = pixel / u.X % u.Y + tap / 3u - u.P;
    let v = pixel % u.X + tap % 3u - u.P;
    if (h >= u.H || v >= u.W) { return 0.0; }
    return x[((pixel / (u.X * u.Y) * u.H + h) * u.W + v) * u.C + tapAndChannel % u.C];
  }`;

const forwardKernel = (bias: boolean, relu: boolean) =>
  productKernel({
    name: 'conv2d-tiled',
    read: { x: 'f32', w: 'f32', ...(bias && ({ bias: 'f32' } as const)) },
    write: { y: 'f32' },
    uniforms: geometryUniforms,
    leftAlong: 'k',
    access: `${inputAt}${nanWgsl('f32')}
      fn left(row: u32, k: u32) -> f32 {
        if (row >= u.items * u.Y * u.X || k >= 9u * u.C) { return 0.0; }
        return inputAt(row, k);
      }
      fn right(k: u32, column: u32) -> f32 {
        if (k >= 9u * u.C || column >= u.K) { return 0.0; }
        return w[k * u.K + column];
      }
      fn store(row: u32, column: u32, sum: f32) {
        if (row >= u.items * u.Y * u.X || column >= u.K) { return; }
        let value = sum${bias ? ' + bias[column]' : ''};
        y[row * u.K + column] = ${relu ? 'rectified(value)' : 'value'};
      }`,
    setup: `
      rowTiles = (u.items * u.Y * u.X + ${TILE - 1}u) / ${TILE}u;
      columnTiles = (u.K + ${TILE - 1}u) / ${TILE}u;
      let steps = (9u * u.C + ${DEPTH - 1}u) / ${DEPTH}u;`,
  });

const filterGradientKernel = productKernel({
  name: 'conv2d-filter-gradient-tiled',
  read: { x: 'f32', dy: 'f32' },
  write: { partial: 'f32' },
  uniforms: [...geometryUniforms, 'images', 'groupImages'],
  leftAlong: 'row',
  access: `${inputAt}
    fn left(row: u32, k: u32) -> f32 {
      if (row >= 9u * u.C || k >= end) { return 0.0; }
      return inputAt(k, row);
    }
    fn right(k: u32, column: u32) -> f32 {
      if (k >= end || column >= u.K) { return 0.0; }
      return dy[k * u.K + column];
    }
    fn store(row: u32, column: u32, sum: f32) {
      if (row < 9u * u.C && column < u.K) { partial[(product * 9u * u.C + row) * u.K + column] = sum; }
    }`,
  setup: `
    rowTiles = (9u * u.C + ${TILE - 1}u) / ${TILE}u;
    columnTiles = (u.K + ${TILE - 1}u) / ${TILE}u;
    product = workgroup / (rowTiles * columnTiles);
    begin = product * u.groupImages * u.Y * u.X;
    end = min(begin + u.groupImages * u.Y * u.X, (u.images - u.first * u.groupImages) * u.Y * u.X);
    let steps = (u.groupImages * u.Y * u.X + ${DEPTH - 1}u) / ${DEPTH}u;`,
});

const tiles = (size: number) => Math.ceil(size / TILE);

function convolve(
  { N, H, W, C, K, Y, X, P }: Omit<Geometry, 'I' | 'J' | 'S' | 'T' | 'Q'>,
  x: Tensor,
  w: Tensor,
  { bias, relu, y }: Pick<Output, 'bias' | 'relu' | 'y'>,
): void {
  launch(
    forwardKernel(bias !== undefined, relu),
    { x: split(x, H * W * C), y: split(y, Y * X * K), w, ...(bias && { bias }) },
    { items: N, workgroups: (items) => tiles(items * Y * X) * tiles(K), uniforms: { H, W, C, K, Y, X, P } },
  );
}

/** Workgroups in all at least, and pixels of a group of images at least: enough to keep a GPU busy. */
const LEAST_WORKGROUPS = 512;
const LEAST_PIXELS = 512;

export const tiled: ConvVariant = {
  name: 'tiled',
  supports: isUnit3x3,
  // Few TFLOP/s on hardware, as a textbook tile has them; 1.5 GFLOP/s on lavapipe.
  cost: (g, _, gpu) => directFlops(g) / (gpu.isSoftware ? 1.6 : 2000),
  roundOffs: 8,
  forward(g, x, w, output) {
    convolve(g, x, w, output);
  },
  inputGradient(g, { dy }, w, dx) {
    const { N, H, W, C, K, Y, X, P } = g;
    const turned = { N, H: Y, W: X, C: K, K: C, Y: H, X: W, P: 2 - P };
    convolve(turned, dy, turnFilter(g, w), { bias: undefined, relu: false, y: dx });
  },
  filterGradient({ N, H, W, C, K, Y, X, P }, x, { dy }) {
    const perGroup = tiles(9 * C) * tiles(K);
    const wanted = Math.min(Math.ceil(LEAST_WORKGROUPS / perGroup), Math.ceil((N * Y * X) / LEAST_PIXELS));
    const groupImages = Math.ceil(N / wanted);
    const groups = Math.ceil(N / groupImages);
    const partial = empty([groups, 9 * C * K]);
    launch(
      filterGradientKernel,
      {
        x: split(x, groupImages * H * W * C),
        dy: split(dy, groupImages * Y * X * K),
        partial: split(partial, 9 * C * K),
      },
      {
        items: groups,
        workgroups: (items) => items * perGroup,
        uniforms: { H, W, C, K, Y, X, P, images: N, groupImages },
      },
    );
    return sumPartials(partial, [3, 3, C, K]);
  },
};
