import { describe, expect, test } from 'vitest';
import { type Array64, createRandom, make, sizeOf, zeros } from './array64.ts';
import { conv2d } from './conv2d.ts';
import { dropoutMask } from './dropout.ts';
import { agrees, centralDifference } from './finiteDifferences.ts';
import {
  type Layer,
  networkGradients,
  networkLoss,
  outputShapes,
  parameterShapes,
  randomParameters,
  withMasks,
} from './network.ts';
import { relu } from './relu.ts';
import { v5AsTrained, v5Layers } from './v5.ts';

/** A network on random images, with its masks drawn. */
function build(layers: readonly Layer[], shape: readonly number[], classes: number, seed: number) {
  const random = createRandom(seed);
  const images = random.uniform(shape, 0, 1);
  return {
    layers: withMasks(layers, shape, (extents, rate) => dropoutMask(random.words(sizeOf(extents)), rate)),
    parameters: randomParameters(layers, shape, random),
    images,
    labels: random.integers(shape[0], classes),
  };
}

describe('v5', () => {
  test('has the shapes and the 902,154 trainable parameters of the published network', () => {
    const layers = v5Layers(v5AsTrained);
    const parameters = parameterShapes(layers, [1, 28, 28, 1]);
    expect(parameters.reduce((sum, shape) => sum + sizeOf(shape), 0)).toBe(902154);
    const flattened = layers.findIndex(({ kind }) => kind === 'flatten');
    const outputs = outputShapes(layers, [5, 28, 28, 1]);
    expect(outputs[flattened - 1]).toEqual([5, 2, 2, 128]);
    expect(outputs.at(-1)).toEqual([5, 10]);
    const rates = layers.flatMap((layer) => (layer.kind === 'dropout' ? [layer.rate] : []));
    expect(rates).toEqual([0.2, 0.2, 0.2, 0.5, 0.5]);
    const { logits } = networkGradients(...v5At({ width: 2, units: 3, l2: 0 }, 2));
    expect(logits.shape).toEqual([2, 10]);
  });

  test('an element of every parameter agrees with its central difference at width 4', () => {
    const [layers, parameters, images, labels] = v5At({ width: 4, units: 16, l2: 1e-2 }, 3);
    const { gradients } = networkGradients(layers, parameters, images, labels);
    const random = createRandom(11);
    const loss = () => networkLoss(layers, parameters, images, labels);
    parameters.forEach((parameter, p) => {
      for (const e of random.integers(3, parameter.data.length)) {
        // The step is small because a step across the kink of one of 30,000 rectifiers spoils the difference.
        const difference = centralDifference(parameter, e, loss, 1e-6);
        const message = `parameter ${p}, element ${e}: ${gradients[p].data[e]}, difference ${difference}`;
        expect(agrees(gradients[p].data[e], difference), message).toBe(true);
      }
    });
  });
});

function v5At(options: Parameters<typeof v5Layers>[0], batch: number) {
  const { layers, parameters, images, labels } = build(v5Layers(options), [batch, 28, 28, 1], 10, 3);
  return [layers, parameters, images, labels] as const;
}

const small: Layer[] = [
  { kind: 'conv', filters: 2, kernel: 3, padding: 'same', relu: true },
  { kind: 'batchNorm', epsilon: 1e-3 },
  { kind: 'maxPool', poolSize: 2, strides: 2 },
  { kind: 'dropout', rate: 0.2 },
  { kind: 'conv', filters: 3, kernel: 3, padding: 'valid', relu: false },
  { kind: 'batchNorm', epsilon: 1e-2 },
  { kind: 'flatten' },
  { kind: 'batchNorm', epsilon: 1e-3 },
  { kind: 'dense', units: 4, relu: true, l2: 0.1 },
  { kind: 'dropout', rate: 0.5 },
  { kind: 'dense', units: 3, relu: false, l2: 0.2 },
];

