import { ShapeError } from '../errors.ts';
import { kernel } from '../gpu/kernel.ts';
import { defineOp } from '../tensor/autograd.ts';
import { launch, split } from '../tensor/launch.ts';
import { showShape } from '../tensor/shape.ts';
import { empty, type Tensor } from '../tensor/tensor.ts';
import { expectTensor } from './shared/expectTensor.ts';
import { nanWgsl } from './shared/nan.ts';
import { scaledSum } from './shared/reduceLanes.ts';
import { log1pWgsl, maximumAndRestWgsl } from './softmax.ts';

/*
 * Cross-entropy of integer labels, from logits: what Keras computes for a softmax output, without clipping.
 *
 * N samples, K classes; x [N,K] logits, t [N] labels
 *   m[n] = max_k x[n,k],  L[n] = log(sum_k exp(x[n,k] - m[n]))
 *   q[n,k]  = (1 - s) [k = t[n]] + s / K, the target with a label smoothing of s
 *   loss    = 1/N sum_n (L[n] - sum_k q[n,k] (x[n,k] - m[n]))
 *   dx[n,k] = dloss / N * (exp(x[n,k] - m[n] - L[n]) - q[n,k])
 *
 * m and L are kept apart for the backward pass: their sum would lose what L holds beside a large m.
 */

const LANES = 64;

// A label that is no class can't throw here: it makes the loss NaN, which stops a run.
const rowLossKernel = kernel({
  name: 'softmax-cross-entropy-rows',
  lanes: LANES,
  read: { x: 'f32', labels: 'u32' },
  write: { rows: 'f32', losses: 'f32' },
  uniforms: { K: 'u32', smoothing: 'f32' },
  declarations: maximumAndRestWgsl + log1pWgsl,
  body: `
    if (item >= u.items) { return; }
    let row = maximumAndRest(item * u.K, u.K);
    let logSum = log1p(row.y);
    rows[2u * item] = row.x;
    rows[2u * item + 1u] = logSum;
    let label = labels[item];
    var nanBits = 0x7fc00000u;
    losses[item] = bitcast<f32>(nanBits);
    if (label >= u.K) { return; }
    var score = x[item * u.K + label] - row.x;
    if (u.smoothing > 0.0) {
      var scores = 0.0;
      for (var k = 0u; k < u.K; k++) { scores += x[item * u.K + k] - row.x; }
      score = (1.0 - u.smoothing) * score + u.smoothing / f32(u.K) * scores;
    }
    losses[item] = logSum - score;`,
});

const backwardKernel = kernel({
  name: 'softmax-cross-entropy-gradient',
  lanes: LANES,
  read: { x: 'f32', labels: 'u32', rows: 'f32', dloss: 'f32' },
  write: { dx: 'f32' },
  uniforms: { K: 'u32', scale: 'f32', smoothing: 'f32' },
  declarations: nanWgsl('f32'),
  body: `
    if (item >= u.items * u.K) { return; }
    let n = item / u.K;
    let probability = exponential(x[item] - rows[2u * n] - rows[2u * n + 1u]);
    let wanted = select(0.0, 1.0 - u.smoothing, item % u.K == labels[n]) + u.smoothing / f32(u.K);
    dx[item] = dloss[0] * u.scale * (probability - wanted);`,
});

interface Attributes {
  readonly smoothing: number;
}

const op = defineOp<Attributes>({
  name: 'softmaxCrossEntropy',
  shape([logits, labels]) {
    if (logits.length !== 2) throw new ShapeError('softmaxCrossEntropy', 'logits [N, K]', showShape(logits));
    if (labels.length !== 1 || labels[0] !== logits[0]) {
      throw new ShapeError(
        'softmaxCrossEntropy',
        `labels [${logits[0]}], one a row of logits ${showShape(logits)}`,
        showShape(labels),
      );
    }
    return [];
  },
  forward({ inputs: [x, labels], attrs: { smoothing }, output, save }) {
    const [N, K] = x.shape;
    const rows = empty([N, 2]);
    const losses = empty([N]);
    launch(
      rowLossKernel,
      { x: split(x, K), labels: split(labels, 1), rows: split(rows, 2), losses: split(losses, 1) },
      { items: N, uniforms: { K, smoothing } },
    );
    scaledSum(losses, 1 / N, output);
    save(x, labels, rows);
  },
  backward({ gradient: dloss, saved: [x, labels, rows], attrs: { smoothing } }) {
    const [N, K] = x.shape;
    const dx = empty(x.shape);
    launch(
      backwardKernel,
      { x: split(x, K), labels: split(labels, 1), rows: split(rows, 2), dloss, dx: split(dx, K) },
      {
        items: N,
        workgroups: (items) => Math.ceil((items * K) / LANES),
        uniforms: { K, scale: 1 / N, smoothing },
      },
    );
    return [dx, null];
  },
});

/** Options of `softmaxCrossEntropy`. */
export interface SoftmaxCrossEntropyOptions {
  /**
   * The share of a target that is spread evenly over all classes, its own among them, as Keras and PyTorch have it: 0.1 of ten classes asks
   * for 0.91 and nine times 0.01. From 0 to 1; default 0.
   */
  labelSmoothing?: number;
}

/**
 * Mean cross-entropy of the samples' classes, from logits (scores before the softmax).
 *
 * @param logits [N, K]
 * @param labels classes 0 .. K-1 as i32 or u32 [N]; any other value makes the loss NaN
 * @returns a scalar []
 * @throws ShapeError
 * @example
 * ```ts
 * import { softmaxCrossEntropy, tensor } from 'weft-gpu';
 *
 * const loss = softmaxCrossEntropy(tensor([[0, 0], [0, 0]]), tensor(Int32Array.of(0, 1)));
 * console.log((await loss.item()).toFixed(4)); // 0.6931
 * ```
 */
export function softmaxCrossEntropy(
  logits: Tensor,
  labels: Tensor,
  { labelSmoothing = 0 }: SoftmaxCrossEntropyOptions = {},
): Tensor {
  expectTensor('softmaxCrossEntropy', 'logits', logits, 'f32');
  expectTensor('softmaxCrossEntropy', 'labels', labels, ['i32', 'u32']);
  if (!(labelSmoothing >= 0 && labelSmoothing <= 1))
    throw new ShapeError('softmaxCrossEntropy', 'labelSmoothing from 0 to 1', `${labelSmoothing}`);
  return op([logits, labels], { smoothing: labelSmoothing });
}
