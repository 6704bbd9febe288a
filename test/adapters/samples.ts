import { expect } from 'vitest';
import {
  Adam,
  abs,
  adamRates,
  adamUpdate,
  add,
  argmax,
  augmentImages,
  avgPool2d,
  batchNormInference,
  batchNormTraining,
  biasAdd,
  binaryCrossEntropy,
  concat,
  conv2d,
  conv2dTranspose,
  deadChannels,
  dense,
  div,
  dropout,
  exp,
  featureMaps,
  gather,
  gatherImages,
  imageDataGenerator,
  l2,
  layers,
  leakyRelu,
  loadModel,
  log,
  logSoftmax,
  matmul,
  max,
  maximum,
  maxPool2d,
  mean,
  meanSquaredError,
  mul,
  nearestNeighborAccuracy,
  Parameter,
  pow,
  RandomStream,
  reconstructionErrors,
  record,
  relu,
  rescale,
  reshape,
  resizeBilinear,
  SAM,
  SGD,
  sequential,
  sgdUpdate,
  sigmoid,
  slice,
  softmax,
  softmaxCrossEntropy,
  sqrt,
  sub,
  sum,
  type Tensor,
  tanh,
  tensor,
  torchvisionTransforms,
  transpose,
  tsne,
  upSampling2d,
  WeightAverage,
} from '../../src/index.ts';
import { adam as adamReference } from '../reference/adam.ts';
import { argmax as argmaxReference } from '../reference/argmax.ts';
import { type Array64, createRandom, make, type Random } from '../reference/array64.ts';
import { augment, augmentationOf } from '../reference/augment.ts';
import { avgPool2d as avgPool2dReference } from '../reference/avgPool2d.ts';
import * as batchNorm from '../reference/batchNorm.ts';
import { biasAdd as biasAddReference } from '../reference/biasAdd.ts';
import { binaryCrossEntropy as binaryCrossEntropyReference } from '../reference/binaryCrossEntropy.ts';
import { concat as concatReference } from '../reference/concat.ts';
import { type Conv2dAttrs, conv2d as conv2dReference } from '../reference/conv2d.ts';
import { conv2dTranspose as conv2dTransposeReference } from '../reference/conv2dTranspose.ts';
import { dense as denseReference } from '../reference/dense.ts';
import { dropoutMask, dropout as dropoutReference } from '../reference/dropout.ts';
import * as elementwise from '../reference/elementwise.ts';
import { gather as gatherReference } from '../reference/gather.ts';
import { clipped } from '../reference/gradientScales.ts';
import { between, drawAffine, drawBox, drawPerspective, wordsOf } from '../reference/imageDraws.ts';
import { l2 as l2Reference } from '../reference/l2.ts';
import { logSoftmax as logSoftmaxReference } from '../reference/logSoftmax.ts';
import { matmul as matmulReference } from '../reference/matmul.ts';
import { maxPool2d as maxPool2dReference } from '../reference/maxPool2d.ts';
import { meanSquaredError as meanSquaredErrorReference } from '../reference/meanSquaredError.ts';
import { philox4x32 } from '../reference/philox.ts';
import { adjustBrightness, eraseImages } from '../reference/pixels.ts';
import * as reductions from '../reference/reductions.ts';
import type { Reference } from '../reference/reference.ts';
import { relu as reluReference } from '../reference/relu.ts';
import { reshape as reshapeReference } from '../reference/reshape.ts';
import { resizeBilinear as resizeBilinearReference } from '../reference/resizeBilinear.ts';
import { sgd as sgdReference } from '../reference/sgd.ts';
import { slice as sliceReference } from '../reference/slice.ts';
import { softmax as softmaxReference } from '../reference/softmax.ts';
import { softmaxCrossEntropy as softmaxCrossEntropyReference } from '../reference/softmaxCrossEntropy.ts';
import { transpose as transposeReference } from '../reference/transpose.ts';
import * as tsneReference from '../reference/tsne.ts';
import { upSampling2d as upSampling2dReference } from '../reference/upSampling2d.ts';
import { warpImages } from '../reference/warpImages.ts';
import { checkOp, compare } from '../support/checkOp.ts';

/*
 * Every op on a few shapes small enough for a slow adapter, against its f64 reference, and what is built on the ops: a recorded
 * step, a file of weights. It imports the public API only, so that the same checks run on the built bundle in a browser.
 */

