import { beforeAll, describe, expect, it } from 'vitest';
import { predictedClasses } from '../../src/analysis/classification.ts';
import { ensemble } from '../../src/analysis/ensemble.ts';
import { nearestNeighborAccuracy } from '../../src/analysis/nearestNeighbors.ts';
import { reconstructionErrors } from '../../src/analysis/outliers.ts';
import { tsne } from '../../src/analysis/tsne.ts';
import { ArraySource, ImageSource } from '../../src/data/batchSource.ts';
import { BatchSampler } from '../../src/data/sampler.ts';
import { randomSplit } from '../../src/data/splits.ts';
import { meanSquaredError } from '../../src/kernels/meanSquaredError.ts';
import { Evaluator, evaluate } from '../../src/nn/evaluate.ts';
import { extractor } from '../../src/nn/extractor.ts';
import { type FitOptions, fit } from '../../src/nn/fit.ts';
import { functional } from '../../src/nn/functional.ts';
import type { Layer } from '../../src/nn/layer.ts';
import { layers } from '../../src/nn/layers/index.ts';
import { SGD } from '../../src/nn/optimizers/index.ts';
import { sequential } from '../../src/nn/sequential.ts';
import { input } from '../../src/nn/symbolic.ts';
import { updateBatchNorm } from '../../src/nn/updateBatchNorm.ts';
import { RandomStream } from '../../src/tensor/random.ts';
import { type Tensor, tensor } from '../../src/tensor/tensor.ts';
import { testGpu } from '../support/gpu.ts';
import { any, expectError, named, type WrongCall } from '../support/wrongCalls.ts';

beforeAll(testGpu);

const x = Float32Array.from({ length: 16 }, (_, i) => i / 8);
const labels = [0, 1, 0, 1, 0, 1, 0, 1];
const source = (given: unknown = labels, shape = [2]) => new ArraySource(x, any(given), shape);
const indices = Uint32Array.from({ length: 8 }, (_, i) => i);
const model = (units = 2, activation?: 'sigmoid' | 'softmax') =>
  sequential([layers.dense({ units, activation })], { inputShape: [2] });

