export { Adam, type AdamOptions, AdamW, type AdamWOptions } from './adam.ts';
export { type LossFunction, Optimizer, type OptimizerConfig, type Pass } from './optimizer.ts';
export { type ClipOptions, RuleOptimizer, type StepCount } from './ruleOptimizer.ts';
export { SAM, type SamOptions } from './sam.ts';
export { SGD, type SgdOptions } from './sgd.ts';