export interface Sample {
  readonly name: string;
  /** Resolves when the adapter computed what the reference says. */
  readonly check: (seed: number) => Promise<void>;
}

interface Drawn<A> {
  inputs: Array64[];
  attrs: A;
}

/** A sample of an op, and the same with NaN among its inputs, which must come out where the reference has it. */
interface OpSample extends Sample {
  readonly withNan: Sample;
}

/**
 * An op with its reference; `draw` gives its inputs.
 * @param spreads whether NaN may come out elsewhere, too
 */
function op<A>(
  name: string,
  reference: Reference<A>,
  run: (inputs: Tensor[], attrs: A) => Tensor,
  draw: (random: Random) => Drawn<A>,
  spreads = false,
): OpSample {
  const check = (label: string, change: (x: Array64, random: Random) => Array64) => async (seed: number) => {
    const random = createRandom(seed);
    const { inputs, attrs } = draw(random);
    await checkOp({
      reference,
      op: run,
      inputs: inputs.map((x) => change(x, random)),
      attrs,
      cotangent: (shape) => random.uniform(shape),
      label: `${label}, seed ${seed}`,
      spreads,
    });
  };
  const nanName = `${name}: NaN comes through`;
  return { name, check: check(name, (x) => x), withNan: { name: nanName, check: check(nanName, withNan) } };
}

/** The array with NaN at three places or, if it is small, at one. */
function withNan({ shape, data }: Array64, random: Random): Array64 {
  const changed = data.slice();
  for (const at of random.integers(data.length < 10 ? 1 : 3, data.length)) changed[at] = Number.NaN;
  return { shape, data: changed };
}

const none = {};
const uniform =
  (...shapes: number[][]) =>
  (random: Random) => ({ inputs: shapes.map((shape) => random.uniform(shape)), attrs: none });

function convolution(
  name: string,
  [N, H, W, C]: number[],
  [I, J, K]: number[],
  attrs: Conv2dAttrs,
): OpSample {
  return op(
    `conv2d ${name}`,
    conv2dReference,
    ([x, w, b], attrs) => conv2d(x, w, b, attrs),
    (random) => ({
      inputs: [random.uniform([N, H, W, C]), random.uniform([I, J, C, K]), random.uniform([K])],
      attrs,
    }),
    true,
  );
}

function product(transposeA: boolean, transposeB: boolean, [M, K, N]: number[]): OpSample {
  return op(
    `matmul ${M}x${K}x${N}${transposeA ? ', a transposed' : ''}${transposeB ? ', b transposed' : ''}`,
    matmulReference,
    ([a, b], attrs) => matmul(a, b, attrs),
    (random) => ({
      inputs: [random.uniform(transposeA ? [K, M] : [M, K]), random.uniform(transposeB ? [N, K] : [K, N])],
      attrs: { transposeA, transposeB },
    }),
  );
}

