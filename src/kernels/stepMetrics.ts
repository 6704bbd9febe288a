import { ShapeError, WeftError } from '../errors.ts';
import { kernel, kernelFamily } from '../gpu/kernel.ts';
import { launch } from '../tensor/launch.ts';
import { showShape } from '../tensor/shape.ts';
import type { Tensor } from '../tensor/tensor.ts';
import { expectTensor } from './shared/expectTensor.ts';
import { HALTED_BY_LOSS, IS_FINITE_WGSL } from './shared/halt.ts';
import { REDUCING_LANES, reduceLanesWgsl } from './shared/reduceLanes.ts';

/*
 * What a training step reports, kept on the GPU until somebody reads the log.
 *
 * N samples, K classes; logits [N,K], labels [N]
 *   log[2 * index]     = loss
 *   log[2 * index + 1] = number of n whose largest logit (the first of equals) is that of labels[n]; 0 without logits;
 *                        where the step was halted, -halt. Where K = 1, class 1 is that of a logit above the
 *                        threshold, class 0 of another
 *   halt = 1 at least where the loss isn't finite
 */

const LOOK_AT_LOSS = `if (!isFinite(vec4f(loss[0])).x) { halt[0] = max(halt[0], ${HALTED_BY_LOSS}u); }`;

const COUNT_CORRECT = `
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
      if (u.K == 1u && largest > u.threshold) { best = 1u; }
      correct += select(0u, 1u, best == labels[n]);
    }`;

const metricsKernel = kernelFamily(({ classifies }: { classifies: boolean }) => ({
  name: 'step-metrics',
  lanes: REDUCING_LANES,
  read: {
    loss: 'f32' as const,
    ...(classifies && { logits: 'f32' as const, labels: 'u32' as const }),
    index: 'u32' as const,
  },
  write: { log: 'f32' as const, halt: 'u32' as const },
  uniforms: { N: 'u32' as const, K: 'u32' as const, threshold: 'f32' as const },
  declarations: reduceLanesWgsl('u32', 'a + b') + IS_FINITE_WGSL,
  body: `
    var correct = 0u;
    ${classifies ? COUNT_CORRECT : ''}
    let total = reduceLanes(lane, correct);
    if (lane == 0u) {
      log[2u * index[0]] = loss[0];
      log[2u * index[0] + 1u] = f32(total);
      ${LOOK_AT_LOSS}
    }`,
}));

const furtherKernel = kernel({
  name: 'note-non-finite',
  lanes: 1,
  read: { loss: 'f32', index: 'u32' },
  write: { log: 'f32', halt: 'u32' },
  declarations: IS_FINITE_WGSL,
  body: `
    if (!isFinite(vec4f(loss[0])).x) { log[2u * index[0]] = loss[0]; }
    ${LOOK_AT_LOSS}`,
});

const haltKernel = kernel({
  name: 'note-halt',
  lanes: 1,
  read: { halt: 'u32', index: 'u32' },
  write: { log: 'f32' },
  body: 'if (halt[0] != 0u) { log[2u * index[0] + 1u] = -f32(halt[0]); }',
});

/** The tensors that `noteNonFinite` reads and writes. */
export interface StepLossTensors {
  /** f32 of one element. */
  loss: Tensor;
  /** f32 [2 * capacity], written at `index`. */
  log: Tensor;
  /** u32 [1], raised when the loss isn't finite, else left as it is. */
  halt: Tensor;
  /** u32 [1]: which entry of the log, 0 .. capacity - 1. */
  index: Tensor;
}

/** The tensors that `stepMetrics` reads and writes. */
export interface StepMetricsTensors extends StepLossTensors {
  /** f32 [N, K]. Left out, with the labels: nothing is classified. */
  logits?: Tensor;
  /** i32 or u32 [N] */
  labels?: Tensor;
  /** Of one column of logits: what that of class 1 is above. Default 0. */
  threshold?: number;
}

/** @throws ShapeError */
function checkLoss(op: string, { loss, ...tensors }: StepLossTensors): void {
  if (loss.size !== 1) throw new ShapeError(op, 'a loss of one element', showShape(loss.shape));
  expectTensor(op, 'loss', loss, 'f32');
  check(op, tensors);
}

/** @throws ShapeError */
function check(op: string, { log, halt, index }: Omit<StepLossTensors, 'loss'>): void {
  if (log.size % 2 !== 0) throw new ShapeError(op, 'a log [2 * capacity]', showShape(log.shape));
  expectTensor(op, 'log', log, 'f32');
  expectTensor(op, 'halt', halt, 'u32', [1]);
  expectTensor(op, 'index', index, 'u32', [1]);
}

/**
 * Notes a step's loss and its number of right predictions in `log`, and raises `halt` when the loss isn't
 * finite: `adamUpdate` and `sgdUpdate`, issued afterwards, then leave the weights as they are.
 *
 * @throws ShapeError; WeftError for logits without labels
 */
export function stepMetrics({ logits, labels, threshold = 0, ...tensors }: StepMetricsTensors): void {
  checkLoss('stepMetrics', tensors);
  const { loss, log, halt, index } = tensors;
  if (!logits || !labels) {
    if (logits || labels) throw new WeftError('stepMetrics: logits and labels go together, one is missing');
    launch(
      metricsKernel({ classifies: false }),
      { loss, index, log, halt },
      { items: 1, workgroups: () => 1, uniforms: { N: 0, K: 0, threshold: 0 } },
    );
    return;
  }
  if (logits.rank !== 2) throw new ShapeError('stepMetrics', 'logits [N, K]', showShape(logits.shape));
  const [N, K] = logits.shape;
  expectTensor('stepMetrics', 'logits', logits, 'f32');
  expectTensor('stepMetrics', 'labels', labels, ['i32', 'u32'], [N]);
  launch(
    metricsKernel({ classifies: true }),
    { loss, logits, labels, index, log, halt },
    { items: 1, workgroups: () => 1, uniforms: { N, K, threshold } },
  );
}

/**
 * Looks at a further loss of a step that `stepMetrics` noted, as a second pass has one: where it isn't finite, it takes the noted
 * loss's place and raises `halt`.
 *
 * @throws ShapeError
 */
export function noteNonFinite({ loss, log, halt, index }: StepLossTensors): void {
  checkLoss('noteNonFinite', { loss, log, halt, index });
  launch(furtherKernel, { loss, index, log, halt }, { items: 1 });
}

/**
 * Notes in the log that a step was halted, after all that could halt it: the log then says which step was the first.
 *
 * @throws ShapeError
 */
export function noteHalt({ log, halt, index }: Omit<StepLossTensors, 'loss'>): void {
  check('noteHalt', { log, halt, index });
  launch(haltKernel, { halt, index, log }, { items: 1 });
}