describe('a small network', () => {
  for (const seed of [1, 2]) {
    test(`every element of every gradient agrees with its central difference, seed ${seed}`, () => {
      const { layers, parameters, images, labels } = build(small, [3, 7, 8, 2], 3, seed);
      const { gradients, loss } = networkGradients(layers, parameters, images, labels);
      expect(loss).toBe(networkLoss(layers, parameters, images, labels));
      const scalar = () => networkLoss(layers, parameters, images, labels);
      parameters.forEach((parameter, p) => {
        expect(gradients[p].shape).toEqual(parameter.shape);
        for (let e = 0; e < parameter.data.length; e++) {
          const difference = centralDifference(parameter, e, scalar, 1e-6);
          const message = `parameter ${p}, element ${e}: ${gradients[p].data[e]}, difference ${difference}`;
          expect(agrees(gradients[p].data[e], difference), message).toBe(true);
        }
      });
    });
  }

  test('the penalty is lambda * sum(w^2) of the dense kernels, biases apart', () => {
    const { layers, parameters, images, labels } = build(small, [3, 7, 8, 2], 3, 1);
    const without = layers.map((layer) => (layer.kind === 'dense' ? { ...layer, l2: 0 } : layer));
    const squares = ({ data }: Array64) => data.reduce((sum, value) => sum + value * value, 0);
    const [first, , second] = parameters.slice(-4);
    const penalty =
      networkLoss(layers, parameters, images, labels) - networkLoss(without, parameters, images, labels);
    expect(penalty).toBeCloseTo(0.1 * squares(first) + 0.2 * squares(second), 12);
  });

  test('gives back what each batchNorm layer saw', () => {
    const { layers, parameters, images, labels } = build(small, [3, 7, 8, 2], 3, 1);
    const { batchNormInputs } = networkGradients(layers, parameters, images, labels);
    expect(batchNormInputs.map(({ shape }) => shape)).toEqual([
      [3, 7, 8, 2],
      [3, 1, 2, 3],
      [3, 6],
    ]);
    const convolved = conv2d.forward([images, ...parameters.slice(0, 2)], { padding: 'same' });
    expect(batchNormInputs[0]).toEqual(relu.forward([convolved], {}));
  });
});

test('random parameters have a trainable scale', () => {
  const layers: Layer[] = [
    { kind: 'conv', filters: 20, kernel: 3, padding: 'same', relu: true },
    { kind: 'batchNorm', epsilon: 1e-3 },
    { kind: 'flatten' },
    { kind: 'dense', units: 40, relu: false, l2: 0 },
  ];
  const drawn = randomParameters(layers, [1, 4, 4, 10], createRandom(1));
  const reach = ({ data }: Array64) => [Math.min(...data), Math.max(...data)];
  // Glorot: 6 / (fan in + fan out), with the kernel's area in both fans of a convolution.
  const ranges = [
    [-Math.sqrt(6 / (90 + 180)), Math.sqrt(6 / (90 + 180))],
    [-0.1, 0.1],
    [0.5, 1.5],
    [-0.5, 0.5],
    [-Math.sqrt(6 / (320 + 40)), Math.sqrt(6 / (320 + 40))],
    [-0.1, 0.1],
  ];
  ranges.forEach(([low, high], p) => {
    const [least, most] = reach(drawn[p]);
    expect(least).toBeGreaterThan(low);
    expect(most).toBeLessThan(high);
    // Of 20 draws and more, one comes near each end.
    expect(most - least).toBeGreaterThan(0.75 * (high - low));
  });
});

test('a single dense layer is softmax regression', () => {
  // Zero weights: every class has probability 1/2, so dw = mean over samples of x (p - target).
  const layers: Layer[] = [{ kind: 'flatten' }, { kind: 'dense', units: 2, relu: false, l2: 0 }];
  const images = make([2, 1, 1, 2], [1, 2, 3, 5]);
  const { loss, gradients } = networkGradients(layers, [zeros([2, 2]), zeros([2])], images, [0, 1]);
  expect(loss).toBeCloseTo(Math.log(2), 12);
  [(-1 + 3) / 4, (1 - 3) / 4, (-2 + 5) / 4, (2 - 5) / 4].forEach((value, i) => {
    expect(gradients[0].data[i]).toBeCloseTo(value, 12);
  });
  expect([...gradients[1].data]).toEqual([0, 0]);
});

test('what does not fit is refused', () => {
  const images = zeros([1, 4, 4, 1]);
  const layers: Layer[] = [{ kind: 'dropout', rate: 0.5 }, { kind: 'flatten' }];
  expect(() => networkLoss(layers, [zeros([1])], images, [0])).toThrow('expected parameters , got [1]');
  expect(() => networkLoss(layers, [], images, [0])).toThrow('has no mask');
});
