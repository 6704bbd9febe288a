/** Weft as one side of the comparison, on v5. */
import { v5 } from '../../src/experiments/czerny/v5.ts';
import {
  Adam,
  add,
  close,
  init,
  noGrad,
  record,
  softmaxCrossEntropy,
  type Tensor,
  tensor,
  tune,
  zeros,
} from '../../src/index.ts';
import { fileChoices } from '../../src/node/choices.ts';
import '../../src/node/provideDawn.ts';

export interface Fixture {
  /** One after the other; `size` is the pixels of one. */
  images: { size: number; data: Float32Array };
  labels: number[];
  learningRate: number;
}

const model = v5.network(1);
/** Kernels are chosen for batches of this size, which is also one of many images. */
const BATCH = 64;

/** What a peer needs to build the same model: its description and weights. */
export async function describe() {
  await init();
  const weights = [];
  for (const parameter of model.parameters) {
    const { shape, trainable } = parameter;
    weights.push({ shape, trainable, data: await parameter.data() });
  }
  close();
  return { config: model.toConfig(), weights };
}

async function read(predicted: Promise<Tensor>): Promise<Float32Array> {
  const probabilities = await predicted;
  const values = await probabilities.data();
  probabilities.dispose();
  return values as Float32Array;
}

/** Weft's operations on the first samples of a fixture; each resolves when the GPU is done. */
export async function open({ images, labels, learningRate }: Fixture) {
  const gpu = await init();
  const optimizer = new Adam({ learningRate });
  const step = (x: Tensor, y: Tensor) => {
    const loss = add(softmaxCrossEntropy(model.logits(x, { training: true }), y), model.regularization()!);
    optimizer.minimize(loss, model.trainableParameters);
    return { loss };
  };
  const blank = (count: number) => zeros([count, ...model.inputShape]);
  // As `weft train` does before its first step.
  const tuned = () => {
    step(blank(BATCH), zeros([BATCH], 'i32'));
    for (const count of [1, BATCH]) noGrad(() => model.call(blank(count)));
  };
  await tune(tuned, { store: fileChoices() });
  const train = record(step);
  const batches = new Map<number, { x: Tensor; y: Tensor }>();
  const batch = (count: number) => {
    const found = batches.get(count) ?? {
      x: tensor(images.data.subarray(0, count * images.size), [count, ...model.inputShape]),
      y: tensor(Int32Array.from(labels.slice(0, count))),
    };
    batches.set(count, found);
    return found;
  };
  return {
    about: {
      name: 'Weft',
      adapter: gpu.adapterName,
      parameters: model.parameters.reduce((total, { size }) => total + size, 0),
    },
    async trainStep(count: number) {
      const { x, y } = batch(count);
      const { loss } = await train(x, y);
      return loss.item();
    },
    predict: (count: number) => read(model.predict(batch(count).x)),
    async predictOneByOne(count: number) {
      const found: number[] = [];
      for (let n = 0; n < count; n++) {
        const pixels = images.data.subarray(n * images.size, (n + 1) * images.size);
        const x = tensor(pixels, [1, ...model.inputShape]);
        found.push(...(await read(model.predict(x))));
        x.dispose();
      }
      return Float32Array.from(found);
    },
    /** GPU objects made and values read back by one recorded step that ran before. */
    async creations(count: number) {
      const { x, y } = batch(count);
      const total = () => {
        const { buffers, bindGroups, pipelines, readbacks } = gpu.counters;
        return buffers + bindGroups + pipelines + readbacks;
      };
      const before = total();
      await train(x, y);
      await gpu.sync();
      return total() - before;
    },
  };
}