const CLASS = 'a label is a class number, a whole number from 0';
const image = {
  images: new Uint8Array(4),
  labels: [0],
  count: 1,
  height: 2,
  width: 2,
  channels: 1,
  classNames: ['a'],
};
const imageSource = (change: object) => new ImageSource(any({ ...image, ...change }));
const BYTES = 'ImageSource: images must be bytes from 0 to 255 in a Uint8Array';
const data: readonly WrongCall[] = [
  [
    `ArraySource: sample 0 has label [0, 1]; ${CLASS}: of a one-hot row the place of its 1`,
    () =>
      source([
        [0, 1],
        [1, 0],
      ]),
  ],
  [
    `ArraySource: sample 0 has label a Uint8Array of 2; ${CLASS}: of a one-hot row the place of its 1`,
    () => source([Uint8Array.of(0, 1)]),
  ],
  [`ArraySource: sample 0 has label 'cat'; ${CLASS}`, () => source(['cat', 'dog'])],
  [`ArraySource: sample 0 has label '1'; ${CLASS}`, () => source(['1'])],
  [`ArraySource: sample 1 has label 0.5; ${CLASS}`, () => source([0, 0.5])],
  [`ArraySource: sample 1 has label 1.5; ${CLASS}`, () => source(Float32Array.of(1, 1.5))],
  [`ArraySource: sample 0 has label NaN; ${CLASS}`, () => source([Number.NaN])],
  [`ArraySource: sample 1 has label -1; ${CLASS}`, () => source([0, -1])],
  [`ArraySource: sample 0 has label 4294967296; ${CLASS}`, () => source([2 ** 32])],
  [
    `ArraySource: sample 0 has label a bigint; ${CLASS}: Array.from(labels, Number) makes numbers of bigints`,
    () => source(BigInt64Array.of(1n)),
  ],
  [
    'ArraySource: labels must be a list of class numbers, got undefined',
    () => new ArraySource(x, any(undefined), [2]),
  ],
  ["ArraySource: labels must be a list of class numbers, got '01'", () => source('01')],
  ['ArraySource: there are no samples, labels is empty', () => source([])],
  [
    'ArraySource: expected 8 samples of [3], 24 numbers, as there are labels, got 16',
    () => source(labels, [3]),
  ],
  ['ArraySource: expected a shape, as [2, 3], got 2', () => source(labels, any(2))],
  [
    'ArraySource: expected numbers, nested arrays of them or typed arrays, got a tensor [1]',
    () => new ArraySource(any(tensor([1])), [0], [1]),
  ],
  [
    `${BYTES}, got a Float32Array of 4; ArraySource takes other numbers`,
    () => imageSource({ images: new Float32Array(4) }),
  ],
  [
    `${BYTES}, got a Uint16Array of 4; ArraySource takes other numbers`,
    () => imageSource({ images: new Uint16Array(4) }),
  ],
  [
    `${BYTES}, got [1, 2, 3, 4]; ArraySource takes other numbers`,
    () => imageSource({ images: [1, 2, 3, 4] }),
  ],
  [
    'ImageSource: expected 1 images of [2, 2, 1], 4 bytes, got 8 bytes',
    () => imageSource({ images: new Uint8Array(8) }),
  ],
  ['ImageSource: expected 1 labels, got 2', () => imageSource({ labels: [0, 0] })],
  [
    'ImageSource: sample 0 has label 7; by classNames there are 1 classes, from 0 to 0',
    () => imageSource({ labels: [7] }),
  ],
  [
    `ImageSource: sample 0 has label [1, 0]; ${CLASS}: of a one-hot row the place of its 1`,
    () => imageSource({ labels: [[1, 0]] }),
  ],
  ["ImageSource: count must be a whole number of at least 1, got '1'", () => imageSource({ count: '1' })],
  [
    'ImageSource: scale must be a number above 0, got NaN',
    () => new ImageSource(any(image), { scale: Number.NaN }),
  ],
  [
    'ImageSource: its options must be an object, as { images, labels, count, … }, got undefined',
    () => new ImageSource(any(undefined)),
  ],
  [
    'BatchSampler: batchSize must be a whole number of at least 1, got NaN',
    () => new BatchSampler(indices, Number.NaN, 0),
  ],
  [
    'BatchSampler: a seed is a whole number from 0 to 2^53 - 1, got -1',
    () => new BatchSampler(indices, 1, -1),
  ],
  [
    'randomSplit: size 1 must be a whole number of at least 0, got -1',
    () => randomSplit(4, [1, -1], new RandomStream(0, '')),
  ],
  ['randomSplit: sizes must be a list, got 2', () => randomSplit(4, any(2), new RandomStream(0, ''))],
  [
    'RandomStream: count must be a whole number of at least 0, got 1.5',
    () => new RandomStream(0, '').permutation(1.5),
  ],
];

const train = { source: any<ArraySource>(undefined), indices };
const fitted = (change: Partial<Record<keyof FitOptions, unknown>>, of = model()) =>
  fit(
    of,
    any({
      train: { source: source(), indices },
      optimizer: new SGD({ learningRate: 0.1 }),
      epochs: 1,
      ...change,
    }),
  );
