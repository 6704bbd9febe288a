import { ShapeError } from '../errors.ts';
import { kernel } from '../gpu/kernel.ts';
import { launch } from '../tensor/launch.ts';
import { showShape } from '../tensor/shape.ts';
import type { Tensor } from '../tensor/tensor.ts';
import { expectTensor } from './shared/expectTensor.ts';
import { REDUCING_LANES, reduceLanesWgsl } from './shared/reduceLanes.ts';

/*
 * What a training step reports, kept on the GPU until somebody reads the log.
 *
 * N samples, K classes; logits [N,K], labels [N]
 *   log[2 * index]     = loss
 *   log[2 * index + 1] = number of n whose largest logit (the first of equals) is that of labels[n]
 *   halt = 1 where the loss isn't finite: all bits of its exponent are set. Comparisons like x != x won't do,
 *          compilers take them for false.
 */

const metricsKernel = kernel({
  name: 'step-metrics',
  lanes: REDUCING_LANES,
  read: { loss: 'f32', logits: 'f32', labels: 'u32', index: 'u32' },
  write: { log: 'f32', halt: 'u32' },
  uniforms: { N: 'u32', K: 'u32' },
  declarations: reduceLanesWgsl('u32', 'a + b'),
  body: `
    var correct = 0u;
    for (var n = lane; n < u.N; n += ${REDUCING_LANES}u) {
      var best = 0u;
      var largest = logits[n * u.K];
      for (var k = 1u; k < u.K; k++) {
        let value = logits[n * u.K + k];
        if (value > largest) {
          largest = value;
          best = k;
        }
      }
      correct += select(0u, 1u, best == labels[n]);
    }
    let total = reduceLanes(lane, correct);
    if (lane == 0u) {
      log[2u * index[0]] = loss[0];
      log[2u * index[0] + 1u] = f32(total);
      if ((bitcast<u32>(loss[0]) & 0x7f800000u) == 0x7f800000u) { halt[0] = 1u; }
    }`,
});

export interface StepMetricsTensors {
  /** f32 of one element. */
  loss: Tensor;
  /** f32 [N, K] */
  logits: Tensor;
  /** i32 or u32 [N] */
  labels: Tensor;
  /** f32 [2 * capacity], written at `index`. */
  log: Tensor;
  /** u32 [1], set to 1 when the loss isn't finite, else left as it is. */
  halt: Tensor;
  /** u32 [1]: which entry of the log, 0 .. capacity - 1. */
  index: Tensor;
}

/**
 * Notes a step's loss and its number of right predictions in `log`, and raises `halt` when the loss isn't
 * finite: `adamUpdate` and `sgdUpdate`, issued afterwards, then leave the weights as they are.
 *
 * @throws ShapeError
 */
export function stepMetrics({ loss, logits, labels, log, halt, index }: StepMetricsTensors): void {
  if (loss.size !== 1) throw new ShapeError('stepMetrics', 'a loss of one element', showShape(loss.shape));
  if (logits.rank !== 2) throw new ShapeError('stepMetrics', 'logits [N, K]', showShape(logits.shape));
  if (log.size % 2 !== 0) throw new ShapeError('stepMetrics', 'a log [2 * capacity]', showShape(log.shape));
  const [N, K] = logits.shape;
  expectTensor('stepMetrics', 'loss', loss, 'f32');
  expectTensor('stepMetrics', 'logits', logits, 'f32');
  expectTensor('stepMetrics', 'labels', labels, ['i32', 'u32'], [N]);
  expectTensor('stepMetrics', 'log', log, 'f32');
  expectTensor('stepMetrics', 'halt', halt, 'u32', [1]);
  expectTensor('stepMetrics', 'index', index, 'u32', [1]);
  launch(
    metricsKernel,
    { loss, logits, labels, index, log, halt },
    { items: 1, workgroups: () => 1, uniforms: { N, K } },
  );
}
