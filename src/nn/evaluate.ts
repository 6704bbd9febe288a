import { checkNumber } from '../checks.ts';
import { softmaxCrossEntropy } from '../kernels/softmaxCrossEntropy.ts';
import { noGrad } from '../tensor/autograd.ts';
import { type Recorded, record } from '../tensor/record.ts';
import { type Tensor, tensor } from '../tensor/tensor.ts';
import { checkLabels, type Scores, scoresOf, thresholdOf } from './classifier.ts';
import type { CallOptions } from './layer.ts';
import type { Model } from './model.ts';
import { checkedSamples, type Samples } from './samples.ts';

/**
 * From what the model gives for a batch (see `LossOperand`), its labels [N], and its inputs to a scalar. An autoencoder's takes the
 * inputs: `(output, _, inputs) => meanSquaredError(output, inputs)`.
 */
export type Loss = (output: Tensor, labels: Tensor, inputs: Tensor) => Tensor;

/** What a loss is computed of: the logits that a last softmax or sigmoid is given, or the model's output. */
export type LossOperand = 'logits' | 'output';

/** What a loss is computed of, for a batch. */
export const lossOperand = (
  model: Model,
  x: Tensor,
  lossOf: LossOperand = 'logits',
  options: CallOptions = {},
): Tensor => (lossOf === 'logits' ? model.logits(x, options) : model.call(x, options));

/** `accuracy`: the share of the samples whose largest output is that of their label; of one output, whose probability of class 1 is above a half where that is their label. */
export type Metric = 'accuracy';

/** The loss where none is given: from logits [N, classes] and integer labels [N]. */
export const classLoss: Loss = (logits, labels) => softmaxCrossEntropy(logits, labels);

/** What every model has. */
export interface LossEvaluation {
  /** Mean loss over the samples, with the model's L2 penalty. */
  readonly loss: number;
}

/** What a classifier has, too. */
export interface Evaluation extends LossEvaluation {
  readonly accuracy: number;
  /**
   * [samples, classes] row-major, in the order of the indices: what a last softmax or sigmoid gives, without one the softmax of the outputs.
   * Of a model with one output the probability of class 1, [samples, 1].
   */
  readonly probabilities: Float32Array;
  /** Columns of `probabilities`. */
  readonly classes: number;
}

/** How samples are evaluated. */
export interface EvaluateOptions {
  /** Default 256. */
  batchSize?: number;
  /** Default `softmaxCrossEntropy`. */
  loss?: Loss;
  /** Default 'logits'. */
  lossOf?: LossOperand;
  /** What is computed beside the loss. Default `['accuracy']`; `[]` for a model that classifies nothing. */
  metrics?: readonly Metric[];
  /** Called after each batch with the samples done. What it throws ends the evaluation. */
  onProgress?: (done: number, total: number) => void;
}

/** Evaluates a model in inference mode, again and again with one recorded step. */
export class Evaluator {
  private readonly step: Recorded<[Tensor], { loss: Tensor; logits: Tensor; labels: Tensor }>;
  private readonly penalty: Recorded<[], { penalty: Tensor | undefined }>;
  private readonly samples: Samples;
  private readonly batchSize: number;
  /** Undefined where nothing is classified. */
  private readonly scores: Scores | undefined;

  /** @throws WeftError naming the option, index or label that is wrong */
  constructor(
    model: Model,
    given: Samples,
    private readonly options: EvaluateOptions = {},
  ) {
    const { loss = classLoss, lossOf, batchSize = 256 } = options;
    this.batchSize = checkNumber('evaluate', 'batchSize', batchSize, { from: 1, whole: true });
    this.scores = scoresOf('evaluate', model, options);
    const samples = checkedSamples('evaluate', 'samples', given);
    this.samples = samples;
    if (this.scores || loss === classLoss) checkLabels('evaluate', 'samples', model, samples);
    this.step = record((indices: Tensor) =>
      noGrad(() => {
        const { x, labels } = samples.source.batch(indices, false);
        const logits = lossOperand(model, x, lossOf);
        return { loss: loss(logits, labels, x), logits, labels };
      }),
    );
    this.penalty = record(() => noGrad(() => ({ penalty: model.regularization() })));
  }