const SAMPLES = 'must be { source, indices }, a source and which of its samples';
const own = { loss: meanSquaredError };
const training: readonly WrongCall[] = [
  ['fit: epochs must be a whole number of at least 1, got undefined', () => fitted({ epochs: undefined })],
  ['fit: initialEpoch must be a whole number of at least 0, got -5', () => fitted({ initialEpoch: -5 })],
  [
    'fit: stepsPerEpoch must be a whole number from 1 to 16777216, got 1.5',
    () => fitted({ stepsPerEpoch: 1.5 }),
  ],
  [
    'fit: checkpoint.seconds must be a number from 0 to Infinity, got NaN',
    () => fitted({ checkpoint: { save: async () => {}, seconds: Number.NaN } }),
  ],
  [
    'minimize: expected a tensor for the loss, got undefined',
    () => new SGD({ learningRate: 1 }).minimize(any(undefined), []),
  ],
  [
    'minimize: expected parameters, as model.trainableParameters, got undefined',
    () => new SGD({ learningRate: 1 }).minimize(tensor(1), any(undefined)),
  ],
  ['fit: its first argument must be a model, got undefined', () => fit(any(undefined), any(undefined))],
  [
    'fit: its options must be an object, as { train, optimizer, epochs }, got undefined',
    () => fit(model(), any(undefined)),
  ],
  [`fit: train ${SAMPLES}, got undefined`, () => fitted({ train: undefined })],
  [`fit: train ${SAMPLES}, got an object { x, y }`, () => fitted({ train: { x, y: labels } })],
  [`fit: train ${SAMPLES}, got an ArraySource`, () => fitted({ train: source() })],
  [`fit: train ${SAMPLES}, got a tensor [1]`, () => fitted({ train: tensor([1]) })],
  [`fit: train ${SAMPLES}, got an object { source, indices }`, () => fitted({ train })],
  [
    'fit: train: index 2 is 99; the source has 8 samples, from 0 to 7',
    () => fitted({ train: { source: source(), indices: Uint32Array.of(0, 1, 99) } }),
  ],
  [
    'fit: train: index 0 is 0.5; the source has 8 samples, from 0 to 7',
    () => fitted({ train: { source: source(), indices: [0.5] } }),
  ],
  [
    'fit: train has no samples, its indices are empty',
    () => fitted({ train: { source: source(), indices: [] } }),
  ],
  [
    'fit: validation has no samples, its indices are empty',
    () => fitted({ validation: { source: source(), indices: new Uint32Array(0) } }),
  ],
  [
    "fit: optimizer must be one, as new Adam({ learningRate: 0.001 }), got 'adam'",
    () => fitted({ optimizer: 'adam' }),
  ],
  [
    'fit: optimizer must be one, as new Adam({ learningRate: 0.001 }), got undefined',
    () => fitted({ optimizer: undefined }),
  ],
  [
    "fit: loss must be a function, as (logits, labels) => softmaxCrossEntropy(logits, labels), got 'mse'",
    () => fitted({ loss: 'mse' }),
  ],
  [
    "fit: lossOf must be 'logits' or 'output', got 'probabilities'",
    () => fitted({ lossOf: 'probabilities' }),
  ],
  ["fit: metrics must be a list, as ['accuracy'], got 'accuracy'", () => fitted({ metrics: 'accuracy' })],
  ["fit: metrics must be 'accuracy', got 'precision'", () => fitted({ metrics: ['precision'] })],
  [
    'fit: callbacks must be a list, as [new EarlyStopping()], got an object { onEpochEnd }',
    () => fitted({ callbacks: { onEpochEnd() {} } }),
  ],
  ['fit: callback 0 must be an object with methods, got null', () => fitted({ callbacks: [null] })],
  [
    'fit: checkpoint.save must be a function, as async (file) => {…}, got undefined',
    () => fitted({ checkpoint: {} }),
  ],
  [
    'fit: train: sample 2 has label 7; the model has 2 outputs, for labels from 0 to 1',
    () => fitted({ train: { source: source([0, 1, 7, 0, 1, 0, 1, 0]), indices } }),
  ],
  [
    'fit: validation: sample 0 has label 2; the model has 2 outputs, for labels from 0 to 1',
    () => fitted({ validation: { source: source([2, 1, 0, 0, 1, 0, 1, 0]), indices } }),
  ],
  [
    'fit: the default loss, softmaxCrossEntropy, needs an output for each class, and the model has one: give binaryCrossEntropy as loss, or the model 2 outputs',
    () => fitted({}, model(1, 'sigmoid')),
  ],
  [
    "fit: a softmax of one output is always 1: 'sigmoid' is what it needs",
    () => fitted(own, model(1, 'softmax')),
  ],
  [
    'fit: the accuracy of one output is that of a sigmoid, and the model has none: metrics: [] leaves it out',
    () => fitted({ ...own, lossOf: 'output' }, model(1)),
  ],
  [
    'fit: train: sample 0 has label 2; the model has one output, for labels from 0 to 1',
    () => fitted({ ...own, train: { source: source([2, 1, 0, 0, 1, 0, 1, 0]), indices } }, model(1)),
  ],
  [
    'fit: an accuracy is of [classes], and the model gives [1, 2] a sample: metrics: [] leaves it out',
    () => fitted(own, sequential([layers.reshape({ targetShape: [1, 2] })], { inputShape: [2] })),
  ],
  [
    'fit: the default loss, softmaxCrossEntropy, takes [classes], and the model gives [1, 2] a sample: give another loss',
    () => fitted({ metrics: [] }, sequential([layers.reshape({ targetShape: [1, 2] })], { inputShape: [2] })),
  ],
  [`evaluate: samples ${SAMPLES}, got undefined`, () => evaluate(model(), any(undefined))],
  [
    'evaluate: samples has no samples, its indices are empty',
    () => evaluate(model(), { source: source(), indices: new Uint32Array(0) }),
  ],
  [
    'evaluate: samples: index 1 is 99; the source has 8 samples, from 0 to 7',
    () => evaluate(model(), { source: source(), indices: Uint32Array.of(0, 99) }),
  ],
  [
    'evaluate: samples: sample 0 has label 2; the model has 2 outputs, for labels from 0 to 1',
    () => new Evaluator(model(), { source: source([2, 1, 0, 0, 1, 0, 1, 0]), indices }),
  ],
  [
    'evaluate: batchSize must be a whole number of at least 1, got 0',
    () => evaluate(model(), { source: source(), indices }, { batchSize: 0 }),
  ],
  [
    'updateBatchNorm: samples: index 0 is 8; the source has 8 samples, from 0 to 7',
    () => updateBatchNorm(model(), { source: source(), indices: Uint32Array.of(8) }),
  ],
];