const ops: OpSample[] = [
  convolution('same, odd sizes', [2, 7, 5, 3], [3, 3, 5], { padding: 'same' }),
  convolution('valid, odd sizes', [2, 6, 9, 4], [3, 3, 8], { padding: 'valid' }),
  convolution('1x1 pixel', [1, 1, 1, 1], [3, 3, 1], { padding: 'same' }),
  convolution('5x3 kernel', [1, 9, 7, 2], [5, 3, 3], { padding: 'same' }),
  convolution('of v5: 1 to 64 channels', [2, 12, 12, 1], [3, 3, 64], { padding: 'same' }),
  convolution('of v5: 64 to 128 channels, same', [2, 8, 8, 64], [3, 3, 128], { padding: 'same' }),
  convolution('16 to 32 channels, valid', [2, 6, 6, 16], [3, 3, 32], { padding: 'valid' }),
  convolution('7x7 of stride 2, one more zero after the image', [2, 12, 10, 1], [7, 7, 8], {
    padding: 'same',
    strides: 2,
  }),
  convolution('1x4, zeros as given', [2, 5, 7, 3], [1, 4, 4], {
    padding: [
      [0, 1],
      [2, 0],
    ],
    strides: [2, 1],
  }),
  op(
    'conv2dTranspose 3x3 of stride 2',
    conv2dTransposeReference,
    ([x, w, b], attrs) => conv2dTranspose(x, w, b, attrs),
    (random) => ({
      inputs: [random.uniform([2, 5, 4, 6]), random.uniform([3, 3, 4, 6]), random.uniform([4])],
      attrs: { padding: 'same' as const, strides: 2 },
    }),
    true,
  ),
  product(false, false, [5, 7, 3]),
  product(true, false, [33, 17, 65]),
  product(false, true, [64, 128, 32]),
  product(true, true, [1, 300, 9]),
  op('dense', denseReference, ([x, w, b]) => dense(x, w, b), uniform([5, 33], [33, 10], [10])),
  op('dense of v5', denseReference, ([x, w, b]) => dense(x, w, b), uniform([16, 512], [512, 128], [128])),
  op('biasAdd', biasAddReference, ([x, b]) => biasAdd(x, b), uniform([3, 4, 5, 6], [6])),
  op(
    'relu',
    reluReference,
    ([x]) => relu(x),
    (random) => ({ inputs: [random.awayFromZero([3, 5, 7])], attrs: none }),
  ),
  op(
    'leakyRelu',
    elementwise.leakyRelu,
    ([x], { slope }) => leakyRelu(x, slope),
    (random) => ({ inputs: [random.awayFromZero([3, 5, 7])], attrs: { slope: 0.25 } }),
  ),
  op('maximum, broadcast', elementwise.maximum, ([a, b]) => maximum(a, b), uniform([4, 3, 5], [3, 1])),
  op(
    'abs',
    elementwise.abs,
    ([x]) => abs(x),
    (random) => ({ inputs: [random.awayFromZero([71])], attrs: none }),
  ),
  op(
    'pow',
    elementwise.pow,
    ([x], { exponent }) => pow(x, exponent),
    (random) => ({ inputs: [random.uniform([71], 0.5, 2)], attrs: { exponent: 0.5 } }),
  ),
  op(
    'pow, whole exponent',
    elementwise.pow,
    ([x], { exponent }) => pow(x, exponent),
    (random) => ({ inputs: [random.uniform([71], 0.5, 2)], attrs: { exponent: 3 } }),
  ),
  op('sigmoid', elementwise.sigmoid, ([x]) => sigmoid(x), uniform([71])),
  op('tanh', elementwise.tanh, ([x]) => tanh(x), uniform([71])),
  op('add, broadcast', elementwise.add, ([a, b]) => add(a, b), uniform([4, 1, 5], [3, 1])),
  op('sub', elementwise.sub, ([a, b]) => sub(a, b), uniform([4, 7], [4, 7])),
  op('mul, broadcast', elementwise.mul, ([a, b]) => mul(a, b), uniform([2, 3, 4], [])),
  op(
    'div',
    elementwise.div,
    ([a, b]) => div(a, b),
    (random) => ({ inputs: [random.uniform([6, 5]), random.uniform([6, 5], 0.5, 2)], attrs: none }),
  ),
  op('exp', elementwise.exp, ([x]) => exp(x), uniform([71])),
  op(
    'log',
    elementwise.log,
    ([x]) => log(x),
    (random) => ({ inputs: [random.uniform([71], 0.5, 3)], attrs: none }),
  ),
  op(
    'sqrt',
    elementwise.sqrt,
    ([x]) => sqrt(x),
    (random) => ({ inputs: [random.uniform([71], 0.5, 3)], attrs: none }),
  ),
  op(
    'rescale',
    elementwise.rescale,
    ([x], { scale, offset }) => rescale(x, scale, offset),
    (random) => ({ inputs: [random.uniform([71])], attrs: { scale: 2, offset: 0.5 } }),
  ),
  op(
    'sum over axes',
    reductions.reduceSum,
    ([x], { axes, keepDims }) => sum(x, { axes: [...axes], keepDims }),
    (random) => ({ inputs: [random.uniform([5, 6, 7])], attrs: { axes: [0, 2], keepDims: false } }),
  ),
  op(
    'mean over an axis',
    reductions.reduceMean,
    ([x], { axes, keepDims }) => mean(x, { axes: [...axes], keepDims }),
    (random) => ({ inputs: [random.uniform([70, 9])], attrs: { axes: [0], keepDims: true } }),
  ),
  op(
    'max over an axis',
    reductions.reduceMax,
    ([x], { axes, keepDims }) => max(x, { axes: [...axes], keepDims }),
    (random) => ({ inputs: [random.distinct([9, 70])], attrs: { axes: [1], keepDims: false } }),
  ),
  op(
    'batchNormTraining of images',
    batchNorm.batchNorm,
    ([x, gamma, beta], { epsilon }) =>
      batchNormTraining(x, gamma, beta, movingStatistics(6), { momentum: 0.99, epsilon }),
    (random) => ({
      inputs: [random.uniform([3, 5, 5, 6]), random.uniform([6]), random.uniform([6])],
      attrs: { epsilon: 1e-3 },
    }),
  ),
  op(
    'batchNormTraining of rows',
    batchNorm.batchNorm,
    ([x, gamma, beta], { epsilon }) =>
      batchNormTraining(x, gamma, beta, movingStatistics(33), { momentum: 0.99, epsilon }),
    (random) => ({
      inputs: [random.uniform([40, 33]), random.uniform([33]), random.uniform([33])],
      attrs: { epsilon: 1e-3 },
    }),
  ),
  op(
    'batchNormInference',
    batchNorm.batchNormInference,
    ([x, gamma, beta, mean, variance], attrs) => batchNormInference(x, gamma, beta, mean, variance, attrs),
    (random) => ({
      inputs: [
        random.uniform([3, 5, 5, 6]),
        random.uniform([6]),
        random.uniform([6]),
        random.uniform([6]),
        random.uniform([6], 0.5, 2),
      ],
      attrs: { epsilon: 1e-3 },
    }),
  ),
  op(
    'maxPool2d',
    maxPool2dReference,
    ([x], attrs) => maxPool2d(x, attrs),
    (random) => ({ inputs: [random.distinct([2, 7, 6, 5])], attrs: { poolSize: 2, strides: 2 } }),
  ),
  op(
    'maxPool2d, overlapping and padded',
    maxPool2dReference,
    ([x], attrs) => maxPool2d(x, attrs),
    (random) => ({ inputs: [random.distinct([2, 7, 6, 5])], attrs: { poolSize: 3, strides: 2, padding: 1 } }),
  ),
  op(
    'avgPool2d',
    avgPool2dReference,
    ([x], attrs) => avgPool2d(x, attrs),
    (random) => ({
      inputs: [random.uniform([2, 7, 6, 5])],
      attrs: { poolSize: 3, strides: 2, padding: 'same' as const },
    }),
  ),
  op(
    'resizeBilinear',
    resizeBilinearReference,
    ([x], { size, alignCorners }) => resizeBilinear(x, size, { alignCorners }),
    (random) => ({
      inputs: [random.uniform([2, 5, 7, 3])],
      attrs: { size: [11, 4] as const, alignCorners: false },
    }),
  ),
  op(
    'upSampling2d',
    upSampling2dReference,
    ([x], { size }) => upSampling2d(x, size),
    (random) => ({ inputs: [random.uniform([2, 3, 4, 5])], attrs: { size: [2, 3] as const } }),
  ),
  op('softmax', softmaxReference, ([x]) => softmax(x), uniform([9, 10])),
  op('logSoftmax', logSoftmaxReference, ([x]) => logSoftmax(x), uniform([9, 10])),
  op(
    'softmaxCrossEntropy',
    softmaxCrossEntropyReference,
    ([x], { labels }) => softmaxCrossEntropy(x, tensor(Int32Array.from(labels))),
    (random) => ({ inputs: [random.uniform([33, 10], -4, 4)], attrs: { labels: random.integers(33, 10) } }),
  ),
  op(
    'softmaxCrossEntropy with label smoothing',
    softmaxCrossEntropyReference,
    ([x], { labels, labelSmoothing }) =>
      softmaxCrossEntropy(x, tensor(Int32Array.from(labels)), { labelSmoothing }),
    (random) => ({
      inputs: [random.uniform([33, 10], -4, 4)],
      attrs: { labels: random.integers(33, 10), labelSmoothing: 0.1 },
    }),
  ),
  op(
    'binaryCrossEntropy',
    binaryCrossEntropyReference,
    ([x], { target }) => binaryCrossEntropy(x, toTensor(target)),
    (random) => ({
      inputs: [random.uniform([33, 10], -2, 2)],
      attrs: { target: rounded(random.uniform([33, 10], 0, 1)) },
    }),
  ),
  op(
    'meanSquaredError',
    meanSquaredErrorReference,
    ([y, t]) => meanSquaredError(y, t),
    uniform([5, 7, 3], [5, 7, 3]),
  ),
  op(
    'gather',
    gatherReference,
    ([x], { indices }) => gather(x, tensor(Uint32Array.from(indices))),
    (random) => ({ inputs: [random.uniform([7, 3, 2])], attrs: { indices: random.integers(10, 7) } }),
  ),
  op(
    'slice',
    sliceReference,
    ([x], { begin, size }) => slice(x, begin, size),
    (random) => ({ inputs: [random.uniform([5, 6, 7])], attrs: { begin: [1, 0, 3], size: [3, 6, 2] } }),
  ),
  op(
    'transpose',
    transposeReference,
    ([x], { perm }) => transpose(x, perm),
    (random) => ({ inputs: [random.uniform([3, 4, 5])], attrs: { perm: [2, 0, 1] } }),
  ),
  op(
    'reshape',
    reshapeReference,
    ([x], { shape }) => reshape(x, shape),
    (random) => ({ inputs: [random.uniform([3, 8])], attrs: { shape: [2, 12] } }),
  ),
  op(
    'concat',
    concatReference,
    (inputs, { axis }) => concat(inputs, axis),
    (random) => ({ inputs: [random.uniform([3, 4]), random.uniform([3, 2])], attrs: { axis: 1 } }),
  ),
  op(
    'l2',
    l2Reference,
    ([w], { lambda }) => l2(w, lambda),
    (random) => ({ inputs: [random.uniform([33, 17])], attrs: { lambda: 0.01 } }),
  ),
];

