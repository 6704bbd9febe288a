export {
  type AdamForm,
  type AdamRatesOptions,
  type AdamTensors,
  type AdamUpdateOptions,
  adamRates,
  adamUpdate,
} from './adam.ts';
export { adjustBrightness } from './adjustBrightness.ts';
export { argmax } from './argmax.ts';
export { type AvgPool2dOptions, avgPool2d } from './avgPool2d.ts';
export {
  type BatchNormInferenceOptions,
  type BatchNormTrainingOptions,
  batchNormInference,
  batchNormTraining,
} from './batchNorm.ts';
export { biasAdd } from './biasAdd.ts';
export { add, div, maximum, mul, sub } from './binary.ts';
export { binaryCrossEntropy } from './binaryCrossEntropy.ts';
export { concat } from './concat.ts';
export { type Conv2dOptions, conv2d } from './conv2d/index.ts';
export { type Conv2dTransposeOptions, conv2dTranspose } from './conv2dTranspose.ts';
export { type DenseOptions, dense } from './dense.ts';
export { type DrawAffineOptions, drawAffine, type ShiftRange } from './drawAffine.ts';
export { type BoxRule, type DrawBoxesOptions, drawBoxes } from './drawBoxes.ts';
export { type DrawPerspectiveOptions, drawPerspective } from './drawPerspective.ts';
export { drawUniform } from './drawUniform.ts';
export { type DropoutOptions, dropout } from './dropout.ts';
export { type EraseImagesOptions, eraseImages } from './eraseImages.ts';
export { gather } from './gather.ts';
export { type GatherImagesOptions, gatherImages } from './gatherImages.ts';
export { globalAvgPool2d } from './globalAvgPool2d.ts';
export { l2 } from './l2.ts';
export { type MatmulOptions, matmul } from './matmul/index.ts';
export { type MaxPool2dOptions, maxPool2d } from './maxPool2d.ts';
export { meanSquaredError } from './meanSquaredError.ts';
export { max, mean, type ReduceOptions, sum } from './reduce.ts';
export { relu } from './relu.ts';
export { reshape } from './reshape.ts';
export { type ResizeBilinearOptions, resizeBilinear } from './resizeBilinear.ts';
export { type SgdForm, type SgdTensors, type SgdUpdateOptions, sgdUpdate } from './sgd.ts';
export type { Padding, Strides } from './shared/padding.ts';
export { haltUnlessFinite, type Update, type UpdatesOptions } from './shared/updates.ts';
export type { PoolOptions } from './shared/windows.ts';
export { slice } from './slice.ts';
export { logSoftmax, softmax } from './softmax.ts';
export { type SoftmaxCrossEntropyOptions, softmaxCrossEntropy } from './softmaxCrossEntropy.ts';
export {
  noteHalt,
  noteNonFinite,
  type StepLossTensors,
  type StepMetricsTensors,
  stepMetrics,
} from './stepMetrics.ts';
export { transpose } from './transpose.ts';
export { abs, exp, leakyRelu, log, neg, pow, rescale, sigmoid, sqrt, square, tanh } from './unary.ts';
export { upSampling2d } from './upSampling2d.ts';
export { type FillMode, type WarpImagesOptions, warpImages } from './warpImages.ts';
