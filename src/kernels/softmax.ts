import { ShapeError } from '../errors.ts';
import { kernelFamily } from '../gpu/kernel.ts';
import { defineOp } from '../tensor/autograd.ts';
import { launch, split } from '../tensor/launch.ts';
import { empty, type Tensor } from '../tensor/tensor.ts';
import { expectTensor } from './shared/expectTensor.ts';

/*
 * Softmax and its logarithm over the last axis.
 *
 * R rows (the product of all axes but the last), K classes; x, y [R,K]; m[r] = max_k x[r,k]
 *   S[r] = sum_k exp(x[r,k] - m[r])
 *   softmax:     y[r,k] = exp(x[r,k] - m[r]) / S[r]
 *                dx[r,k] = y[r,k] * (dy[r,k] - sum_j dy[r,j] * y[r,j])
 *   logSoftmax:  y[r,k] = x[r,k] - m[r] - log(S[r])
 *                dx[r,k] = dy[r,k] - exp(y[r,k]) * sum_j dy[r,j]
 *
 * One invocation a row: its sums run in rising order.
 */

const LANES = 64;

/** WGSL: the maximum m of the K elements of `x` from `at`, and the sum S of exp(x - m). */
export const rowMaximumAndSumWgsl = `
fn rowMaximumAndSum(at: u32, K: u32) -> vec2f {
  var m = x[at];
  for (var k = 1u; k < K; k++) { m = max(m, x[at + k]); }
  var s = 0.0;
  for (var k = 0u; k < K; k++) { s += exp(x[at + k] - m); }
  return vec2f(m, s);
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
  declarations: rowMaximumAndSumWgsl,
  body: `
    if (item >= u.items) { return; }
    let at = item * u.K;
    let row = rowMaximumAndSum(at, u.K);
    ${log ? 'let logSum = log(row.y);' : ''}
    for (var k = at; k < at + u.K; k++) {
      y[k] = ${log ? 'x[k] - row.x - logSum' : 'exp(x[k] - row.x) / row.y'};
    }`,
}));

const backwardKernel = kernelFamily(({ log }: Variant) => ({
  name: log ? 'log-softmax-gradient' : 'softmax-gradient',
  lanes: LANES,
  read: { y: 'f32', dy: 'f32' },
  write: { dx: 'f32' },
  uniforms: { K: 'u32' },
  body: `
    if (item >= u.items) { return; }
    let at = item * u.K;
    var s = 0.0;
    for (var k = at; k < at + u.K; k++) { s += ${log ? 'dy[k]' : 'dy[k] * y[k]'}; }
    for (var k = at; k < at + u.K; k++) {
      dx[k] = ${log ? 'dy[k] - exp(y[k]) * s' : 'y[k] * (dy[k] - s)'};
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
 */
export const softmax: (x: Tensor) => Tensor = defineSoftmax('softmax', { log: false });

/**
 * The logarithm of `softmax(x)`, exact also where a probability underflows.
 *
 * @param x [..., K]
 * @returns the shape of x
 */
export const logSoftmax: (x: Tensor) => Tensor = defineSoftmax('logSoftmax', { log: true });
