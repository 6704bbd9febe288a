import { ShapeError } from '../errors.ts';
import { kernelFamily, type UniformType } from '../gpu/kernel.ts';
import { defineOp } from '../tensor/autograd.ts';
import { launch, split } from '../tensor/launch.ts';
import { type Shape, sameShape, showShape } from '../tensor/shape.ts';
import { empty, type Tensor } from '../tensor/tensor.ts';
import { expectTensor } from './shared/expectTensor.ts';
import {
  blockRowsOf,
  type Channels,
  channelsOf,
  groupsOf,
  groupType,
  momentsWgsl,
} from './shared/moments.ts';
import { REDUCING_LANES, reduceLanesWgsl } from './shared/reduceLanes.ts';

/*
 * Batch normalisation over all axes but the last (Ioffe and Szegedy 2015).
 *
 * M rows (the product of all axes but the last), C channels; x, y [M,C]; gamma, beta, mean, variance [C]
 *   training:   mean[c] = 1/M sum_m x[m,c],  variance[c] = 1/M sum_m (x[m,c] - mean[c])^2
 *   inference:  mean and variance are given
 *   s[c] = 1 / sqrt(variance[c] + epsilon),  n[m,c] = (x[m,c] - mean[c]) * s[c]
 *   y[m,c] = gamma[c] * n[m,c] + beta[c]
 *
 *   dbeta[c] = sum_m dy[m,c],  dgamma[c] = sum_m dy[m,c] * n[m,c]
 *   training:   dx[m,c] = gamma[c] * s[c] * (dy[m,c] - dbeta[c]/M - n[m,c] * dgamma[c]/M)
 *   inference:  dx[m,c] = gamma[c] * s[c] * dy[m,c]
 *
 * Rows are reduced in blocks, one invocation a block and group of channels (four, where C is a multiple of 4), and the blocks by one
 * workgroup a group, both in a fixed order. Where the kernel that wrote x gathered its moments (shared/moments.ts), they are merged only.
 */

const LANES = 64;
/** Rows that an invocation works on where nothing is reduced: its channels' values are loaded once for them. */
const GROUP_ROWS = 8;

const shapeUniforms: Record<string, UniformType> = { M: 'u32', G: 'u32' };

/** Invocations run along the channels first, so that neighbours read neighbours. `at` is the first row's place, `u.G` on is the next. */
const findRows = (blockRows: string) => `
    let block = item / u.G;
    if (block >= u.items) { return; }
    let g = item % u.G;
    let rows = min(${blockRows}, u.M - (u.first + block) * ${blockRows});
    var at = block * ${blockRows} * u.G + g;`;

/** Bindings by name, all of groups of channels. */
const groups = (channels: Channels, ...names: string[]) =>
  Object.fromEntries(names.map((name) => [name, groupType(channels)]));

const momentsInBlocks = kernelFamily((channels: Channels) => ({
  name: 'batch-norm-moments-in-blocks',
  lanes: LANES,
  read: groups(channels, 'x'),
  write: groups(channels, 'partial'),
  uniforms: { ...shapeUniforms, blockRows: 'u32' },
  declarations: momentsWgsl(channels, { store: true }),
  body: `${findRows('u.blockRows')}
    let origin = x[at];
    var own = Moments();
    for (var r = 0u; r < rows; r++) {
      own = withRow(own, x[at] - origin);
      at += u.G;
    }
    own.mean += origin;
    storeMoments(block, g, own);`,
}));

const moments = kernelFamily((channels: Channels) => ({
  name: 'batch-norm-moments',
  lanes: REDUCING_LANES,
  read: groups(channels, 'partial'),
  write: groups(channels, 'mean', 'variance', 'movingMean', 'movingVariance'),
  uniforms: {
    ...shapeUniforms,
    blocks: 'u32',
    momentum: 'f32',
    renewal: 'f32',
    storedRows: 'f32',
  },
  declarations: momentsWgsl(channels, { store: false }) + reduceLanesWgsl('Moments', 'merged(a, b)'),
  body: `
    let g = workgroup;
    var own = Moments();
    for (var block = lane; block < u.blocks; block += ${REDUCING_LANES}u) {
      own = merged(own, loadMoments(block, g));
    }
    let all = reduceLanes(lane, own);
    if (lane == 0u) {
      mean[g] = all.mean;
      variance[g] = all.squares / f32(u.M);
      movingMean[g] = u.momentum * movingMean[g] + u.renewal * all.mean;
      movingVariance[g] = u.momentum * movingVariance[g] + u.renewal * all.squares / u.storedRows;
    }`,
}));

