import { ShapeError } from '../errors.ts';
import { kernelFamily } from '../gpu/kernel.ts';
import { defineOp } from '../tensor/autograd.ts';
import { launch, split } from '../tensor/launch.ts';
import { empty, type Tensor } from '../tensor/tensor.ts';
import { expectTensor } from './shared/expectTensor.ts';
import { nanWgsl } from './shared/nan.ts';

/*
 * Softmax and its logarithm over the last axis.
 *
 * R rows (the product of all axes but the last), K classes; x, y [R,K]
 *   m[r] = max_k x[r,k], first reached at k = b
 *   S[r] = sum_{k != b} exp(x[r,k] - m[r]), so that 1 + S[r] is the sum over all k
 *   softmax:     y[r,k] = exp(x[r,k] - m[r]) / (1 + S[r])
 *                dx[r,k] = y[r,k] * (dy[r,k] - sum_j dy[r,j] * y[r,j])
 *   logSoftmax:  y[r,k] = x[r,k] - m[r] - log(1 + S[r])
 *                dx[r,k] = dy[r,k] - exp(y[r,k]) * sum_j dy[r,j]
 *
 * Leaving b out keeps what a sure prediction is short of 1: f32 would round it away beside the 1.
 * One invocation a row: its sums run in rising order.
 */

const LANES = 64;

/** WGSL: m and S of the K elements of `x` from `at`, as above. */
export const maximumAndRestWgsl = `${nanWgsl('f32')}
fn maximumAndRest(at: u32, K: u32) -> vec2f {
  var best = at;
  for (var k = at + 1u; k < at + K; k++) {
    if (beats(x[k], x[best])) { best = k; }
  }
  let m = x[best];
  var rest = 0.0;
  for (var k = at; k < at + K; k++) {
    if (k != best) { rest += exp(x[k] - m); }
  }
  return vec2f(m, rest);
}`;

/**
 * WGSL: `log1p(r)`, the logarithm of 1 + r for r >= 0, to about four round-offs; WGSL's own `log` may be off
 * by 2^-21 near 1. With 1 + r = 2^e (1 + t) and |t| < 0.42 it is e log(2) + 2 artanh(t / (2 + t)), by the
 * series of the inverse hyperbolic tangent.
 */
export const log1pWgsl = `
fn log1p(r: f32) -> f32 {
  let e = i32(round(log2(1.0 + r)));
  let t = ldexp(r + (1.0 - ldexp(1.0, e)), -e);
  let s = t / (2.0 + t);
  let q = s * s;
  return f32(e) * ${Math.LN2} + 2.0 * s * (1.0 + q * (1.0 / 3.0 + q * (1.0 / 5.0 + q * (1.0 / 7.0 + q / 9.0))));
}`;

interface Variant {
  readonly log: boolean;
}

const forwardKernel = kernelFamily(({ log }: Variant) => ({
  name: log ? 'log-softmax' : 'softmax',
  lanes: LANES,
  read: { x: 'f32' },
  write: { y: 'f32' },
  uniforms: { K: 'u32' },
  declarations: maximumAndRestWgsl + log1pWgsl,
  body: `
    if (item >= u.items) { return; }
    let at = item * u.K;
    let row = maximumAndRest(at, u.K);
    ${log ? 'let logSum = log1p(row.y);' : 'let total = 1.0 + row.y;'}
    for (var k = at; k < at + u.K; k++) {
      y[k] = ${log ? 'x[k] - row.x - logSum' : 'exponential(x[k] - row.x) / total'};
    }`,
}));

const backwardKernel = kernelFamily(({ log }: Variant) => ({
  name: log ? 'log-softmax-gradient' : 'softmax-gradient',
  lanes: LANES,
  read: { y: 'f32', dy: 'f32' },
  write: { dx: 'f32' },
  uniforms: { K: 'u32' },
  declarations: nanWgsl('f32'),
  body: `
    if (item >= u.items) { return; }
    let at = item * u.K;
    var s = 0.0;
    for (var k = at; k < at + u.K; k++) { s += ${log ? 'dy[k]' : 'dy[k] * y[k]'}; }
    for (var k = at; k < at + u.K; k++) {
      dx[k] = ${log ? 'dy[k] - exponential(y[k]) * s' : 'y[k] * (dy[k] - s)'};
    }`,
}));

function defineSoftmax(name: string, variant: Variant): (x: Tensor) => Tensor {
  const op = defineOp({
    name,
    shape([x]) {
      if (x.length === 0) throw new ShapeError(name, 'x with an axis of classes', 'a scalar');
      return x;
    },
    forward({ inputs: [x], output, save }) {
      const K = x.shape[x.rank - 1];
      launch(
        forwardKernel(variant),
        { x: split(x, K), y: split(output, K) },
        { items: x.size / K, uniforms: { K } },
      );
      save(output);
    },
    backward({ gradient: dy, saved: [y] }) {
      const K = y.shape[y.rank - 1];
      const dx = empty(y.shape);
      launch(
        backwardKernel(variant),
        { y: split(y, K), dy: split(dy, K), dx: split(dx, K) },
        { items: y.size / K, uniforms: { K } },
      );
      return [dx];
    },
  });
  return (x) => {
    expectTensor(name, 'x', x, 'f32');
    return op([x], undefined);
  };
}

/**
 * Turns scores into probabilities along the last axis: `exp(x) / sum(exp(x))`, whatever the size of x.
 *
 * @param x [..., K]
 * @returns the shape of x; rows sum to 1
 * @example
 * ```ts
 * import { softmax, tensor } from 'weft-gpu';
 *
 * await softmax(tensor([[0, 0]])).data(); // Float32Array [0.5, 0.5]
 * ```
 */
export const softmax: (x: Tensor) => Tensor = defineSoftmax('softmax', { log: false });

/**
 * The logarithm of `softmax(x)`, exact also where a probability underflows.
 *
 * @param x [..., K]
 * @returns the shape of x
 */
export const logSoftmax: (x: Tensor) => Tensor = defineSoftmax('logSoftmax', { log: true });