  /** Figures of a classifier, unless `metrics` is empty. */
  async run(): Promise<Evaluation | LossEvaluation> {
    const { indices } = this.samples;
    const { batchSize, scores } = this;
    const { onProgress } = this.options;
    const classes = scores && new Classes(indices.length, scores);
    let lossSum = 0;
    for (let at = 0; at < indices.length; at += batchSize) {
      const part = indices.subarray(at, at + batchSize);
      const input = tensor(part);
      const result = await this.step(input);
      input.dispose();
      const [loss] = await Promise.all([result.loss.item(), classes?.take(at, result.logits, result.labels)]);
      lossSum += loss * part.length;
      onProgress?.(Math.min(at + batchSize, indices.length), indices.length);
    }
    const { penalty } = await this.penalty();
    const loss = lossSum / indices.length + (penalty ? await penalty.item() : 0);
    return { loss, ...classes?.figures };
  }

  /** Frees the recorded step. */
  dispose(): void {
    this.step.dispose();
    this.penalty.dispose();
  }
}

/** What a classifier answers, batch after batch. */
class Classes {
  private probabilities = new Float32Array(0);
  private classes = 0;
  private correct = 0;

  constructor(
    private readonly count: number,
    private readonly scores: Scores,
  ) {}

  /** Reads the logits [N, classes] and labels [N] of the samples from number `at` on. */
  async take(at: number, logits: Tensor, labels: Tensor): Promise<void> {
    const [values, truth] = await Promise.all([logits.data(), labels.data()]);
    this.classes = logits.shape[1];
    if (at === 0) this.probabilities = new Float32Array(this.count * this.classes);
    truth.forEach((label, i) => {
      const scores = (values as Float32Array).subarray(i * this.classes, (i + 1) * this.classes);
      const row = toProbabilities[this.scores](scores);
      this.probabilities.set(row, (at + i) * this.classes);
      const answer = this.classes === 1 ? Number(scores[0] > thresholdOf(this.scores)) : argmaxRow(row);
      // Comparisons with NaN leave class 0.
      if (answer === label && !scores.some(Number.isNaN)) this.correct++;
    });
  }

  get figures(): Omit<Evaluation, 'loss'> {
    const { probabilities, classes } = this;
    return { accuracy: this.correct / this.count, probabilities, classes };
  }
}

/**
 * Evaluates a model on samples, in inference mode: a classifier, unless `metrics` is empty.
 *
 * @throws WeftError naming the option, the index or the label that is wrong, before anything is computed
 * @example
 * ```ts
 * import { ArraySource, evaluate, layers, sequential } from 'weft-gpu';
 *
 * const source = new ArraySource(Float32Array.of(0, 1, 1, 0, 1, 1), [0, 1, 1], [2]);
 * const model = sequential([layers.dense({ units: 2 })], { inputShape: [2] });
 * const { loss, accuracy, probabilities } = await evaluate(model, { source, indices: Uint32Array.of(0, 1, 2) });
 * console.log(probabilities.length, accuracy >= 0 && accuracy <= 1, loss > 0); // 6 true true
 * ```
 */
export async function evaluate(
  model: Model,
  samples: Samples,
  options: EvaluateOptions & { metrics: readonly [] },
): Promise<LossEvaluation>;
export async function evaluate(
  model: Model,
  samples: Samples,
  options?: EvaluateOptions,
): Promise<Evaluation>;
export async function evaluate(
  model: Model,
  samples: Samples,
  options: EvaluateOptions = {},
): Promise<Evaluation | LossEvaluation> {
  const evaluator = new Evaluator(model, samples, options);
  try {
    return await evaluator.run();
  } finally {
    evaluator.dispose();
  }
}

const toProbabilities: Readonly<Record<Scores, (scores: ArrayLike<number>) => ArrayLike<number>>> = {
  softmax: softmaxRow,
  sigmoid: (scores) => Array.from(scores, (score) => 1 / (1 + Math.exp(-score))),
  probabilities: (scores) => scores,
};

function softmaxRow(logits: ArrayLike<number>): Float64Array {
  const values = Float64Array.from(logits);
  const largest = Math.max(...values);
  const exps = values.map((value) => Math.exp(value - largest));
  const total = exps.reduce((sum, value) => sum + value, 0);
  return exps.map((value) => value / total);
}

/** Index of the first largest value, of numbers. */
export function argmaxRow(values: ArrayLike<number>): number {
  let best = 0;
  for (let i = 1; i < values.length; i++) if (values[i] > values[best]) best = i;
  return best;
}
