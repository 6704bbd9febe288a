import {
  type AdamRatesOptions,
  abs,
  adamRates,
  adamUpdate,
  add,
  argmax,
  avgPool2d,
  batchNormInference,
  batchNormTraining,
  biasAdd,
  binaryCrossEntropy,
  concat,
  conv2d,
  conv2dTranspose,
  dense,
  div,
  drawUniform,
  dropout,
  exp,
  gather,
  globalAvgPool2d,
  l2,
  leakyRelu,
  log,
  logSoftmax,
  matmul,
  max,
  maximum,
  maxPool2d,
  mean,
  meanSquaredError,
  mul,
  neg,
  pow,
  RandomStream,
  relu,
  rescale,
  reshape,
  resizeBilinear,
  sgdUpdate,
  sigmoid,
  slice,
  softmax,
  softmaxCrossEntropy,
  sqrt,
  square,
  sub,
  sum,
  type Tensor,
  tanh,
  tensor,
  transpose,
  upSampling2d,
  type WarpImagesOptions,
  warpImages,
} from '../../src/index.ts';

export type Tensors = Readonly<Record<string, Tensor>>;

/** The attributes of all ops; a case gives those of its own op. */
export interface Attributes extends AdamRatesOptions, Pick<WarpImagesOptions, 'interpolation' | 'fillMode'> {
  alignCorners: boolean;
  axes?: number[];
  axis: number;
  begin: number[];
  count: number;
  epsilon: number;
  exponent: number;
  labelSmoothing?: number;
  lambda: number;
  momentum: number;
  offset: number;
  padding: 'same' | 'valid';
  permutation: number[];
  poolSize: number;
  range: [number, number];
  rate: number;
  scale: number;
  shape: number[];
  size: [number, number];
  slope: number;
  strides?: number;
  transposeA?: boolean;
  transposeB?: boolean;
}

const random = new RandomStream(1, 'bench');

/** Weft's side of the cases, by op. */
export const ops: Record<string, (inputs: Tensors, attributes: Attributes) => Tensor> = {
  abs: ({ x }) => abs(x),
  adamUpdate({ parameter, gradient, m, v, rates }, { beta2, epsilon }) {
    adamUpdate({ parameter, gradient, m, v }, rates, { beta2, epsilon });
    return parameter.alias();
  },
  add: ({ a, b }) => add(a, b),
  argmax: ({ x }) => argmax(x),
  avgPool2d: ({ x }, { poolSize, strides, padding }) => avgPool2d(x, { poolSize, strides, padding }),
  batchNormInference: ({ x, gamma, beta, mean, variance }, { epsilon }) =>
    batchNormInference(x, gamma, beta, mean, variance, { epsilon }),
  batchNormTraining: ({ x, gamma, beta, movingMean, movingVariance }, { momentum, epsilon }) =>
    batchNormTraining(x, gamma, beta, { mean: movingMean, variance: movingVariance }, { momentum, epsilon }),
  biasAdd: ({ x, bias }) => biasAdd(x, bias),
  binaryCrossEntropy: ({ logits, target }) => binaryCrossEntropy(logits, target),
  concat: ({ a, b }, { axis }) => concat([a, b], axis),
  conv2d: ({ x, w, bias }, { strides, padding }) => conv2d(x, w, bias, { strides, padding }),
  conv2dTranspose: ({ x, w }, { strides, padding }) => conv2dTranspose(x, w, undefined, { strides, padding }),
  dense: ({ x, w, bias }) => dense(x, w, bias),
  div: ({ a, b }) => div(a, b),
  drawUniform: (_, { count, range }) => drawUniform(random.drawTensor(), count, range),
  dropout: ({ x }, { rate }) => dropout(x, rate, random.drawTensor()),
  exp: ({ x }) => exp(x),
  gather: ({ x, indices }) => gather(x, indices),
  globalAvgPool2d: ({ x }) => globalAvgPool2d(x),
  l2: ({ w }, { lambda }) => l2(w, lambda),
  leakyRelu: ({ x }, { slope }) => leakyRelu(x, slope),
  log: ({ x }) => log(x),
  logSoftmax: ({ x }) => logSoftmax(x),
  matmul: ({ a, b }, { transposeA, transposeB }) => matmul(a, b, { transposeA, transposeB }),
  max: ({ x }, { axes }) => max(x, { axes }),
  maximum: ({ a, b }) => maximum(a, b),
  maxPool2d: ({ x }, { poolSize, strides, padding }) => maxPool2d(x, { poolSize, strides, padding }),
  mean: ({ x }, { axes }) => mean(x, { axes }),
  meanSquaredError: ({ y, target }) => meanSquaredError(y, target),
  mul: ({ a, b }) => mul(a, b),
  neg: ({ x }) => neg(x),
  pow: ({ x }, { exponent }) => pow(x, exponent),
  relu: ({ x }) => relu(x),
  rescale: ({ x }, { scale, offset }) => rescale(x, scale, offset),
  reshape: ({ x }, { shape }) => reshape(x, shape),
  resizeBilinear: ({ x }, { size, alignCorners }) => resizeBilinear(x, size, { alignCorners }),
  sgdUpdate({ parameter, gradient, velocity, rates }) {
    sgdUpdate({ parameter, gradient, velocity }, rates, { form: 'pytorch' });
    return parameter.alias();
  },
  sigmoid: ({ x }) => sigmoid(x),
  slice: ({ x }, { begin, size }) => slice(x, begin, size),
  softmax: ({ x }) => softmax(x),
  softmaxCrossEntropy: ({ logits, labels }, { labelSmoothing }) =>
    softmaxCrossEntropy(logits, labels, { labelSmoothing }),
  sqrt: ({ x }) => sqrt(x),
  square: ({ x }) => square(x),
  sub: ({ a, b }) => sub(a, b),
  sum: ({ x }, { axes }) => sum(x, { axes }),
  tanh: ({ x }) => tanh(x),
  transpose: ({ x }, { permutation }) => transpose(x, permutation),
  upSampling2d: ({ x }, { size }) => upSampling2d(x, size),
  warpImages: ({ x, transforms }, { interpolation, fillMode }) =>
    warpImages(x, transforms, { interpolation, fillMode }),
};

/** What ops take besides a case's inputs. */
export const constants: Record<string, (attributes: Attributes) => Tensors> = {
  adamUpdate: (attributes) => ({ rates: tensor(adamRates(1, { ...attributes, form: 'pytorch' })) }),
  sgdUpdate: ({ learningRate, momentum }) => ({ rates: tensor(Float32Array.of(learningRate, momentum)) }),
};
