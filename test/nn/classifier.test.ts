import { beforeAll, describe, expect, it } from 'vitest';
import { ArraySource } from '../../src/data/batchSource.ts';
import { binaryCrossEntropy } from '../../src/kernels/binaryCrossEntropy.ts';
import { gather } from '../../src/kernels/gather.ts';
import { meanSquaredError } from '../../src/kernels/meanSquaredError.ts';
import { type EvaluateOptions, evaluate, type Loss } from '../../src/nn/evaluate.ts';
import { fit } from '../../src/nn/fit.ts';
import { layers } from '../../src/nn/layers/index.ts';
import { Adam } from '../../src/nn/optimizers/index.ts';
import { sequential } from '../../src/nn/sequential.ts';
import { RandomStream } from '../../src/tensor/random.ts';
import { type Tensor, tensor } from '../../src/tensor/tensor.ts';
import { testGpu } from '../support/gpu.ts';

beforeAll(testGpu);

const N = 64;
const x = new RandomStream(1, 'points').uniform(2 * N);
const labels = Array.from({ length: N }, (_, i) => (x[2 * i] > x[2 * i + 1] ? 1 : 0));
const samples = () => ({
  source: new ArraySource(x, labels, [2]),
  indices: Uint32Array.from({ length: N }, (_, i) => i),
});
/** The labels as the columns of a target. */
const targetOf = (labels: Tensor, rows: number[][]) => gather(tensor(rows), labels);
const binary: Loss = (logits, labels) => binaryCrossEntropy(logits, targetOf(labels, [[0], [1]]));
const squared: Loss = (output, labels) => meanSquaredError(output, targetOf(labels, [[0], [1]]));
const oneHot: Loss = (logits, labels) =>
  binaryCrossEntropy(
    logits,
    targetOf(labels, [
      [1, 0],
      [0, 1],
    ]),
  );

describe('a classifier', () => {
  it.each<[string, number, 'sigmoid' | 'linear' | 'softmax', Pick<EvaluateOptions, 'loss' | 'lossOf'>]>([
    ['one sigmoid', 1, 'sigmoid', { loss: binary }],
    ['one output that is a logit', 1, 'linear', { loss: binary }],
    ['one sigmoid, whose loss is of the probability', 1, 'sigmoid', { loss: squared, lossOf: 'output' }],
    ['two sigmoids', 2, 'sigmoid', { loss: oneHot }],
    ['a softmax', 2, 'softmax', {}],
    ['a softmax, whose loss is of the probabilities', 2, 'softmax', { loss: oneHot, lossOf: 'output' }],
  ])(
    'of %s has the accuracy and the probabilities of what predict gives',
    async (_, units, activation, task) => {
      const model = sequential(
        [layers.dense({ units: 8, activation: 'tanh' }), layers.dense({ units, activation })],
        { inputShape: [2], seed: 1 },
      );
      const options = { optimizer: new Adam({ learningRate: 0.05 }), epochs: 25, batchSize: 16, ...task };
      const { history } = await fit(model, { train: samples(), validation: samples(), ...options });
      const given = Array.from(await (await model.predict(tensor(x, [N, 2]))).data());
      const probabilities =
        activation === 'linear' ? given.map((logit) => 1 / (1 + Math.exp(-logit))) : given;
      const answerOf = (n: number) =>
        units === 1
          ? Number(probabilities[n] > 0.5)
          : Number(probabilities[2 * n + 1] > probabilities[2 * n]);
      const right = labels.filter((label, n) => answerOf(n) === label).length / N;
      const found = await evaluate(model, samples(), task);
      expect(found.accuracy).toBe(right);
      expect(history.at(-1)!.valAccuracy).toBe(right);
      // Of an epoch, whose steps change the weights: less than at its end, but for a few samples.
      expect(Math.abs(history.at(-1)!.accuracy! - right)).toBeLessThan(0.1);
      expect(right).toBeGreaterThan(0.8);
      expect(found.classes).toBe(units);
      found.probabilities.forEach((probability, i) => {
        expect(Math.abs(probability - probabilities[i])).toBeLessThan(1e-5);
      });
    },
  );
});

it.each([1, 2])('a network of %d outputs that gives NaN is right about nothing', async (units) => {
  const model = sequential([layers.dense({ units, activation: 'sigmoid' })], { inputShape: [2] });
  model.setWeights(
    new Map(
      [...(await model.weights())].map(([name, { shape, data }]) => [
        name,
        { shape, data: data.map(() => Number.NaN) },
      ]),
    ),
  );
  const result = await evaluate(model, samples(), { loss: units === 1 ? binary : oneHot });
  expect(result.loss).toBeNaN();
  expect(result.accuracy).toBe(0);
  model.dispose();
});
