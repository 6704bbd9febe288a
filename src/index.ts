/**
 * Tensors, autograd, layers and training on WebGPU, in Node and in browsers. Examples begin where `await init()` has opened a GPU.
 * @module weft-gpu
 */
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
export {
  type ClassTreeOptions,
  classTree,
  type GroupAnswers,
  type Routing,
} from './analysis/classTree.ts';
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
export { type NearestNeighborOptions, nearestNeighborAccuracy } from './analysis/nearestNeighbors.ts';
export { type Outlier, rankOutliers, reconstructionErrors } from './analysis/outliers.ts';
export { type Stacking, type StackingOptions, stacking } from './analysis/stacking.ts';
export { type TsneOptions, type TsneProgress, type TsneResult, tsne } from './analysis/tsne.ts';
export {
  type Augmentation,
  describeAugmentation,
  type EraserOptions,
  type ImageDataGenerator,
  type ImageDataGeneratorOptions,
  imageDataGenerator,
  type Range,
  type TorchvisionTransform,
  type TorchvisionTransforms,
  torchvisionTransforms,
} from './data/augmentation.ts';
export { augmentImages } from './data/augmentImages.ts';
export * from './data/batchSource.ts';
export { type ClassGroups, type GroupedSet, groupClasses } from './data/classGroups.ts';
export { type ReplicateOptions, replicate } from './data/replicate.ts';
export { BatchSampler, type SamplerState } from './data/sampler.ts';
export { randomSplit, stratifiedSplit } from './data/splits.ts';
export * from './errors.ts';
export { Gpu, type GpuCounters } from './gpu/gpu.ts';
export {
  type ElementType,
  type Kernel,
  type KernelBinding,
  type KernelSpec,
  kernel,
  kernelFamily,
  type UniformType,
} from './gpu/kernel.ts';
export type { RecordedMemory } from './gpu/plan.ts';
export * from './kernels/index.ts';
export type { ActivationName } from './nn/activations.ts';
export { type AveragingOptions, WeightAverage } from './nn/averaging.ts';
export {
  BestCheckpoint,
  type BestCheckpointOptions,
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
  type LossOperand,
  type Metric,
} from './nn/evaluate.ts';
export { extractor } from './nn/extractor.ts';
export {
  type BatchFigures,
  type EpochLogs,
  type FitOptions,
  type FitResult,
  fit,
  Training,
} from './nn/fit.ts';
export { Functional, type FunctionalConfig, type FunctionalOptions, functional } from './nn/functional.ts';
export type { Fans, InitializerName } from './nn/initializers.ts';
export {
  type CallOptions,
  Layer,
  type LayerConfig,
  type Regularizer,
  type WeightOptions,
} from './nn/layer.ts';
export * from './nn/layers/index.ts';
export { type LayerCall, Model, type ModelParts } from './nn/model.ts';
export { loadModel, type ModelConfig, modelFromConfig } from './nn/modelFile.ts';
export { NonFiniteError, type NonFinitePlace } from './nn/nonFinite.ts';
export * from './nn/optimizers/index.ts';
export { Parameter, type ParameterOptions, type ParameterOwner } from './nn/parameter.ts';
export type { PredictOptions } from './nn/predictor.ts';
export { decodeSafetensors, encodeSafetensors, type NamedTensors } from './nn/safetensors.ts';
export type { Samples } from './nn/samples.ts';
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
export {
  type LayerDescription,
  Sequential,
  type SequentialConfig,
  type SequentialOptions,
  sequential,
} from './nn/sequential.ts';
export type { Slot } from './nn/slots.ts';
export { type Application, input, SymbolicTensor } from './nn/symbolic.ts';
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
  type GridOptions,
  type Integer,
  type LogUniform,
  type NumberDimension,
  type ParametersOf,
  type ParameterValue,
  type Space,
  space,
  type Uniform,
  type ValueOf,
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
export { type CheckGradientsOptions, checkGradients } from './tensor/checkGradients.ts';
export { type MissingCandidate, pinChoices } from './tensor/choices.ts';
export { full, ones, zeros } from './tensor/create.ts';
export { close, type InitOptions, init } from './tensor/device.ts';
export type { Nested } from './tensor/elements.ts';
export { type LaunchOptions, launch, type Part, range, split } from './tensor/launch.ts';
export { byOp, type Profile, type ProfiledDispatch, type ProfiledOp } from './tensor/profile.ts';
export { PHILOX_WGSL, RandomStream } from './tensor/random.ts';
export { type Recorded, record } from './tensor/record.ts';
export { keep, scope } from './tensor/scope.ts';
export type { Shape } from './tensor/shape.ts';
export {
  type DType,
  empty,
  hostTensor,
  Tensor,
  type TypedArray,
  tensor,
} from './tensor/tensor.ts';
export { type ChoiceStore, type StoredChoice, type TuneOptions, type TuneRow, tune } from './tensor/tune.ts';
export { type Work, work } from './tensor/work.ts';