const built = (layer: Layer, inputShape: readonly number[] = [2]) => sequential([layer], { inputShape });
const { dense, conv2d, conv2dTranspose, maxPooling2d, batchNormalization } = layers;
const WHOLE = 'must be a whole number of at least 1';
const ACTIVATIONS = 'linear, relu, leakyRelu, sigmoid, tanh, softmax or { leakyRelu: slope }';
const INITIALIZERS =
  "'zeros', 'ones', 'glorotUniform', 'glorotNormal', 'heUniform', 'heNormal', 'lecunNormal', 'kaimingNormal' or 'fanInUniform'";
const layerOptions: readonly WrongCall[] = [
  ["dense: its options must be an object, as { name: 'first' }, got undefined", () => dense(any(undefined))],
  ["dense: its options must be an object, as { name: 'first' }, got 10", () => dense(any(10))],
  ["dropout: its options must be an object, as { name: 'first' }, got 0.5", () => layers.dropout(any(0.5))],
  ['dense: name must be a text, got 5', () => dense({ units: 1, name: any(5) })],
  ["dense: name must be a text, got ''", () => dense({ units: 1, name: '' })],
  ...[0, -1, 1.5, Number.NaN, '3', undefined].map(
    (units): WrongCall => [
      `dense: units ${WHOLE}, got ${typeof units === 'string' ? "'3'" : units}`,
      () => dense({ units: any(units) }),
    ],
  ),
  [
    `dense: expected an activation of ${ACTIVATIONS}, got 'ReLU'; the nearest is 'relu'`,
    () => dense({ units: 1, activation: any('ReLU') }),
  ],
  [
    `dense: expected an activation of ${ACTIVATIONS}, got 'swish'`,
    () => dense({ units: 1, activation: any('swish') }),
  ],
  [
    `activation: expected an activation of ${ACTIVATIONS}, got an object { leakyRelu }`,
    () => layers.activation({ activation: { leakyRelu: -1 } }),
  ],
  [
    `dense: kernelInitializer must be ${INITIALIZERS}, got 'he_normal'; the nearest is 'heNormal'`,
    () => dense({ units: 1, kernelInitializer: any('he_normal') }),
  ],
  [
    `conv2d: biasInitializer must be ${INITIALIZERS}, got a function`,
    () => conv2d({ filters: 1, biasInitializer: any(() => 0) }),
  ],
  ['dense: useBias must be true or false, got 0', () => dense({ units: 1, useBias: any(0) })],
  [
    'dense: kernelRegularizer.l2 must be a number of at least 0, got undefined',
    () => dense({ units: 1, kernelRegularizer: any({ l1: 0.1 }) }),
  ],
  [
    'dense: kernelRegularizer.l2 must be a number of at least 0, got NaN',
    () => dense({ units: 1, kernelRegularizer: { l2: Number.NaN } }),
  ],
  [
    "dense: kernelRegularizer: its options must be an object, as { l2: 0.01 }, got 'l2'",
    () => dense({ units: 1, kernelRegularizer: any('l2') }),
  ],
  [`conv2d: filters ${WHOLE}, got undefined`, () => conv2d(any({ kernelSize: 3 }))],
  [`conv2d: kernelSize ${WHOLE}, got 0`, () => conv2d({ filters: 1, kernelSize: 0 })],
  [
    'conv2d: kernelSize must be one number or [rows, columns], got [3]',
    () => conv2d({ filters: 1, kernelSize: any([3]) }),
  ],
  [
    `conv2d_transpose: each of kernelSize ${WHOLE}, got 1.5`,
    () => conv2dTranspose({ filters: 1, kernelSize: [1, 1.5] }),
  ],
  [
    "conv2d: expected padding 'same', 'valid', a number of zeros, [rows, columns] or [[top, bottom], [left, right]], got 'SAME'",
    () => built(conv2d({ filters: 1, padding: any('SAME') }), [4, 4, 1]),
  ],
  [`max_pooling2d: poolSize ${WHOLE}, got 0`, () => maxPooling2d({ poolSize: 0 })],
  ['max_pooling2d: ceilMode must be true or false, got 1', () => maxPooling2d({ ceilMode: any(1) })],
  ["dropout: rate must be a number from 0 to below 1, got '0.5'", () => layers.dropout({ rate: any('0.5') })],
  [
    'batch_normalization: momentum must be a number from 0 to 1, got 5',
    () => batchNormalization({ momentum: 5 }),
  ],
  [
    'batch_normalization: epsilon must be a number of at least 0, got -1',
    () => batchNormalization({ epsilon: -1 }),
  ],
  [
    "batch_normalization: convention must be 'keras' or 'pytorch', got 'torch'; the nearest is 'pytorch'",
    () => batchNormalization({ convention: any('torch') }),
  ],
  [
    'leaky_re_lu: alpha must be a number of at least 0, got NaN',
    () => layers.leakyReLU({ alpha: Number.NaN }),
  ],
  ['rescaling: scale must be a finite number, got undefined', () => layers.rescaling(any({}))],
  [`resizing: width ${WHOLE}, got undefined`, () => layers.resizing(any({ height: 2 }))],
  [`up_sampling2d: size ${WHOLE}, got 1.5`, () => layers.upSampling2d({ size: 1.5 })],
  ['reshape: expected a shape, as [2, -1], got undefined', () => built(layers.reshape(any({})))],
];

