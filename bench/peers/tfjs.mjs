/** TensorFlow.js' WebGPU backend as a peer: the same model, built from Weft's description of it. */
import { provideTf } from './tf.mjs';

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

/**
 * @param weights those of Weft's model; without them the model has its own first ones
 * @param given the adapter, where another one than Dawn's first is meant
 * @returns the peer's operations on the first samples of a fixture; each resolves when the GPU is done
 */
export async function open({ config, weights, images, labels, learningRate, adapter: given }) {
  const { tf, layers, adapter, name } = await provideTf(given);
  const model = buildModel(layers, config);
  if (weights) {
    // TensorFlow.js lists the trainable weights of all layers first.
    const ordered = [
      ...weights.filter(({ trainable }) => trainable),
      ...weights.filter(({ trainable }) => !trainable),
    ];
    model.setWeights(ordered.map(({ shape, data }) => tf.tensor(data, shape)));
  }
  model.compile({
    optimizer: tf.train.adam(learningRate, 0.9, 0.999, 1e-7),
    loss: 'categoricalCrossentropy',
    metrics: ['accuracy'],
  });
  const batches = new Map();
  const batch = (count) => {
    if (!batches.has(count))
      batches.set(count, {
        x: tf.tensor(images.data.subarray(0, count * images.size), [count, ...config.inputShape]),
        y: tf.oneHot(tf.tensor1d(labels.slice(0, count), 'int32'), model.outputShape[1]),
      });
    return batches.get(count);
  };
  const read = async (output) => {
    const values = await output.data();
    output.dispose();
    return values;
  };
  return {
    about: { name, adapter, parameters: model.countParams() },
    async trainStep(count) {
      const { x, y } = batch(count);
      const [loss] = await model.trainOnBatch(x, y);
      return loss;
    },
    async predict(count) {
      return read(model.predict(batch(count).x));
    },
    async predictOneByOne(count) {
      const found = [];
      for (let n = 0; n < count; n++) {
        const pixels = images.data.subarray(n * images.size, (n + 1) * images.size);
        const x = tf.tensor(pixels, [1, ...config.inputShape]);
        found.push(...(await read(model.predict(x))));
        x.dispose();
      }
      return Float32Array.from(found);
    },
  };
}