const normalise = kernelFamily((channels: Channels) => ({
  name: 'batch-norm',
  lanes: LANES,
  read: groups(channels, 'x', 'mean', 'variance', 'gamma', 'beta'),
  write: groups(channels, 'y'),
  uniforms: { ...shapeUniforms, epsilon: 'f32' },
  body: `${findRows(`${GROUP_ROWS}u`)}
    let centre = mean[g];
    let scale = gamma[g] / sqrt(variance[g] + u.epsilon);
    let shift = beta[g];
    for (var r = 0u; r < rows; r++) {
      y[at] = (x[at] - centre) * scale + shift;
      at += u.G;
    }`,
}));

const sumsWgsl = (channels: Channels) => `
    struct Sums { plain: ${groupType(channels)}, weighted: ${groupType(channels)} }`;

const gradientSumsInBlocks = kernelFamily((channels: Channels) => ({
  name: 'batch-norm-gradient-sums-in-blocks',
  lanes: LANES,
  read: groups(channels, 'x', 'dy', 'mean'),
  write: groups(channels, 'partial'),
  uniforms: { ...shapeUniforms, blockRows: 'u32' },
  declarations: sumsWgsl(channels),
  body: `${findRows('u.blockRows')}
    let centre = mean[g];
    var own = Sums();
    for (var r = 0u; r < rows; r++) {
      let slope = dy[at];
      own.plain += slope;
      own.weighted += slope * (x[at] - centre);
      at += u.G;
    }
    partial[2u * block * u.G + g] = own.plain;
    partial[(2u * block + 1u) * u.G + g] = own.weighted;`,
}));

const gradientSums = kernelFamily((channels: Channels) => ({
  name: 'batch-norm-gradient-sums',
  lanes: REDUCING_LANES,
  read: groups(channels, 'partial', 'variance'),
  write: groups(channels, 'dgamma', 'dbeta'),
  uniforms: { ...shapeUniforms, blocks: 'u32', epsilon: 'f32' },
  declarations:
    sumsWgsl(channels) + reduceLanesWgsl('Sums', 'Sums(a.plain + b.plain, a.weighted + b.weighted)'),
  body: `
    let g = workgroup;
    var own = Sums();
    for (var block = lane; block < u.blocks; block += ${REDUCING_LANES}u) {
      own.plain += partial[2u * block * u.G + g];
      own.weighted += partial[(2u * block + 1u) * u.G + g];
    }
    let all = reduceLanes(lane, own);
    if (lane == 0u) {
      dbeta[g] = all.plain;
      dgamma[g] = all.weighted / sqrt(variance[g] + u.epsilon);
    }`,
}));

const trainingInputGradient = kernelFamily((channels: Channels) => ({
  name: 'batch-norm-input-gradient',
  lanes: LANES,
  read: groups(channels, 'x', 'dy', 'mean', 'variance', 'gamma', 'dgamma', 'dbeta'),
  write: groups(channels, 'dx'),
  uniforms: { ...shapeUniforms, epsilon: 'f32' },
  body: `${findRows(`${GROUP_ROWS}u`)}
    let centre = mean[g];
    let s = 1.0 / sqrt(variance[g] + u.epsilon);
    let scale = gamma[g] * s;
    let offset = dbeta[g] / f32(u.M);
    let slope = s * dgamma[g] / f32(u.M);
    for (var r = 0u; r < rows; r++) {
      dx[at] = scale * (dy[at] - offset - (x[at] - centre) * slope);
      at += u.G;
    }`,
}));

const inferenceInputGradient = kernelFamily((channels: Channels) => ({
  name: 'batch-norm-inference-input-gradient',
  lanes: LANES,
  read: groups(channels, 'dy', 'variance', 'gamma'),
  write: groups(channels, 'dx'),
  uniforms: { ...shapeUniforms, epsilon: 'f32' },
  body: `${findRows(`${GROUP_ROWS}u`)}
    let scale = gamma[g] / sqrt(variance[g] + u.epsilon);
    for (var r = 0u; r < rows; r++) {
      dx[at] = scale * dy[at];
      at += u.G;
    }`,
}));

