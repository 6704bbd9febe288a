import { below, between, distinct, transforms } from './draws.mjs';

/*
 * What is measured: calls that both sides know how to make, by the name of Weft's op. A case has
 *
 *   op, as            which op, and what sets this call apart from the op's others
 *   inputs            by name: shape of a small and of a large call, and how values are drawn
 *   gradients         names of the inputs whose gradient is measured
 *   attributes        of the op, where it has any; or a function of the inputs' shapes and 'small' or 'large'
 *   peerFaults        of gradients, by input, that TensorFlow.js computes otherwise than it should: how
 *   agreement         of ops that draw random numbers: figures of the values on which both sides must agree, and how closely
 */

const given = (small, large, draw = between(-1, 1)) => ({ small, large, draw });

const FEATURES = [
  [64, 128],
  [32, 28, 28, 64],
];
const IMAGES = [
  [4, 14, 14, 16],
  [32, 28, 28, 64],
];
const CHANNELS = [[16], [64]];

const unary = (op, { draw, ...rest } = {}) => ({
  op,
  inputs: { x: given(...FEATURES, draw) },
  gradients: ['x'],
  ...rest,
});

const binary = (op, { draw, ...rest } = {}) => ({
  op,
  inputs: { a: given(...FEATURES, draw), b: given(...FEATURES, draw) },
  gradients: ['a', 'b'],
  ...rest,
});

const product = (as, [small, large], attributes) => ({
  op: 'matmul',
  as,
  inputs: { a: given(small, large), b: given(small, large) },
  gradients: ['a', 'b'],
  attributes,
});

const convolution = (as, x, w, attributes) => ({
  op: 'conv2d',
  as,
  inputs: { x: given(...x), w: given(...w) },
  gradients: ['x', 'w'],
  attributes: { padding: 'same', ...attributes },
});

const images = (op, { as, draw, attributes } = {}) => ({
  op,
  as,
  inputs: { x: given(...IMAGES, draw) },
  gradients: ['x'],
  attributes,
});

const resizing = (as, alignCorners, rest) => ({
  op: 'resizeBilinear',
  as,
  inputs: { x: given([2, 14, 14, 8], [16, 28, 28, 32]) },
  gradients: ['x'],
  attributes: ({ x: [, H, W] }) => ({ size: [2 * H, 2 * W], alignCorners }),
  ...rest,
});

const crossEntropy = (as, attributes) => ({
  op: 'softmaxCrossEntropy',
  as,
  inputs: { logits: given([64, 10], [4096, 100], between(-4, 4)), labels: given([64], [4096], below(10)) },
  gradients: ['logits'],
  attributes,
});

const update = (op, state, as, attributes) => ({
  op,
  as,
  inputs: Object.fromEntries(
    ['parameter', 'gradient', ...state].map((name) => [
      name,
      // The state of a first step.
      given([64, 128], [1024, 1024], state.includes(name) ? between(0, 0) : undefined),
    ]),
  ),
  gradients: [],
  attributes,
});

/** Above five standard deviations of what a small call draws. */
const DRAWN_TOLERANCE = 0.08;
const mean = (values) => values.reduce((sum, value) => sum + value, 0) / values.length;

