import * as v from 'valibot';
import { Adam, AdamW, type Optimizer, SAM, SGD } from '../nn/optimizers/index.ts';
import { type LearningRate, schedules } from '../nn/schedules.ts';
import { object } from '../schema.ts';
import { flag, notNegative, positive } from './fields.ts';

const common = {
  learningRate: positive,
  /** The rate of a step is `learningRate / (1 + decay * step)`, as of Keras' old option. */
  decay: v.optional(notNegative),
  /** PyTorch's: see `SGD` and `Adam`, and `AdamW` for its own. */
  weightDecay: v.optional(notNegative),
};
/** Whose formulas. Default 'keras'. */
const form = v.optional(v.picklist(['keras', 'pytorch'], "'keras' or 'pytorch'"));

export const optimizerPlan = v.variant(
  'name',
  [
    v.object({ name: v.literal('Adam'), ...common, form }),
    v.object({ name: v.literal('AdamW'), ...common }),
    v.object({
      name: v.literal('SGD'),
      ...common,
      form,
      momentum: v.optional(notNegative),
      nesterov: v.optional(flag),
      /** Wraps it in SAM with this radius. */
      sam: v.optional(object({ rho: notNegative })),
    }),
  ],
  "'Adam', 'AdamW' or 'SGD'",
);

/** An optimizer as plain data. Options are those of the class of that name. */
export type OptimizerPlan = Readonly<v.InferOutput<typeof optimizerPlan>>;

/** Makes the optimizer that a plan describes. */
export function makeOptimizer(plan: OptimizerPlan): Optimizer {
  const { decay, learningRate: rate, ...rest } = plan;
  const learningRate: LearningRate = decay ? schedules.inverseTime({ learningRate: rate, decay }) : rate;
  switch (rest.name) {
    case 'Adam':
      return new Adam({ ...rest, learningRate });
    case 'AdamW':
      return new AdamW({ ...rest, learningRate });
    case 'SGD': {
      const { sam, ...options } = rest;
      const sgd = new SGD({ ...options, learningRate });
      return sam ? new SAM(sgd, sam) : sgd;
    }
  }
}

/** An optimizer in a few words: `Adam 0.0003`. */
export function describeOptimizer(plan: OptimizerPlan): string {
  const { name, learningRate, decay, weightDecay } = plan;
  const sgd = plan.name === 'SGD' ? plan : undefined;
  return [
    `${sgd?.sam ? `SAM (rho ${sgd.sam.rho}) over ` : ''}${name} ${learningRate}`,
    ...(sgd?.momentum ? [`${sgd.nesterov ? 'Nesterov ' : ''}momentum ${sgd.momentum}`] : []),
    ...(weightDecay ? [`weight decay ${weightDecay}`] : []),
    ...(decay ? [`decay ${decay} a step`] : []),
  ].join(', ');
}
