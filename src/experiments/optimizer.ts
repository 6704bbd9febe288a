import { Adam, AdamW, type Optimizer, SAM, SGD } from '../nn/optimizers/index.ts';
import { type LearningRate, schedules } from '../nn/schedules.ts';

interface Common {
  readonly learningRate: number;
  /** The rate of a step is `learningRate / (1 + decay * step)`, as of Keras' old option. */
  readonly decay?: number;
  /** PyTorch's: see `SGD` and `Adam`, and `AdamW` for its own. */
  readonly weightDecay?: number;
  /** Whose formulas. Default 'keras'. */
  readonly form?: 'keras' | 'pytorch';
}

/** An optimizer as plain data. Options are those of the class of that name. */
export type OptimizerPlan =
  | (Common & { readonly name: 'Adam' })
  | (Omit<Common, 'form'> & { readonly name: 'AdamW' })
  | (Common & {
      readonly name: 'SGD';
      readonly momentum?: number;
      readonly nesterov?: boolean;
      /** Wraps it in SAM with this radius. */
      readonly sam?: { readonly rho: number };
    });

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
