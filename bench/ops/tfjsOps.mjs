/** TensorFlow.js' side of the cases, by Weft's op. */
export const opsOf = (tf) => ({
  abs: ({ x }) => tf.abs(x),
  adamUpdate: update,
  add: ({ a, b }) => tf.add(a, b),
  argmax: ({ x }) => tf.argMax(x, -1),
  avgPool2d: ({ x }, { poolSize, strides, padding }) => tf.avgPool(x, poolSize, strides, padding),
  batchNormInference: ({ x, gamma, beta, mean, variance }, { epsilon }) =>
    tf.batchNorm(x, mean, variance, beta, gamma, epsilon),
  /** As its layer does it, which moves the statistics on, too. */
  batchNormTraining({ x, gamma, beta, movingMean, movingVariance }, { momentum, epsilon }) {
    const { mean, variance } = tf.moments(
      x,
      x.shape.slice(0, -1).map((_, axis) => axis),
    );
    const moveOn = (moving, now) => tf.sub(moving, tf.mul(tf.sub(moving, now), 1 - momentum));
    moveOn(movingMean, mean);
    moveOn(movingVariance, variance);
    return tf.batchNorm(x, mean, variance, beta, gamma, epsilon);
  },
  biasAdd: ({ x, bias }) => tf.add(x, bias),
  binaryCrossEntropy: ({ logits, target }) => tf.losses.sigmoidCrossEntropy(target, logits),
  concat: ({ a, b }, { axis }) => tf.concat([a, b], axis),
  conv2d({ x, w, bias }, { strides = 1, padding }) {
    if (bias && !differentiating(tf)) return tf.fused.conv2d({ x, filter: w, strides, pad: padding, bias });
    const y = tf.conv2d(x, w, strides, padding);
    return bias ? tf.add(y, bias) : y;
  },
  conv2dTranspose({ x, w }, { strides, padding }) {
    const [N, H, W] = x.shape;
    return tf.conv2dTranspose(x, w, [N, H * strides, W * strides, w.shape[2]], strides, padding);
  },
  dense: ({ x, w, bias }) =>
    differentiating(tf) ? tf.add(tf.matMul(x, w), bias) : tf.fused.matMul({ a: x, b: w, bias }),
  div: ({ a, b }) => tf.div(a, b),
  drawUniform: (_, { count, range }) => tf.randomUniform([count], ...range, 'float32', SEED),
  dropout: ({ x }, { rate }) => tf.dropout(x, rate, undefined, SEED),
  exp: ({ x }) => tf.exp(x),
  gather: ({ x, indices }) => tf.gather(x, indices),
  globalAvgPool2d: ({ x }) => tf.mean(x, [1, 2]),
  l2: ({ w }, { lambda }) => tf.mul(lambda, tf.sum(tf.square(w))),
  leakyRelu: ({ x }, { slope }) => tf.leakyRelu(x, slope),
  log: ({ x }) => tf.log(x),
  logSoftmax: ({ x }) => tf.logSoftmax(x),
  matmul: ({ a, b }, { transposeA, transposeB }) => tf.matMul(a, b, transposeA, transposeB),
  max: ({ x }, { axes }) => tf.max(x, axes),
  maximum: ({ a, b }) => tf.maximum(a, b),
  maxPool2d: ({ x }, { poolSize, strides, padding }) => tf.maxPool(x, poolSize, strides, padding),
  mean: ({ x }, { axes }) => tf.mean(x, axes),
  meanSquaredError: ({ y, target }) => tf.losses.meanSquaredError(target, y),
  mul: ({ a, b }) => tf.mul(a, b),
  neg: ({ x }) => tf.neg(x),
  pow: ({ x }, { exponent }) => tf.pow(x, exponent),
  relu: ({ x }) => tf.relu(x),
  rescale: ({ x }, { scale, offset }) => tf.add(tf.mul(x, scale), offset),
  reshape: ({ x }, { shape }) => tf.reshape(x, shape),
  resizeBilinear: ({ x }, { size, alignCorners }) =>
    tf.image.resizeBilinear(x, size, alignCorners, !alignCorners),
  sgdUpdate: update,
  sigmoid: ({ x }) => tf.sigmoid(x),
  slice: ({ x }, { begin, size }) => tf.slice(x, begin, size),
  softmax: ({ x }) => tf.softmax(x),
  softmaxCrossEntropy: ({ logits, targets }, { labelSmoothing }) =>
    tf.losses.softmaxCrossEntropy(targets, logits, undefined, labelSmoothing),
  sqrt: ({ x }) => tf.sqrt(x),
  square: ({ x }) => tf.square(x),
  sub: ({ a, b }) => tf.sub(a, b),
  sum: ({ x }, { axes }) => tf.sum(x, axes),
  tanh: ({ x }) => tf.tanh(x),
  transpose: ({ x }, { permutation }) => tf.transpose(x, permutation),
  upSampling2d({ x }, { size }) {
    const [, H, W] = x.shape;
    return tf.image.resizeNearestNeighbor(x, [H * size, W * size]);
  },
  warpImages: ({ x, maps }, { interpolation, fillMode }) =>
    tf.image.transform(x, maps, interpolation === 'linear' ? 'bilinear' : interpolation, fillMode),
});

/** The backward pass of a fused op computes every gradient, whichever is asked for: there, its parts are faster. */
const differentiating = (tf) => tf.engine().state.gradientDepth > 0;

/** Both sides draw the same in every run, so that they agree in every run or in none. */
const SEED = 1;

function update({ variable, gradient, optimizer }) {
  optimizer.applyGradients({ [variable.name]: gradient });
  return variable.clone();
}

/** What ops take besides a case's inputs. */
export const constantsOf = (tf) => ({
  adamUpdate: ({ parameter }, { learningRate, beta1, beta2, epsilon }) => ({
    variable: tf.variable(parameter),
    optimizer: tf.train.adam(learningRate, beta1, beta2, epsilon),
  }),
  sgdUpdate: ({ parameter }, { learningRate, momentum }) => ({
    variable: tf.variable(parameter),
    optimizer: momentum > 0 ? tf.train.momentum(learningRate, momentum) : tf.train.sgd(learningRate),
  }),
  /** TensorFlow.js' loss takes no labels. */
  softmaxCrossEntropy: ({ labels, logits }) => ({ targets: tf.oneHot(labels, logits.shape[1]) }),
  /** TensorFlow.js' order: of columns first, then rows. */
  warpImages: ({ transforms }) => ({ maps: tf.gather(transforms, [4, 3, 5, 1, 0, 2, 7, 6], 1) }),
});