const others: Sample[] = [
  { name: 'dropout', check: checkDropout },
  { name: 'argmax', check: (seed) => checkArgmax(seed, (x) => x) },
  { name: 'gatherImages with augmentation', check: checkGatherImages },
  { name: 'Keras augmentation', check: checkKerasAugmentation },
  { name: 'torchvision augmentation', check: checkTorchvisionAugmentation },
  { name: 'adamUpdate', check: checkAdam },
  { name: 'sgdUpdate with Nesterov momentum', check: checkSgd },
  { name: 'SAM, clipping and an average', check: checkSam },
  { name: 'tsne', check: checkTsne },
];

function movingStatistics(channels: number) {
  return { mean: tensor(new Float32Array(channels)), variance: tensor(new Float32Array(channels).fill(1)) };
}

async function checkDropout(seed: number): Promise<void> {
  const shape = [9, 31];
  const mask = dropoutMask(new RandomStream(seed, 'sample').words(9 * 31), 0.3);
  const stream = new RandomStream(seed, 'sample');
  const run = ([x]: Tensor[]) => dropout(x, 0.3, stream.drawTensor());
  const random = createRandom(seed);
  await checkOp({
    reference: dropoutReference,
    op: run,
    inputs: [random.uniform(shape)],
    attrs: { rate: 0.3, mask },
    cotangent: random.uniform,
    label: `dropout, seed ${seed}`,
  });
}

