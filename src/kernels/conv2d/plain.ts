import { kernel, type UniformType } from '../../gpu/kernel.ts';
import { launch, split } from '../../tensor/launch.ts';
import { empty } from '../../tensor/tensor.ts';
import { nanWgsl } from '../shared/nan.ts';
import { sumPartials } from '../shared/sumRows.ts';
import { type ConvVariant, directFlops, type Geometry } from './geometry.ts';

/*
 * The convolution as `index.ts` states it, one invocation an output value: the variant to read first, and the one that the
 * others are compared with. f32 sums of n products; relative error at most about n * 2^-24, in practice near sqrt(n) * 2^-24.
 */

const LANES = 64;

const uniforms: Record<string, UniformType> = {
  H: 'u32',
  W: 'u32',
  C: 'u32',
  K: 'u32',
  Y: 'u32',
  X: 'u32',
  I: 'u32',
  J: 'u32',
  S: 'u32',
  T: 'u32',
  P: 'u32',
  Q: 'u32',
};
const uniformsOf = ({ H, W, C, K, Y, X, I, J, S, T, P, Q }: Geometry) => ({
  ...{ H, W, C, K, Y, X },
  ...{ I, J, S, T, P, Q },
});

// Offsets wrap below zero, so that one comparison checks both ends of a range.
const forwardKernel = kernel({
  name: 'conv2d-plain',
  lanes: LANES,
  read: { x: 'f32', w: 'f32', bias: 'f32' },
  write: { y: 'f32' },
  uniforms: { ...uniforms, hasBias: 'u32', relu: 'u32' },
  declarations: nanWgsl('f32'),
  body: `
    if (item >= u.items * u.Y * u.X * u.K) { return; }
    let k = item % u.K;
    let ox = item / u.K % u.X;
    let oy = item / (u.K * u.X) % u.Y;
    let n = item / (u.K * u.X * u.Y);
    var s = 0.0;
    for (var i = 0u; i < u.I; i++) {
      let h = oy * u.S + i - u.P;
      if (h >= u.H) { continue; }
      for (var j = 0u; j < u.J; j++) {
        let v = ox * u.T + j - u.Q;
        if (v >= u.W) { continue; }
        let xAt = ((n * u.H + h) * u.W + v) * u.C;
        let wAt = (i * u.J + j) * u.C * u.K + k;
        for (var c = 0u; c < u.C; c++) { s += x[xAt + c] * w[wAt + c * u.K]; }
      }
    }
    if (u.hasBias != 0u) { s += bias[k]; }
    y[item] = select(s, rectified(s), u.relu != 0u);`,
});

const inputGradientKernel = kernel({
  name: 'conv2d-input-gradient-plain',
  lanes: LANES,
  read: { dy: 'f32', w: 'f32' },
  write: { dx: 'f32' },
  uniforms,
  body: `
    if (item >= u.items * u.H * u.W * u.C) { return; }
    let c = item % u.C;
    let v = item / u.C % u.W;
    let h = item / (u.C * u.W) % u.H;
    let n = item / (u.C * u.W * u.H);
    var s = 0.0;
    // Only every S-th row and T-th column of the kernel meets an output here.
    for (var i = (h + u.P) % u.S; i < u.I; i += u.S) {
      let oy = (h + u.P - i) / u.S;
      if (h + u.P < i || oy >= u.Y) { continue; }
      for (var j = (v + u.Q) % u.T; j < u.J; j += u.T) {
        let ox = (v + u.Q - j) / u.T;
        if (v + u.Q < j || ox >= u.X) { continue; }
        let dyAt = ((n * u.Y + oy) * u.X + ox) * u.K;
        let wAt = ((i * u.J + j) * u.C + c) * u.K;
        for (var k = 0u; k < u.K; k++) { s += dy[dyAt + k] * w[wAt + k]; }
      }
    }
    dx[item] = s;`,
});

// An item is a group of images; each group sums into a filter gradient of its own.
const filterGradientKernel = kernel({
  name: 'conv2d-filter-gradient-plain',
  lanes: LANES,
  read: { x: 'f32', dy: 'f32' },
  write: { partial: 'f32' },
  uniforms: { ...uniforms, N: 'u32', groupImages: 'u32' },
  body: `
    let size = u.I * u.J * u.C * u.K;
    if (item >= u.items * size) { return; }
    let group = item / size;
    let k = item % u.K;
    let c = item / u.K % u.C;
    let j = item / (u.K * u.C) % u.J;
    let i = item / (u.K * u.C * u.J) % u.I;
    let begin = group * u.groupImages;
    let end = min(begin + u.groupImages, u.N - u.first * u.groupImages);
    var s = 0.0;
    for (var n = begin; n < end; n++) {
      for (var oy = 0u; oy < u.Y; oy++) {
        let h = oy * u.S + i - u.P;
        if (h >= u.H) { continue; }
        for (var ox = 0u; ox < u.X; ox++) {
          let v = ox * u.T + j - u.Q;
          if (v >= u.W) { continue; }
          s += x[((n * u.H + h) * u.W + v) * u.C + c] * dy[((n * u.Y + oy) * u.X + ox) * u.K + k];
        }
      }
    }
    partial[item] = s;`,
});

/** Groups of images at most: their partial gradients are summed afterwards. */
const MOST_GROUPS = 16;

export const plain: ConvVariant = {
  name: 'plain',
  supports: () => true,
  // About 1.5 GFLOP/s on lavapipe.
  cost: (g) => directFlops(g) / 1.5,
  roundOffs: 8,
  forward(g, x, w, { bias, relu, y }) {
    const { N, H, W, C, K, Y, X } = g;
    launch(
      forwardKernel,
      { x: split(x, H * W * C), w, bias: bias ?? w, y: split(y, Y * X * K) },
      {
        items: N,
        workgroups: (items) => Math.ceil((items * Y * X * K) / LANES),
        uniforms: { ...uniformsOf(g), hasBias: bias ? 1 : 0, relu: relu ? 1 : 0 },
      },
    );
  },
  inputGradient(g, { dy }, w, dx) {
    const { N, H, W, C, K, Y, X } = g;
    launch(
      inputGradientKernel,
      { dy: split(dy, Y * X * K), w, dx: split(dx, H * W * C) },
      { items: N, workgroups: (items) => Math.ceil((items * H * W * C) / LANES), uniforms: uniformsOf(g) },
    );
  },
  filterGradient(g, x, { dy }) {
    const { N, H, W, C, K, Y, X, I, J } = g;
    const groupImages = Math.ceil(N / MOST_GROUPS);
    const groups = Math.ceil(N / groupImages);
    const size = I * J * C * K;
    const partial = empty([groups, size]);
    launch(
      filterGradientKernel,
      {
        x: split(x, groupImages * H * W * C),
        dy: split(dy, groupImages * Y * X * K),
        partial: split(partial, size),
      },
      {
        items: groups,
        workgroups: (items) => Math.ceil((items * size) / LANES),
        uniforms: { ...uniformsOf(g), N, groupImages },
      },
    );
    return sumPartials(partial, [I, J, C, K]);
  },
};