/** M, C and how rows are cut into blocks. */
function layoutOf(x: Tensor) {
  const C = x.shape[x.rank - 1];
  const G = groupsOf(C);
  const M = x.size / C;
  const blockRows = blockRowsOf(M);
  const blocks = Math.ceil(M / blockRows);
  const workgroups = (items: number) => Math.ceil((items * G) / LANES);
  return {
    M,
    C,
    channels: channelsOf(C),
    blocks,
    uniforms: { M, G, blockRows, blocks },
    /** One invocation a block and group of channels, and one a few rows and group. */
    byBlock: { items: blocks, workgroups },
    byRows: { items: Math.ceil(M / GROUP_ROWS), workgroups },
    /** One workgroup a group of channels. */
    byGroup: { items: G, workgroups: (items: number) => items },
    splitBlocks: (tensor: Tensor) => split(tensor, blockRows * C),
    splitRows: (tensor: Tensor) => split(tensor, GROUP_ROWS * C),
  };
}

/** The moments of x in blocks, [blocks, 3, C]. */
function gatherMoments(x: Tensor): Tensor {
  const { C, channels, blocks, uniforms, byBlock, splitBlocks } = layoutOf(x);
  const partial = empty([blocks, 3, C]);
  launch(
    momentsInBlocks(channels),
    { x: splitBlocks(x), partial: split(partial, 3 * C) },
    { ...byBlock, uniforms },
  );
  return partial;
}

function applyNormalisation(
  x: Tensor,
  gamma: Tensor,
  beta: Tensor,
  mean: Tensor,
  variance: Tensor,
  epsilon: number,
  y: Tensor,
): void {
  const { channels, uniforms, byRows, splitRows } = layoutOf(x);
  launch(
    normalise(channels),
    { x: splitRows(x), mean, variance, gamma, beta, y: splitRows(y) },
    { ...byRows, uniforms: { ...uniforms, epsilon } },
  );
}

/** dgamma and dbeta. */
function channelGradients(
  x: Tensor,
  dy: Tensor,
  mean: Tensor,
  variance: Tensor,
  epsilon: number,
): [Tensor, Tensor] {
  const { C, channels, blocks, uniforms, byBlock, byGroup, splitBlocks } = layoutOf(x);
  const partial = empty([blocks, 2, C]);
  launch(
    gradientSumsInBlocks(channels),
    { x: splitBlocks(x), dy: splitBlocks(dy), mean, partial: split(partial, 2 * C) },
    { ...byBlock, uniforms },
  );
  const dgamma = empty([C]);
  const dbeta = empty([C]);
  launch(
    gradientSums(channels),
    { partial, variance, dgamma, dbeta },
    { ...byGroup, uniforms: { ...uniforms, epsilon } },
  );
  return [dgamma, dbeta];
}

/** The shape rule of both ops: x, then gamma, beta, mean and variance of one value a channel. */
function shapeOf(op: string, [x, ...perChannel]: readonly Shape[]): Shape {
  if (x.length < 2)
    throw new ShapeError(op, 'x with a batch axis and channels as its last axis', showShape(x));
  const wanted = [x[x.length - 1]];
  for (const [i, name] of ['gamma', 'beta', 'mean', 'variance'].entries()) {
    if (!sameShape(perChannel[i], wanted))
      throw new ShapeError(
        op,
        `${name} ${showShape(wanted)} for x ${showShape(x)}`,
        showShape(perChannel[i]),
      );
  }
  return x;
}

/** @throws ShapeError */
function checkDtypes(op: string, tensors: Readonly<Record<string, Tensor>>): void {
  for (const [name, tensor] of Object.entries(tensors)) expectTensor(op, name, tensor, 'f32');
}

/** @throws ShapeError */
function checkEpsilon(op: string, epsilon: number): void {
  if (!(epsilon >= 0 && Number.isFinite(epsilon)))
    throw new ShapeError(op, 'epsilon of at least 0', String(epsilon));
}

/** Options of `batchNormInference`. */
export interface BatchNormInferenceOptions {
  /** Added to the variance. */
  epsilon: number;
}

/** Options of `batchNormTraining`. */
export interface BatchNormTrainingOptions extends BatchNormInferenceOptions {
  /** How much of the moving statistics stays in a step: 0 to 1. */
  momentum: number;
  /**
   * Whether the variance that goes into the moving statistics is unbiased: divided by M - 1. Default: as in Keras, for images alone,
   * x [N, H, W, C].
   */
  unbiased?: boolean;
}