const point = () => input({ shape: [2] });
const DIMENSIONS = 'dimensions that are whole numbers of at least 1';
const predicted = (x: unknown) => model().predict(any<Tensor>(x));
const models: readonly WrongCall[] = [
  [
    'sequential: its options must be an object, as { inputShape: [28, 28, 1] }, got undefined',
    () => sequential([dense({ units: 1 })], any(undefined)),
  ],
  ['sequential: expected a list of layers, got an empty array', () => sequential([], { inputShape: [2] })],
  [
    'sequential: expected a list of layers, got undefined',
    () => sequential(any(undefined), { inputShape: [2] }),
  ],
  [
    'sequential: inputShape, without the batch: expected a shape, as [2, 3], got 2',
    () => built(dense({ units: 1 }), any(2)),
  ],
  [
    `sequential: inputShape, without the batch: expected ${DIMENSIONS}, got [null, 2]`,
    () => built(layers.flatten(), any([null, 2])),
  ],
  [
    `sequential: inputShape, without the batch: expected ${DIMENSIONS}, got [-2]`,
    () => built(dense({ units: 1 }), [-2]),
  ],
  [
    "the model: a seed is a whole number from 0 to 2^53 - 1, got 'a'",
    () => sequential([dense({ units: 1 })], { inputShape: [2], seed: any('a') }),
  ],
  [
    'layer 0 of the model must be one, as layers.dense({ units: 10 }), got an object { kind }',
    () => built(any({ kind: 'dense' })),
  ],
  [
    'layer 0 of the model must be one, as layers.dense({ units: 10 }), got a function',
    () => built(any(dense)),
  ],
  [
    'input: its options must be an object, as { shape: [28, 28, 1] }, got undefined',
    () => input(any(undefined)),
  ],
  [`input: shape, without the batch: expected ${DIMENSIONS}, got [0]`, () => input({ shape: [0] })],
  [
    "dense: apply() takes what input() or another layer's apply() gives, got a tensor [2]",
    () => dense({ units: 1 }).apply(any(tensor([1, 2]))),
  ],
  [
    "add: apply() takes what input() or another layer's apply() gives, got undefined",
    () => layers.add().apply(any(undefined)),
  ],
  [
    "functional: outputs must be what a layer's apply() gives, or several, got undefined",
    () => functional(any({ inputs: point() })),
  ],
  [
    'functional: inputs must be what input() gives, or several, got an empty array',
    () => functional({ inputs: [], outputs: dense({ units: 1 }).apply(point()) }),
  ],
  [
    'functional: its options must be an object, as { inputs, outputs }, got undefined',
    () => functional(any(undefined)),
  ],
  ['predict: expected a tensor [N, 2], got undefined', () => predicted(undefined)],
  ['predict: expected a tensor [N, 2], got [1, 2]', () => predicted([1, 2])],
  ['predict: expected a tensor [N, 2], got [1, 2]', () => predicted([[1, 2]])],
  ['predict: expected a tensor [N, 2], got a Float32Array of 2', () => predicted(new Float32Array(2))],
  [
    'predict: expected a tensor [N, 2], got a promise (is an await missing?)',
    () => predicted(Promise.resolve(1)),
  ],
  ['model: expected a tensor [N, 2], got undefined', () => model().call(any(undefined))],
  ['model: expected a tensor [N, 2], got undefined', () => model().callAll(any(undefined))],
  ['extractor: it takes the name of at least one layer', () => extractor(model(), any(undefined))],
];

