import type { BatchSource } from '../data/batchSource.ts';
import { softmaxCrossEntropy } from '../kernels/softmaxCrossEntropy.ts';
import { noGrad } from '../tensor/autograd.ts';
import { type Recorded, record } from '../tensor/record.ts';
import { type Tensor, tensor } from '../tensor/tensor.ts';
import type { Model } from './model.ts';

/** From logits [N, classes] and integer labels [N] to a scalar. */
export type Loss = (logits: Tensor, labels: Tensor) => Tensor;

/** Some samples of a source. */
export interface Samples {
  readonly source: BatchSource;
  readonly indices: Uint32Array;
}

export interface Evaluation {
  /** Mean loss over the samples, with the model's L2 penalty. */
  readonly loss: number;
  readonly accuracy: number;
  /** Softmax of the logits, [samples, classes] row-major, in the order of the indices. */
  readonly probabilities: Float32Array;
  readonly classes: number;
}

export interface EvaluateOptions {
  /** Default 256. */
  batchSize?: number;
  /** Default `softmaxCrossEntropy`. */
  loss?: Loss;
  /** Called after each batch with the samples done. What it throws ends the evaluation. */
  onProgress?: (done: number, total: number) => void;
}

/** Evaluates a classifier in inference mode, again and again with one recorded step. */
export class Evaluator {
  private readonly step: Recorded<[Tensor], { loss: Tensor; logits: Tensor; labels: Tensor }>;
  private readonly penalty: Recorded<[], { penalty: Tensor | undefined }>;

  constructor(
    model: Model,
    private readonly samples: Samples,
    private readonly options: EvaluateOptions = {},
  ) {
    const { loss = softmaxCrossEntropy } = options;
    this.step = record((indices: Tensor) =>
      noGrad(() => {
        const { x, labels } = samples.source.batch(indices, false);
        const logits = model.logits(x);
        return { loss: loss(logits, labels), logits, labels };
      }),
    );
    this.penalty = record(() => noGrad(() => ({ penalty: model.regularization() })));
  }

  async run(): Promise<Evaluation> {
    const { indices } = this.samples;
    const { batchSize = 256, onProgress } = this.options;
    let lossSum = 0;
    let correct = 0;
    let classes = 0;
    let probabilities = new Float32Array(0);
    for (let at = 0; at < indices.length; at += batchSize) {
      const part = indices.subarray(at, at + batchSize);
      const input = tensor(part);
      const result = await this.step(input);
      input.dispose();
      const [loss, logits, labels] = await Promise.all([
        result.loss.item(),
        result.logits.data(),
        result.labels.data(),
      ]);
      classes = result.logits.shape[1];
      if (at === 0) probabilities = new Float32Array(indices.length * classes);
      lossSum += loss * part.length;
      for (let i = 0; i < part.length; i++) {
        const row = softmaxRow(logits.subarray(i * classes, (i + 1) * classes));
        probabilities.set(row, (at + i) * classes);
        if (argmaxRow(row) === labels[i]) correct++;
      }
      onProgress?.(Math.min(at + batchSize, indices.length), indices.length);
    }
    const { penalty } = await this.penalty();
    const loss = lossSum / indices.length + (penalty ? await penalty.item() : 0);
    return { loss, accuracy: correct / indices.length, probabilities, classes };
  }

  dispose(): void {
    this.step.dispose();
    this.penalty.dispose();
  }
}

/** Evaluates a classifier on samples, in inference mode. */
export async function evaluate(
  model: Model,
  samples: Samples,
  options: EvaluateOptions = {},
): Promise<Evaluation> {
  const evaluator = new Evaluator(model, samples, options);
  try {
    return await evaluator.run();
  } finally {
    evaluator.dispose();
  }
}

function softmaxRow(logits: ArrayLike<number>): Float64Array {
  const values = Float64Array.from(logits);
  const largest = Math.max(...values);
  const exps = values.map((value) => Math.exp(value - largest));
  const total = exps.reduce((sum, value) => sum + value, 0);
  return exps.map((value) => value / total);
}

/** Index of the first largest value. */
export function argmaxRow(values: ArrayLike<number>): number {
  let best = 0;
  for (let i = 1; i < values.length; i++) if (values[i] > values[best]) best = i;
  return best;
}
