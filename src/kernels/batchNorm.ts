import { ShapeError } from '../errors.ts';
import { kernel, type UniformType } from '../gpu/kernel.ts';
import { defineOp } from '../tensor/autograd.ts';
import { launch, split } from '../tensor/launch.ts';
import { type Shape, sameShape, showShape } from '../tensor/shape.ts';
import { empty, type Tensor } from '../tensor/tensor.ts';
import { expectTensor } from './shared/expectTensor.ts';
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
 * Rows are reduced in blocks, one invocation a block and channel, and the blocks by one workgroup a channel,
 * both in a fixed order. A block holds its mean and its squared deviations, not sums of x and x^2, whose
 * difference would cancel: inside a block by Welford's recurrence (1962) from the block's first row, between
 * blocks by the pairwise rule of Chan, Golub and LeVeque (1979).
 */

const LANES = 64;
/** Blocks at most: enough invocations to keep a GPU busy, few enough for one workgroup a channel. */
const MOST_BLOCKS = 1024;
/** Rows that an invocation works on where nothing is reduced: its channel's values are loaded once for them. */
const GROUP_ROWS = 8;

const shapeUniforms: Record<string, UniformType> = { M: 'u32', C: 'u32' };

/** Invocations run along the channels first, so that neighbours read neighbours. */
const findRows = (blockRows: string) => `
    let block = item / u.C;
    if (block >= u.items) { return; }
    let c = item % u.C;
    let rows = min(${blockRows}, u.M - (u.first + block) * ${blockRows});
    var at = block * ${blockRows} * u.C + c;`;

const momentsInBlocks = kernel({
  name: 'batch-norm-moments-in-blocks',
  lanes: LANES,
  read: { x: 'f32' },
  write: { partial: 'f32' },
  uniforms: { ...shapeUniforms, blockRows: 'u32' },
  body: `${findRows('u.blockRows')}
    let origin = x[at];
    var mean = 0.0;
    var squares = 0.0;
    for (var r = 0u; r < rows; r++) {
      let value = x[at] - origin;
      let deviation = value - mean;
      mean += deviation / f32(r + 1u);
      squares += deviation * (value - mean);
      at += u.C;
    }
    partial[2u * block * u.C + c] = origin + mean;
    partial[(2u * block + 1u) * u.C + c] = squares;`,
});

// A value is (rows, mean, sum of squared deviations); one of no rows changes nothing.
const moments = kernel({
  name: 'batch-norm-moments',
  lanes: REDUCING_LANES,
  read: { partial: 'f32' },
  write: { mean: 'f32', variance: 'f32', movingMean: 'f32', movingVariance: 'f32' },
  uniforms: {
    ...shapeUniforms,
    blockRows: 'u32',
    blocks: 'u32',
    momentum: 'f32',
    renewal: 'f32',
    storedRows: 'f32',
  },
  declarations: `
    fn merge(a: vec3f, b: vec3f) -> vec3f {
      let rows = a.x + b.x;
      let share = b.x / max(rows, 1.0);
      let apart = b.y - a.y;
      return vec3f(rows, a.y + apart * share, a.z + b.z + apart * apart * a.x * share);
    }
    ${reduceLanesWgsl('vec3f', 'merge(a, b)')}`,
  body: `
    let c = workgroup;
    var own = vec3f();
    for (var block = lane; block < u.blocks; block += ${REDUCING_LANES}u) {
      let rows = min(u.blockRows, u.M - block * u.blockRows);
      own = merge(own, vec3f(f32(rows), partial[2u * block * u.C + c], partial[(2u * block + 1u) * u.C + c]));
    }
    let all = reduceLanes(lane, own);
    if (lane == 0u) {
      mean[c] = all.y;
      variance[c] = all.z / f32(u.M);
      movingMean[c] = u.momentum * movingMean[c] + u.renewal * all.y;
      movingVariance[c] = u.momentum * movingVariance[c] + u.renewal * all.z / u.storedRows;
    }`,
});

const normalise = kernel({
  name: 'batch-norm',
  lanes: LANES,
  read: { x: 'f32', mean: 'f32', variance: 'f32', gamma: 'f32', beta: 'f32' },
  write: { y: 'f32' },
  uniforms: { ...shapeUniforms, epsilon: 'f32' },
  body: `${findRows(`${GROUP_ROWS}u`)}
    let centre = mean[c];
    let scale = gamma[c] / sqrt(variance[c] + u.epsilon);
    let shift = beta[c];
    for (var r = 0u; r < rows; r++) {
      y[at] = (x[at] - centre) * scale + shift;
      at += u.C;
    }`,
});

