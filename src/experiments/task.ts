import { meanSquaredError } from '../kernels/meanSquaredError.ts';
import { classLoss, type EvaluateOptions } from '../nn/evaluate.ts';

/** What a network is trained to do: to say what an image shows, or to give it back. */
export type Task = 'classify' | 'reconstruct';

/** What training makes small for a task, and what is watched beside it. */
export const objectives: Readonly<Record<Task, Objective>> = {
  classify: {
    loss: classLoss,
    lossOf: 'logits',
    metrics: ['accuracy'],
  },
  reconstruct: {
    loss: (output, _labels, input) => meanSquaredError(output, input),
    lossOf: 'output',
    metrics: [],
  },
};

type Objective = Required<Pick<EvaluateOptions, 'loss' | 'lossOf' | 'metrics'>>;