const analyses: readonly WrongCall[] = [
  ['tsne: expected a tensor for points, got a Float32Array of 4', () => tsne(any(new Float32Array(4)))],
  [
    'nearestNeighborAccuracy: expected a tensor for points, got [1]',
    () => nearestNeighborAccuracy(any([1]), [0]),
  ],
  ['ensemble: classes must be a whole number of at least 2, got 1', () => ensemble([[0.5]], { classes: 1 })],
  [
    `reconstructionErrors: images ${SAMPLES}, got a Float32Array of 4`,
    () => reconstructionErrors(model(), any(new Float32Array(4))),
  ],
];

describe.each([
  ['options of layers', layerOptions],
  ['models', models],
  ['analyses', analyses],
  ['data', data],
  ['training', training],
])('wrong %s', (_, calls) => {
  it.each(named(calls))('%s', (_, call) => expectError(call));
});

// Stand until options are declared in one place, which knows their names.
describe('an option that there is not', () => {
  const unknown: readonly (readonly [option: string, call: () => unknown])[] = [
    ['unit', () => dense(any({ units: 1, unit: 2 }))],
    ['kernel_size', () => conv2d(any({ filters: 1, kernel_size: 5 }))],
    ['poolsize', () => maxPooling2d(any({ poolsize: 3 }))],
    ['batchsize', () => model().predict(tensor([[1, 2]]), any({ batchsize: 1 }))],
    ['verbose', () => fitted(any({ verbose: 1 }))],
    ['augmentation', () => new ImageSource(any(image), any({ augmentation: {} }))],
    ['lr', () => new SGD(any({ learningRate: 0.1, lr: 1 }))],
  ];
  it.fails.each(unknown)('%s is refused by its name', async (option, call) => {
    await expect((async () => call())()).rejects.toThrow(`'${option}'`);
  });
});

describe('what plain JavaScript gives', () => {
  it('is taken where it is meant so: other arrays of numbers, lists of indices', async () => {
    const kinds = [x, Float64Array.from(x), Array.from(x), [[...x.subarray(0, 8)], [...x.subarray(8)]]];
    for (const given of kinds) {
      const batch = new ArraySource(given, Uint8Array.from(labels), [2]).batch(tensor(Uint32Array.of(7)));
      expect([...(await batch.x.data()), ...(await batch.labels.data())]).toEqual([...x.subarray(14), 1]);
    }
    const integers = new ArraySource(Int32Array.of(-1, 2), [0, 1], [1]).batch(tensor(Uint32Array.of(0)));
    expect([integers.x.dtype, await integers.x.item()]).toEqual(['f32', -1]);
    const { loss } = await evaluate(model(), { source: source(), indices: any([0, 1]) });
    expect(loss).toBe((await evaluate(model(), { source: source(), indices: Uint32Array.of(0, 1) })).loss);
  });

  it('of one probability a sample is that of class 1', () => {
    expect([...predictedClasses([0.2, 0.5, 0.7], 1)]).toEqual([0, 0, 1]);
  });

  it('leaves the device in order', async () => {
    const { history } = await fitted({});
    expect(any<FitOptions[]>(history).length).toBe(1);
  });
});