const gradientSumsInBlocks = kernel({
  name: 'batch-norm-gradient-sums-in-blocks',
  lanes: LANES,
  read: { x: 'f32', dy: 'f32', mean: 'f32' },
  write: { partial: 'f32' },
  uniforms: { ...shapeUniforms, blockRows: 'u32' },
  body: `${findRows('u.blockRows')}
    let centre = mean[c];
    var plain = 0.0;
    var weighted = 0.0;
    for (var r = 0u; r < rows; r++) {
      let slope = dy[at];
      plain += slope;
      weighted += slope * (x[at] - centre);
      at += u.C;
    }
    partial[2u * block * u.C + c] = plain;
    partial[(2u * block + 1u) * u.C + c] = weighted;`,
});

const gradientSums = kernel({
  name: 'batch-norm-gradient-sums',
  lanes: REDUCING_LANES,
  read: { partial: 'f32', variance: 'f32' },
  write: { dgamma: 'f32', dbeta: 'f32' },
  uniforms: { ...shapeUniforms, blocks: 'u32', epsilon: 'f32' },
  declarations: reduceLanesWgsl('vec2f', 'a + b'),
  body: `
    let c = workgroup;
    var own = vec2f();
    for (var block = lane; block < u.blocks; block += ${REDUCING_LANES}u) {
      own += vec2f(partial[2u * block * u.C + c], partial[(2u * block + 1u) * u.C + c]);
    }
    let all = reduceLanes(lane, own);
    if (lane == 0u) {
      dbeta[c] = all.x;
      dgamma[c] = all.y / sqrt(variance[c] + u.epsilon);
    }`,
});

const trainingInputGradient = kernel({
  name: 'batch-norm-input-gradient',
  lanes: LANES,
  read: { x: 'f32', dy: 'f32', mean: 'f32', variance: 'f32', gamma: 'f32', dgamma: 'f32', dbeta: 'f32' },
  write: { dx: 'f32' },
  uniforms: { ...shapeUniforms, epsilon: 'f32' },
  body: `${findRows(`${GROUP_ROWS}u`)}
    let centre = mean[c];
    let s = 1.0 / sqrt(variance[c] + u.epsilon);
    let scale = gamma[c] * s;
    let offset = dbeta[c] / f32(u.M);
    let slope = s * dgamma[c] / f32(u.M);
    for (var r = 0u; r < rows; r++) {
      dx[at] = scale * (dy[at] - offset - (x[at] - centre) * slope);
      at += u.C;
    }`,
});

const inferenceInputGradient = kernel({
  name: 'batch-norm-inference-input-gradient',
  lanes: LANES,
  read: { dy: 'f32', variance: 'f32', gamma: 'f32' },
  write: { dx: 'f32' },
  uniforms: { ...shapeUniforms, epsilon: 'f32' },
  body: `${findRows(`${GROUP_ROWS}u`)}
    let scale = gamma[c] / sqrt(variance[c] + u.epsilon);
    for (var r = 0u; r < rows; r++) {
      dx[at] = scale * dy[at];
      at += u.C;
    }`,
});