async function checkArgmax(seed: number, change: (x: Array64, random: Random) => Array64): Promise<void> {
  const random = createRandom(seed);
  const x = change(random.distinct([12, 10]), random);
  const found = argmax(toTensor(x), -1);
  expect([...(await found.data())], `argmax, seed ${seed}`).toEqual([
    ...argmaxReference.forward([x], { axis: 1 }).data,
  ]);
}

async function checkGatherImages(seed: number): Promise<void> {
  const [count, height, width, shift] = [5, 8, 7, 3];
  const random = createRandom(seed);
  const bytes = Uint8Array.from(random.integers(count * height * width, 256));
  const indices = random.integers(6, count);
  const words = new Uint32Array(Math.ceil(bytes.length / 4));
  new Uint8Array(words.buffer).set(bytes);
  const stream = new RandomStream(seed, 'sample');
  const draw = stream.drawTensor();
  const images = gatherImages(tensor(words), tensor(Uint32Array.from(indices)), {
    height,
    width,
    channels: 1,
    augment: { draw, shift, flip: true },
  });
  const [position, id, ...key] = await draw.data();
  const samples = indices.map((index, n) => ({
    index,
    ...augmentationOf(philox4x32([n, position, id, 0], [key[0], key[1]]), shift),
  }));
  compare(await images.data(), augment(bytes, height, width, samples), 1, `gatherImages, seed ${seed}`);
}

