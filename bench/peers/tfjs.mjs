/** TensorFlow.js' WebGPU backend as a peer: the same model, built from Weft's description of it. */
import { create, globals } from 'webgpu';

/** The layers of a Weft model in TensorFlow.js' terms. */
function buildModel(layers, { inputShape, layers: described }) {
  const { sequential, regularizers, layers: make } = layers;
  const model = sequential();
  described.forEach(({ kind, config }, i) => {
    const options = { ...config, ...(i === 0 && { inputShape }) };
    if (kind === 'conv2d') options.kernelSize ??= 3;
    if (config.kernelRegularizer) options.kernelRegularizer = regularizers.l2(config.kernelRegularizer);
    model.add(make[kind](options));
  });
  return model;
}

/** @returns the peer's operations on one fixed batch; each resolves when the GPU is done */
export async function open({ config, weights, images, labels, learningRate }) {
  Object.assign(globalThis, globals);
  const gpu = create([]);
  Object.defineProperty(globalThis, 'navigator', { value: { gpu, userAgent: 'node' }, configurable: true });
  globalThis.self = globalThis;
  const tf = await import('@tensorflow/tfjs-core');
  await import('@tensorflow/tfjs-backend-webgpu');
  const layers = await import('@tensorflow/tfjs-layers');
  await tf.setBackend('webgpu');
  await tf.ready();
  if (tf.getBackend() !== 'webgpu') throw new Error(`TensorFlow.js fell back to ${tf.getBackend()}`);
  const { info } = await gpu.requestAdapter();
  const model = buildModel(layers, config);
  // TensorFlow.js lists the trainable weights of all layers first.
  const ordered = [
    ...weights.filter(({ trainable }) => trainable),
    ...weights.filter(({ trainable }) => !trainable),
  ];
  model.setWeights(ordered.map(({ shape, data }) => tf.tensor(data, shape)));
  model.compile({
    optimizer: tf.train.adam(learningRate, 0.9, 0.999, 1e-7),
    loss: 'categoricalCrossentropy',
    metrics: ['accuracy'],
  });
  const x = tf.tensor(images.data, images.shape);
  const y = tf.oneHot(tf.tensor1d(labels, 'int32'), model.outputShape[1]);
  return {
    name: `TensorFlow.js ${tf.version_core} WebGPU`,
    adapter: info.description || info.device,
    parameters: model.countParams(),
    async trainStep() {
      const [loss] = await model.trainOnBatch(x, y);
      return loss;
    },
    async predict() {
      const output = model.predict(x);
      const values = await output.data();
      output.dispose();
      return [...values];
    },
  };
}