export const cases = [
  binary('add'),
  { ...binary('add'), as: 'of a row', inputs: { a: given(...FEATURES), b: given([128], [64]) } },
  binary('sub'),
  binary('mul'),
  binary('div', { draw: between(0.5, 2) }),
  binary('maximum'),
  {
    op: 'biasAdd',
    inputs: { x: given(...FEATURES), bias: given([128], [64]) },
    gradients: ['x', 'bias'],
  },
  unary('abs'),
  unary('exp'),
  unary('leakyRelu', { attributes: { slope: 0.3 } }),
  unary('log', { draw: between(0.5, 3) }),
  unary('neg'),
  unary('pow', { draw: between(0.5, 2), attributes: { exponent: 3 } }),
  unary('relu'),
  unary('rescale', { attributes: { scale: 2, offset: 0.5 } }),
  unary('sigmoid', { draw: between(-4, 4) }),
  unary('sqrt', { draw: between(0.5, 3) }),
  unary('square'),
  unary('tanh', { draw: between(-3, 3) }),

  unary('sum', { as: 'of all', draw: between(0, 1), attributes: {} }),
  unary('sum', { as: 'over the first axis', draw: between(0, 1), attributes: { axes: [0] } }),
  unary('mean', { as: 'of all', draw: between(0, 1), attributes: {} }),
  unary('mean', { as: 'over the last axis', attributes: { axes: [-1] } }),
  unary('max', { as: 'of all', draw: distinct, attributes: {} }),
  unary('max', { as: 'over the last axis', draw: distinct, attributes: { axes: [-1] } }),
  { op: 'argmax', inputs: { x: given([64, 10], [4096, 100], distinct) }, gradients: [] },
  { op: 'l2', inputs: { w: given([64, 128], [1024, 1024]) }, gradients: ['w'], attributes: { lambda: 1e-3 } },

  product(
    undefined,
    [
      [64, 64],
      [512, 512],
    ],
    {},
  ),
  product(
    'a transposed',
    [
      [64, 64],
      [512, 512],
    ],
    { transposeA: true },
  ),
  product(
    'b transposed',
    [
      [64, 64],
      [512, 512],
    ],
    { transposeB: true },
  ),
  {
    op: 'dense',
    inputs: {
      x: given([32, 128], [64, 2048]),
      w: given([128, 10], [2048, 256]),
      bias: given([10], [256]),
    },
    gradients: ['x', 'w', 'bias'],
  },

  {
    op: 'conv2d',
    as: '3x3 with bias',
    inputs: {
      x: given([1, 14, 14, 16], [4, 28, 28, 64]),
      w: given([3, 3, 16, 32], [3, 3, 64, 128]),
      bias: given([32], [128]),
    },
    gradients: ['x', 'w', 'bias'],
    attributes: { padding: 'same' },
  },
  convolution(
    '1x1',
    [
      [1, 14, 14, 16],
      [4, 28, 28, 64],
    ],
    [
      [1, 1, 16, 32],
      [1, 1, 64, 128],
    ],
  ),
  convolution(
    '3x3 of stride 2',
    [
      [1, 14, 14, 16],
      [4, 28, 28, 64],
    ],
    [
      [3, 3, 16, 32],
      [3, 3, 64, 128],
    ],
    {
      strides: 2,
    },
  ),
  convolution(
    '5x5',
    [
      [1, 14, 14, 8],
      [4, 28, 28, 16],
    ],
    [
      [5, 5, 8, 16],
      [5, 5, 16, 32],
    ],
  ),
  convolution(
    '7x7 of stride 2',
    [
      [1, 32, 32, 3],
      [2, 112, 112, 3],
    ],
    [
      [7, 7, 3, 16],
      [7, 7, 3, 64],
    ],
    {
      strides: 2,
    },
  ),
  {
    op: 'conv2dTranspose',
    as: '3x3 of stride 2',
    inputs: {
      x: given([1, 7, 7, 16], [4, 14, 14, 64]),
      w: given([3, 3, 8, 16], [3, 3, 32, 64]),
    },
    gradients: ['x', 'w'],
    attributes: { padding: 'same', strides: 2 },
  },

  images('maxPool2d', {
    as: '2x2',
    draw: distinct,
    attributes: { poolSize: 2, strides: 2, padding: 'valid' },
  }),
  images('maxPool2d', {
    as: '3x3 of stride 2',
    draw: distinct,
    attributes: { poolSize: 3, strides: 2, padding: 'same' },
  }),
  images('avgPool2d', { as: '2x2', attributes: { poolSize: 2, strides: 2, padding: 'valid' } }),
  images('avgPool2d', { as: '3x3 of stride 2', attributes: { poolSize: 3, strides: 2, padding: 'valid' } }),
  images('globalAvgPool2d'),
  {
    op: 'batchNormTraining',
    inputs: {
      x: given(...IMAGES),
      gamma: given(...CHANNELS, between(0.5, 2)),
      beta: given(...CHANNELS),
      movingMean: given(...CHANNELS),
      movingVariance: given(...CHANNELS, between(0.5, 2)),
    },
    gradients: ['x', 'gamma', 'beta'],
    attributes: { momentum: 0.99, epsilon: 1e-3 },
  },
  {
    op: 'batchNormInference',
    inputs: {
      x: given(...IMAGES),
      gamma: given(...CHANNELS, between(0.5, 2)),
      beta: given(...CHANNELS),
      mean: given(...CHANNELS),
      variance: given(...CHANNELS, between(0.5, 2)),
    },
    gradients: ['x', 'gamma', 'beta'],
    attributes: { epsilon: 1e-3 },
  },
  resizing('with half-pixel centres', false, {
    peerFaults: {
      x: 'its gradient ignores half-pixel centres',
    },
  }),
  resizing('with aligned corners', true),
  {
    op: 'upSampling2d',
    inputs: { x: given([2, 14, 14, 8], [16, 28, 28, 32]) },
    gradients: ['x'],
    attributes: { size: 2 },
  },
  {
    op: 'warpImages',
    inputs: {
      x: given([4, 28, 28, 1], [64, 64, 64, 3], between(0, 1)),
      transforms: given([4, 12], [64, 12], transforms),
    },
    gradients: [],
    attributes: { interpolation: 'linear', fillMode: 'nearest' },
  },

  { op: 'softmax', inputs: { x: given([64, 10], [4096, 100]) }, gradients: ['x'] },
  { op: 'logSoftmax', inputs: { x: given([64, 10], [4096, 100]) }, gradients: ['x'] },
  crossEntropy(undefined, {}),
  crossEntropy('with label smoothing', { labelSmoothing: 0.1 }),
  {
    op: 'binaryCrossEntropy',
    inputs: {
      logits: given([64, 128], [1024, 1024], between(-2, 2)),
      target: given([64, 128], [1024, 1024], between(0, 1)),
    },
    gradients: ['logits'],
  },
  {
    op: 'meanSquaredError',
    inputs: { y: given([64, 128], [1024, 1024]), target: given([64, 128], [1024, 1024]) },
    gradients: ['y', 'target'],
  },

  {
    op: 'concat',
    as: 'along the last axis',
    inputs: { a: given([64, 64], [32, 28, 28, 32]), b: given([64, 64], [32, 28, 28, 32]) },
    gradients: ['a', 'b'],
    attributes: { axis: -1 },
  },
  {
    op: 'gather',
    inputs: { x: given([100, 64], [2000, 128]), indices: given([64], [4096], below(100)) },
    gradients: ['x'],
  },
  unary('reshape', { attributes: ({ x }) => ({ shape: [x[0], x.slice(1).reduce((a, b) => a * b)] }) }),
  unary('slice', { attributes: ({ x }) => ({ begin: x.map(() => 1), size: x.map((extent) => extent - 2) }) }),
  {
    op: 'transpose',
    as: 'of a matrix',
    inputs: { x: given([64, 128], [1024, 2048]) },
    gradients: ['x'],
    attributes: { permutation: [1, 0] },
  },
  images('transpose', { as: 'to channels first', attributes: { permutation: [0, 3, 1, 2] } }),

  unary('dropout', {
    attributes: { rate: 0.3 },
    agreement: {
      of: (values) => [mean(values.map((value) => (value === 0 ? 1 : 0))), mean(values.map(Math.abs))],
      tolerance: DRAWN_TOLERANCE,
    },
  }),
  {
    op: 'drawUniform',
    inputs: {},
    gradients: [],
    attributes: (_, size) => ({ count: size === 'small' ? 4096 : 2 ** 20, range: [-3, 5] }),
    agreement: {
      of: (values) => [
        values.reduce((a, b) => Math.min(a, b)),
        mean(values),
        values.reduce((a, b) => Math.max(a, b)),
      ],
      tolerance: DRAWN_TOLERANCE,
    },
  },

  update('adamUpdate', ['m', 'v'], undefined, {
    learningRate: 1e-3,
    beta1: 0.9,
    beta2: 0.999,
    epsilon: 1e-7,
  }),
  update('sgdUpdate', [], undefined, { learningRate: 0.1, momentum: 0 }),
  update('sgdUpdate', ['velocity'], 'with momentum', { learningRate: 0.1, momentum: 0.9 }),
];

export const nameOf = ({ op, as }) => (as ? `${op} ${as}` : op);

/** Ops that TensorFlow.js has nothing for, with the reason. */
export const withoutCounterpart = {
  adamRates: 'five numbers of a step, computed on the CPU',
  adjustBrightness: 'brightness as keras-preprocessing has it, cut to grey levels: no such op',
  drawAffine: 'a random affine map for each image: no such op',
  drawBoxes: 'a random box for each image: no such op',
  drawPerspective: 'a random perspective for each image: no such op',
  eraseImages: 'a box of each image filled: no such op',
  gatherImages: 'images gathered from bytes: its tensors hold no bytes on the GPU',
  haltUnlessFinite: 'values that are not finite, noted on the GPU: values are read back',
  noteHalt: 'that a step was halted, noted on the GPU: no such op',
  noteNonFinite: 'a loss that is not finite, noted on the GPU: losses are read back',
  stepMetrics: "a step's loss and right answers, noted on the GPU: they are read back",
};