/** Images of the sizes below, their draw and its words. */
async function imagesToAugment(seed: number) {
  const shape = [12, 9, 7, 1];
  const bytes = make(shape, createRandom(seed).integers(12 * 63, 256));
  const draw = new RandomStream(seed, 'sample').drawTensor();
  const words = await draw.data();
  const drawn = (purpose: number) => Array.from({ length: 12 }, (_, n) => wordsOf(words, purpose, n));
  return { bytes, images: toTensor(bytes), draw, drawn };
}

/** Holds most of the elements to the reference: f32 may take a pixel from the other side of where the map jumps, or cut elsewhere. */
function compareMost(actual: ArrayLike<number>, expected: Array64, bound: number, label: string): void {
  const off = expected.data.filter((value, at) => !(Math.abs(value - actual[at]) <= bound)).length;
  const share = off / expected.data.length;
  if (!(share < 0.03)) expect.fail(`${label}: a share of ${share} of the elements is off`);
}

async function checkKerasAugmentation(seed: number): Promise<void> {
  const { bytes, images, draw, drawn } = await imagesToAugment(seed);
  const augmentation = imageDataGenerator({
    rotationRange: 40,
    shearRange: 10,
    zoomRange: 0.2,
    widthShiftRange: 3,
    heightShiftRange: 0.2,
    horizontalFlip: true,
    brightnessRange: [0.5, 1],
  });
  const ranges = {
    centre: [5, 4],
    rotation: [-40, 40],
    shear: 10,
    zoom: [0.8, 1.2],
    rows: { pixels: 1.8 },
    columns: { whole: 3 },
    flipColumns: 0.5,
    flipRows: 0,
  } as const;
  const warps = drawn(0).map((words) => drawAffine(words, ranges));
  const warped = warpImages(bytes, warps, { interpolation: 'linear', fillMode: 'nearest', fill: 0 });
  const factors = drawn(1).map((words) => Math.fround(between(0.5, 1, words(0)[0])));
  const found = await augmentImages(images, augmentation, draw).data();
  compareMost(found, adjustBrightness(warped, factors), 1e-3, `seed ${seed}`);
}

async function checkTorchvisionAugmentation(seed: number): Promise<void> {
  const { bytes, images, draw, drawn } = await imagesToAugment(seed);
  const augmentation = torchvisionTransforms([
    { kind: 'randomErasing', value: 100 },
    { kind: 'randomPerspective', p: 0.8 },
  ]);
  const box = {
    height: 9,
    width: 7,
    p: 0.5,
    share: [0.02, 0.33],
    ratio: [0.3, 3.3],
    value: [100, 100],
  } as const;
  const erased = eraseImages(
    bytes,
    drawn(0).map((words) => drawBox(words, { ...box, rule: 'torchvision' })),
  );
  const warps = drawn(2).map((words) => drawPerspective(words, 9, 7, 0.5, 0.8));
  const expected = warpImages(erased, warps, { interpolation: 'linear', fillMode: 'blend', fill: 0 });
  const found = await augmentImages(images, augmentation, draw).data();
  compareMost(found, expected, 1e-2, `seed ${seed}`);
}

const toTensor = ({ shape, data }: Array64): Tensor => tensor(Float32Array.from(data), shape);
const rounded = ({ shape, data }: Array64): Array64 => make(shape, Float32Array.from(data));

async function checkAdam(seed: number): Promise<void> {
  const random = createRandom(seed);
  const [w, g, m] = [0, 1, 2].map(() => rounded(random.uniform([131])));
  const v = rounded(random.uniform([131], 0, 1));
  const attrs = { beta1: 0.9, beta2: 0.999, epsilon: 1e-7 };
  const [learningRate, step] = [1e-2, 3];
  const expected = adamReference({ w, m, v }, g, { ...attrs, learningRate, step });
  const given = { parameter: toTensor(w), gradient: toTensor(g), m: toTensor(m), v: toTensor(v) };
  adamUpdate(given, tensor(adamRates(step, { ...attrs, learningRate })), attrs);
  compare(await given.parameter.data(), expected.w, 1, `adamUpdate: weights, seed ${seed}`);
  compare(await given.m.data(), expected.m, 1, `adamUpdate: first moment, seed ${seed}`);
  compare(await given.v.data(), expected.v, 1, `adamUpdate: second moment, seed ${seed}`);
}