/** M, C and how rows are cut into blocks: of multiples of 64 rows, so that ranges begin at multiples of 256 bytes. */
function layoutOf(x: Tensor) {
  const C = x.shape[x.rank - 1];
  const M = x.size / C;
  const blockRows = 64 * Math.ceil(M / (64 * MOST_BLOCKS));
  const blocks = Math.ceil(M / blockRows);
  const workgroups = (items: number) => Math.ceil((items * C) / LANES);
  return {
    M,
    C,
    blocks,
    uniforms: { M, C, blockRows, blocks },
    /** One invocation a block and channel, and one a group of rows and channel. */
    byBlock: { items: blocks, workgroups },
    byGroup: { items: Math.ceil(M / GROUP_ROWS), workgroups },
    /** One workgroup a channel. */
    byChannel: { items: C, workgroups: (items: number) => items },
    splitBlocks: (tensor: Tensor) => split(tensor, blockRows * C),
    splitGroups: (tensor: Tensor) => split(tensor, GROUP_ROWS * C),
  };
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
  const { uniforms, byGroup, splitGroups } = layoutOf(x);
  launch(
    normalise,
    { x: splitGroups(x), mean, variance, gamma, beta, y: splitGroups(y) },
    { ...byGroup, uniforms: { ...uniforms, epsilon } },
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
  const { C, blocks, uniforms, byBlock, byChannel, splitBlocks } = layoutOf(x);
  const partial = empty([blocks, 2, C]);
  launch(
    gradientSumsInBlocks,
    { x: splitBlocks(x), dy: splitBlocks(dy), mean, partial: split(partial, 2 * C) },
    { ...byBlock, uniforms },
  );
  const dgamma = empty([C]);
  const dbeta = empty([C]);
  launch(
    gradientSums,
    { partial, variance, dgamma, dbeta },
    { ...byChannel, uniforms: { ...uniforms, epsilon } },
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

export interface BatchNormInferenceOptions {
  /** Added to the variance. */
  epsilon: number;
}

export interface BatchNormTrainingOptions extends BatchNormInferenceOptions {
  /** How much of the moving statistics stays in a step: 0 to 1. */
  momentum: number;
}

const trainingOp = defineOp<BatchNormTrainingOptions>({
  name: 'batchNormTraining',
  shape: (inputs) => shapeOf('batchNormTraining', inputs),
  forward({
    inputs: [x, gamma, beta, movingMean, movingVariance],
    attrs: { momentum, epsilon },
    output,
    save,
  }) {
    const { M, C, blocks, uniforms, byBlock, byChannel, splitBlocks } = layoutOf(x);
    const partial = empty([blocks, 2, C]);
    launch(momentsInBlocks, { x: splitBlocks(x), partial: split(partial, 2 * C) }, { ...byBlock, uniforms });
    const mean = empty([C]);
    const variance = empty([C]);
    // Keras' fused path, for images, stores the unbiased variance; the path for rows the biased one.
    const storedRows = x.rank === 4 ? Math.max(M - 1, 1) : M;
    launch(
      moments,
      { partial, mean, variance, movingMean, movingVariance },
      { ...byChannel, uniforms: { ...uniforms, momentum, renewal: 1 - momentum, storedRows } },
    );
    applyNormalisation(x, gamma, beta, mean, variance, epsilon, output);
    save(x, gamma, mean, variance);
  },
  backward({ gradient: dy, saved: [x, gamma, mean, variance], attrs: { epsilon }, needs }) {
    const [dgamma, dbeta] = channelGradients(x, dy, mean, variance, epsilon);
    let dx: Tensor | null = null;
    if (needs[0]) {
      dx = empty(x.shape);
      const { uniforms, byGroup, splitGroups } = layoutOf(x);
      launch(
        trainingInputGradient,
        { x: splitGroups(x), dy: splitGroups(dy), mean, variance, gamma, dgamma, dbeta, dx: splitGroups(dx) },
        { ...byGroup, uniforms: { ...uniforms, epsilon } },
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
      const { uniforms, byGroup, splitGroups } = layoutOf(x);
      launch(
        inferenceInputGradient,
        { dy: splitGroups(dy), variance, gamma, dx: splitGroups(dx) },
        { ...byGroup, uniforms: { ...uniforms, epsilon } },
      );
    }
    return [dx, dgamma, dbeta, null, null];
  },
});

/**
 * Normalises every channel of a batch to mean 0 and variance 1 (the batch's own, biased), then scales by
 * gamma and shifts by beta. Gradients flow to x, gamma and beta.
 *
 * The moving statistics are updated in place: `moving = momentum * moving + (1 - momentum) * batch`. As in
 * Keras, the variance that goes into them is unbiased (divided by M - 1) for images, x [N, H, W, C], and
 * biased for x of any other rank.
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
  { momentum, epsilon }: BatchNormTrainingOptions,
): Tensor {
  checkDtypes('batchNormTraining', { x, gamma, beta, ...moving });
  checkEpsilon('batchNormTraining', epsilon);
  if (!(momentum >= 0 && momentum <= 1))
    throw new ShapeError('batchNormTraining', 'a momentum from 0 to 1', String(momentum));
  return trainingOp([x, gamma, beta, moving.mean, moving.variance], { momentum, epsilon });
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
