/** Weft: tensors, autograd, layers and training on WebGPU. The public API and nothing else. */
export {
  type ClassificationReport,
  type ClassScores,
  type ConfusionOptions,
  classificationReport,
  confusionMatrix,
  type Normalize,
  normalizeConfusion,
  predictedClasses,
} from './analysis/classification.ts';
export * from './analysis/dataset.ts';
export {
  type EnsembleAnswer,
  type EnsembleMethod,
  type EnsembleOptions,
  ensemble,
} from './analysis/ensemble.ts';
export {
  type DeadChannels,
  type DeadChannelsOptions,
  deadChannels,
  type FeatureMaps,
  type FeatureMapsOptions,
  type Filters,
  featureMaps,
  filters,
} from './analysis/featureMaps.ts';
export type { BatchOptions, Images } from './analysis/images.ts';
export { type Answer, firstRightAndWrong, mostConfidentMistakes } from './analysis/mistakes.ts';
export { type Outlier, rankOutliers, reconstructionErrors } from './analysis/outliers.ts';
export { type Stacking, type StackingOptions, stacking } from './analysis/stacking.ts';
export {
  type Augmentation,
  describeAugmentation,
  type EraserOptions,
  type ImageDataGenerator,
  type ImageDataGeneratorOptions,
  imageDataGenerator,
  type TorchvisionTransform,
  type TorchvisionTransforms,
  torchvisionTransforms,
} from './data/augmentation.ts';
export { augmentImages } from './data/augmentImages.ts';
export * from './data/batchSource.ts';
export { type ReplicateOptions, replicate } from './data/replicate.ts';
export { BatchSampler } from './data/sampler.ts';
export { randomSplit, stratifiedSplit } from './data/splits.ts';
export * from './errors.ts';
export { Gpu, type GpuCounters } from './gpu/gpu.ts';
export { type Kernel, type KernelSpec, kernel, kernelFamily } from './gpu/kernel.ts';
export * from './kernels/index.ts';
export { type AveragingOptions, WeightAverage } from './nn/averaging.ts';
export {
  BestCheckpoint,
  type Callback,
  EarlyStopping,
  type EarlyStoppingOptions,
  type Monitor,
  ReduceLROnPlateau,
  type ReduceLROnPlateauOptions,
  type StepProgress,
  type Weights,
} from './nn/callbacks.ts';
export {
  type EvaluateOptions,
  type Evaluation,
  Evaluator,
  evaluate,
  type Loss,
  type LossEvaluation,
  type Metric,
  type Samples,
} from './nn/evaluate.ts';
export { extractor } from './nn/extractor.ts';
export { type EpochLogs, type FitOptions, type FitResult, fit, Training } from './nn/fit.ts';
export { Functional, type FunctionalOptions, functional } from './nn/functional.ts';
export { type CallOptions, Layer } from './nn/layer.ts';
export { layers } from './nn/layers/index.ts';
export { Model } from './nn/model.ts';
export { loadModel, modelFromConfig } from './nn/modelFile.ts';
export { NonFiniteError } from './nn/nonFinite.ts';
export * from './nn/optimizers/index.ts';
export { Parameter } from './nn/parameter.ts';
export type { PredictOptions } from './nn/predictor.ts';
export { decodeSafetensors, encodeSafetensors } from './nn/safetensors.ts';
export {
  type ConstantOptions,
  type CosineOptions,
  type ExponentialOptions,
  type InverseTimeOptions,
  type LearningRate,
  type OneCycleOptions,
  type Schedule,
  type StepOptions,
  schedules,
} from './nn/schedules.ts';
export { Sequential, sequential } from './nn/sequential.ts';
export type { Slot } from './nn/slots.ts';
export { input, SymbolicTensor } from './nn/symbolic.ts';
export { type UpdateBatchNormOptions, updateBatchNorm } from './nn/updateBatchNorm.ts';
export {
  type SearchMethod,
  type SearchOptions,
  type SearchPlan,
  type SearchResult,
  search,
  searchMethods,
} from './search/search.ts';
export {
  type Choice,
  type Dimension,
  type Integer,
  type LogUniform,
  type ParametersOf,
  type ParameterValue,
  type Space,
  space,
  type Uniform,
} from './search/space.ts';
export type { Direction, Trial } from './search/trial.ts';
export {
  type BackwardCall,
  defineOp,
  type ForwardCall,
  gradients,
  noGrad,
  type OpDefinition,
  variable,
} from './tensor/autograd.ts';
export { browserChoices } from './tensor/browserChoices.ts';
export { checkGradients } from './tensor/checkGradients.ts';
export { pinChoices } from './tensor/choices.ts';
export { full, ones, zeros } from './tensor/create.ts';
export { close, init } from './tensor/device.ts';
export { launch, range, split } from './tensor/launch.ts';
export { byOp, type Profile, type ProfiledDispatch, type ProfiledOp } from './tensor/profile.ts';
export { PHILOX_WGSL, RandomStream } from './tensor/random.ts';
export { type Recorded, record } from './tensor/record.ts';
export { keep, scope } from './tensor/scope.ts';
export type { Shape } from './tensor/shape.ts';
export { type DType, empty, hostTensor, Tensor, tensor } from './tensor/tensor.ts';
export { type ChoiceStore, type StoredChoice, type TuneOptions, type TuneRow, tune } from './tensor/tune.ts';
export { type Work, work } from './tensor/work.ts';