async function checkSgd(seed: number): Promise<void> {
  const random = createRandom(seed);
  const [w, g, v] = [0, 1, 2].map(() => rounded(random.uniform([131])));
  const attrs = { momentum: 0.9, nesterov: true };
  const expected = sgdReference({ w, v }, g, { ...attrs, learningRate: Math.fround(0.1) });
  const given = { parameter: toTensor(w), gradient: toTensor(g), velocity: toTensor(v) };
  sgdUpdate(given, tensor(Float32Array.of(0.1, attrs.momentum)), attrs);
  compare(await given.parameter.data(), expected.w, 1, `sgdUpdate: weights, seed ${seed}`);
  compare(await given.velocity.data(), expected.v, 1, `sgdUpdate: velocity, seed ${seed}`);
}

/** One step on the loss sum(w * c), whose gradient is c, clipped to half of its norm after a perturbation. */
async function checkSam(seed: number): Promise<void> {
  const random = createRandom(seed);
  const [w, c] = [0, 1].map(() => rounded(random.uniform([3000])));
  const owner = { name: 'layer', seed: 0, trainable: true };
  const parameter = new Parameter(owner, 'w', [3000], { initializer: 'zeros' });
  parameter.set(Float32Array.from(w.data));
  const norm = Math.fround(Math.sqrt(c.data.reduce((total, value) => total + value ** 2, 0)) / 2);
  const optimizer = new SAM(new SGD({ learningRate: 0.5, globalClipNorm: norm }));
  optimizer.minimize(() => sum(mul(parameter.tensor, toTensor(c))), [parameter]);
  const average = new WeightAverage([parameter], { decay: 0.9 });
  average.update();
  const [clip] = clipped([c], norm, true);
  const expected = make(
    [3000],
    w.data.map((value, i) => value - 0.5 * clip.data[i]),
  );
  compare(await parameter.data(), expected, 3000, `SAM with clipping, seed ${seed}`);
  average.swap();
  compare(await parameter.data(), expected, 3000, `average of one step, seed ${seed}`);
  for (const used of [optimizer, average, parameter]) used.dispose();
}

/** Two clouds stay apart, and the divergence is that of the reference. */
async function checkTsne(seed: number): Promise<void> {
  const random = createRandom(seed);
  const labels = Array.from({ length: 30 }, (_, n) => n % 2);
  const clouds = rounded({
    shape: [30, 6],
    data: random.uniform([30, 6]).data.map((value, at) => value + (at % 6 === 0 ? 8 * labels[at / 6] : 0)),
  });
  const { embedding, divergence } = await tsne(toTensor(clouds), {
    perplexity: 6,
    iterations: 350,
    learningRate: 10,
    seed,
  });
  const places = make([30, 2], embedding);
  const expected = tsneReference.divergence(tsneReference.probabilities(clouds, 6), places);
  if (!(Math.abs(divergence - expected) < 1e-4))
    expect.fail(`tsne: divergence ${divergence}, the reference says ${expected}, seed ${seed}`);
  expect(await nearestNeighborAccuracy(toTensor(places), labels, { k: 5 }), `tsne, seed ${seed}`).toBe(1);
}

/** A network with every layer of v5, small, and the batch that it is to learn by heart. */
function smallTraining(seed: number) {
  const model = sequential(
    [
      ...[
        layers.conv2d({ filters: 4, padding: 'same', activation: 'relu' }),
        layers.batchNormalization(),
        layers.conv2d({ filters: 8 }),
        layers.maxPooling2d(),
        layers.dropout({ rate: 0.1 }),
      ],
      ...[
        layers.flatten(),
        layers.dense({ units: 16, activation: 'relu', kernelRegularizer: { l2: 1e-4 } }),
        layers.dense({ units: 3, activation: 'softmax' }),
      ],
    ],
    { inputShape: [8, 8, 1], seed },
  );
  const random = createRandom(seed);
  const optimizer = new Adam({ learningRate: 0.01 });
  const step = record((x: Tensor, labels: Tensor) => {
    const loss = add(
      softmaxCrossEntropy(model.logits(x, { training: true }), labels),
      model.regularization()!,
    );
    optimizer.minimize(loss, model.trainableParameters);
    return loss;
  });
  return {
    model,
    step,
    x: toTensor(random.uniform([12, 8, 8, 1], 0, 1)),
    labels: tensor(Int32Array.from(random.integers(12, 3))),
  };
}

