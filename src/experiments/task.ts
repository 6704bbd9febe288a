import { sub } from '../kernels/binary.ts';
import { mean } from '../kernels/reduce.ts';
import { softmaxCrossEntropy } from '../kernels/softmaxCrossEntropy.ts';
import { square } from '../kernels/unary.ts';
import type { Loss, Metric } from '../nn/evaluate.ts';

/** What a network is trained to do: to say what an image shows, or to give it back. */
export type Task = 'classify' | 'reconstruct';

/** What training makes small for a task, and what is watched beside it. */
export const objectives: Readonly<Record<Task, { loss: Loss; metrics: readonly Metric[] }>> = {
  classify: { loss: (logits, labels) => softmaxCrossEntropy(logits, labels), metrics: ['accuracy'] },
  reconstruct: { loss: (output, _labels, input) => mean(square(sub(output, input))), metrics: [] },
};