const trainingOp = defineOp<BatchNormTrainingOptions>({
  name: 'batchNormTraining',
  shape: (inputs) => shapeOf('batchNormTraining', inputs),
  forward({
    inputs: [x, gamma, beta, movingMean, movingVariance],
    attrs: { momentum, epsilon, unbiased = x.rank === 4 },
    output,
    save,
  }) {
    const { M, C, channels, uniforms, byGroup } = layoutOf(x);
    const partial = x.moments ?? gatherMoments(x);
    const mean = empty([C]);
    const variance = empty([C]);
    const storedRows = unbiased ? Math.max(M - 1, 1) : M;
    launch(
      moments(channels),
      { partial, mean, variance, movingMean, movingVariance },
      {
        ...byGroup,
        uniforms: {
          ...uniforms,
          blocks: partial.shape[0],
          momentum,
          renewal: 1 - momentum,
          storedRows,
        },
      },
    );
    applyNormalisation(x, gamma, beta, mean, variance, epsilon, output);
    save(x, gamma, mean, variance);
  },
  backward({ gradient: dy, saved: [x, gamma, mean, variance], attrs: { epsilon }, needs }) {
    const [dgamma, dbeta] = channelGradients(x, dy, mean, variance, epsilon);
    let dx: Tensor | null = null;
    if (needs[0]) {
      dx = empty(x.shape);
      const { channels, uniforms, byRows, splitRows } = layoutOf(x);
      launch(
        trainingInputGradient(channels),
        { x: splitRows(x), dy: splitRows(dy), mean, variance, gamma, dgamma, dbeta, dx: splitRows(dx) },
        { ...byRows, uniforms: { ...uniforms, epsilon } },
      );
    }
    return [dx, dgamma, dbeta, null, null];
  },
});

const inferenceOp = defineOp<BatchNormInferenceOptions>({
  name: 'batchNormInference',
  shape: (inputs) => shapeOf('batchNormInference', inputs),
  forward({ inputs: [x, gamma, beta, mean, variance], attrs: { epsilon }, output, save }) {
    applyNormalisation(x, gamma, beta, mean, variance, epsilon, output);
    save(x, gamma, mean, variance);
  },
  backward({ gradient: dy, saved: [x, gamma, mean, variance], attrs: { epsilon }, needs }) {
    const [dgamma, dbeta] =
      needs[1] || needs[2] ? channelGradients(x, dy, mean, variance, epsilon) : [null, null];
    let dx: Tensor | null = null;
    if (needs[0]) {
      dx = empty(x.shape);
      const { channels, uniforms, byRows, splitRows } = layoutOf(x);
      launch(
        inferenceInputGradient(channels),
        { dy: splitRows(dy), variance, gamma, dx: splitRows(dx) },
        { ...byRows, uniforms: { ...uniforms, epsilon } },
      );
    }
    return [dx, dgamma, dbeta, null, null];
  },
});

/**
 * Normalises every channel of a batch to mean 0 and variance 1 (the batch's own, biased), then scales by
 * gamma and shifts by beta. Gradients flow to x, gamma and beta.
 *
 * The moving statistics are updated in place: `moving = momentum * moving + (1 - momentum) * batch`.
 *
 * @param x [..., C] of rank 2 or more
 * @param gamma [C]
 * @param beta [C]
 * @param moving mean [C] and variance [C], written by this call
 * @returns the shape of x
 * @throws ShapeError
 */
export function batchNormTraining(
  x: Tensor,
  gamma: Tensor,
  beta: Tensor,
  moving: { mean: Tensor; variance: Tensor },
  { momentum, epsilon, unbiased }: BatchNormTrainingOptions,
): Tensor {
  checkDtypes('batchNormTraining', { x, gamma, beta, ...moving });
  checkEpsilon('batchNormTraining', epsilon);
  if (!(momentum >= 0 && momentum <= 1))
    throw new ShapeError('batchNormTraining', 'a momentum from 0 to 1', String(momentum));
  return trainingOp([x, gamma, beta, moving.mean, moving.variance], { momentum, epsilon, unbiased });
}

/**
 * Normalises every channel with the given mean and variance, then scales by gamma and shifts by beta.
 * Gradients flow to x, gamma and beta; mean and variance are constants.
 *
 * @param x [..., C] of rank 2 or more
 * @param gamma [C]
 * @param beta [C]
 * @param mean [C]
 * @param variance [C]
 * @returns the shape of x
 * @throws ShapeError
 */
export function batchNormInference(
  x: Tensor,
  gamma: Tensor,
  beta: Tensor,
  mean: Tensor,
  variance: Tensor,
  { epsilon }: BatchNormInferenceOptions,
): Tensor {
  checkDtypes('batchNormInference', { x, gamma, beta, mean, variance });
  checkEpsilon('batchNormInference', epsilon);
  return inferenceOp([x, gamma, beta, mean, variance], { epsilon });
}