async function recordedStepLearns(seed: number): Promise<void> {
  const { model, step, x, labels } = smallTraining(seed);
  const { counters } = x.storage.gpu;
  const losses = [await (await step(x, labels)).item()];
  const made = { ...counters };
  for (let i = 0; i < 24; i++) await step(x, labels);
  const { buffers, bindGroups, pipelines, readbacks } = counters;
  expect(
    { buffers, bindGroups, pipelines, readbacks },
    'GPU objects made and results read by recorded steps',
  ).toEqual({
    buffers: made.buffers,
    bindGroups: made.bindGroups,
    pipelines: made.pipelines,
    readbacks: made.readbacks,
  });
  losses.push(await (await step(x, labels)).item());
  if (!(losses[1] < 0.5 * losses[0]))
    throw new Error(`the loss went from ${losses[0]} to ${losses[1]} in 25 steps, seed ${seed}`);
  step.dispose();
  model.dispose();
}

async function savedModelPredictsTheSame(seed: number): Promise<void> {
  const { model, step, x, labels } = smallTraining(seed);
  await step(x, labels);
  const before = [...(await (await model.predict(x)).data())];
  const loaded = loadModel(await model.save());
  expect(
    [...(await (await loaded.predict(x)).data())],
    `predictions of the loaded model, seed ${seed}`,
  ).toEqual(before);
  step.dispose();
  for (const used of [model, loaded]) used.dispose();
}

/** 1x1 filters: one that copies, a ReLU that is never above 0, and one above 0 for the last image only. */
async function findsDeadChannels(seed: number): Promise<void> {
  const model = sequential([layers.conv2d({ filters: 3, kernelSize: 1, activation: 'relu' })], {
    inputShape: [5, 5, 1],
    seed,
  });
  const [kernel, bias] = model.parameters;
  kernel.set(Float32Array.of(1, -1, 1));
  bias.set(Float32Array.of(0, 0, -2));
  const pixels = createRandom(seed).uniform([7, 5, 5, 1], 0, 1);
  pixels.data[pixels.data.length - 1] = 3;
  const x = toTensor(pixels);
  const dead = await deadChannels(model, x, { batchSize: 4 });
  expect(dead.get('conv2d')?.dead, `dead channels, seed ${seed}`).toEqual([1]);
  const maps = await featureMaps(model, x);
  expect(maps.get('conv2d')?.blank.at(-2), `channels blank for an image, seed ${seed}`).toEqual([1, 2]);
  const errors = await reconstructionErrors(
    sequential([layers.rescaling({ scale: 0 })], { inputShape: [5, 5, 1] }),
    x,
  );
  const squares = pixels.data.map((value) => value ** 2);
  const expected = Array.from({ length: 7 }, (_, n) =>
    squares.slice(25 * n, 25 * n + 25).reduce((sum, value) => sum + value / 25, 0),
  );
  compare(errors, make([7], expected), 25, `reconstruction errors, seed ${seed}`);
  model.dispose();
}

/** ReLU of so many elements, compared on the CPU. */
export async function checkLongRelu(length: number): Promise<void> {
  const values = new Float32Array(length);
  for (let i = 0; i < length; i++) values[i] = (i % 1001) - 500;
  const x = tensor(values);
  const y = relu(x);
  const found = await y.data();
  const wrong = found.findIndex((value, i) => value !== Math.max(values[i], 0));
  if (wrong >= 0)
    throw new Error(
      `relu of ${length} elements: element ${wrong} is ${found[wrong]}, expected ${Math.max(values[wrong], 0)}`,
    );
  for (const used of [x, y]) used.dispose();
}

/** One workgroup more than a dimension holds, at 64 lanes. */
const manyWorkgroups = () => checkLongRelu(65_535 * 64 + 1);

/** Ops with NaN among their inputs. */
export const nanSamples: readonly Sample[] = [
  ...ops.map(({ withNan }) => withNan),
  { name: 'argmax: NaN comes through', check: (seed) => checkArgmax(seed, withNan) },
];

export const samples: readonly Sample[] = [
  ...ops,
  ...others,
  ...nanSamples,
  { name: 'a recorded step learns and creates nothing', check: recordedStepLearns },
  { name: 'model.save and loadModel', check: savedModelPredictsTheSame },
  { name: 'dead channels, feature maps and reconstruction errors', check: findsDeadChannels },
  { name: 'more workgroups than a dimension holds', check: manyWorkgroups },
];
