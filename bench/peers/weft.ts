/** Weft as one side of the comparison, on v5. */
import { v5 } from '../../src/experiments/v5.ts';
import { Adam, add, close, init, record, softmaxCrossEntropy, type Tensor, tensor } from '../../src/index.ts';
import '../../src/node/provideDawn.ts';

export interface Fixture {
  images: { shape: number[]; data: Float32Array };
  labels: number[];
  learningRate: number;
}

const model = v5.network(1);

/** What a peer needs to build the same model: its description and weights. */
export async function describe() {
  await init();
  const weights = [];
  for (const parameter of model.parameters) {
    const { shape, trainable } = parameter;
    weights.push({ shape, trainable, data: [...(await parameter.data())] });
  }
  close();
  model.dispose();
  return { config: model.toConfig(), weights };
}

export async function open({ images, labels, learningRate }: Fixture) {
  const gpu = await init();
  const optimizer = new Adam({ learningRate });
  const x = tensor(Float32Array.from(images.data), images.shape);
  const y = tensor(Int32Array.from(labels));
  const train = record((x: Tensor, y: Tensor) => {
    const loss = add(softmaxCrossEntropy(model.logits(x, { training: true }), y), model.regularization()!);
    optimizer.minimize(loss, model.trainableParameters);
    return { loss };
  });
  return {
    name: 'Weft',
    adapter: gpu.adapterName,
    parameters: model.parameters.reduce((total, { size }) => total + size, 0),
    async trainStep() {
      const { loss } = await train(x, y);
      return loss.item();
    },
    async predict() {
      const probabilities = await model.predict(x);
      const values = await probabilities.data();
      probabilities.dispose();
      return [...values];
    },
    /** GPU objects made and values read back by one recorded step. */
    async creationCounts() {
      const before = { ...gpu.counters };
      await train(x, y);
      await gpu.sync();
      const { buffers, bindGroups, pipelines, readbacks } = gpu.counters;
      return {
        buffers: buffers - before.buffers,
        bindGroups: bindGroups - before.bindGroups,
        pipelines: pipelines - before.pipelines,
        readbacks: readbacks - before.readbacks,
      };
    },
  };
}
