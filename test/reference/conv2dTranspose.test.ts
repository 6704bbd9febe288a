import { describe, expect, test } from 'vitest';
import { createRandom, make } from './array64.ts';
import { conv2d } from './conv2d.ts';
import { type Conv2dTransposeAttrs, conv2dTranspose } from './conv2dTranspose.ts';
import { checkReference } from './finiteDifferences.ts';

test('an input pixel adds its multiple of the filter', () => {
  const x = make([1, 1, 3, 1], [1, 10, 100]);
  const w = make([1, 3, 1, 1], [1, 2, 3]);
  const forward = (attrs: Conv2dTransposeAttrs) => [...conv2dTranspose.forward([x, w], attrs).data];
  expect(forward({ padding: 'valid' })).toEqual([1, 12, 123, 230, 300]);
  expect(forward({ padding: 'same' })).toEqual([12, 123, 230]);
  expect(forward({ padding: 'valid', strides: [1, 2] })).toEqual([1, 2, 13, 20, 130, 200, 300]);
  // TensorFlow pads an output of 6 with one column, after it: that is the one cut off.
  expect(forward({ padding: 'same', strides: [1, 2] })).toEqual([1, 2, 13, 20, 130, 200]);
  expect(forward({ padding: [0, 1], strides: [1, 2] })).toEqual([2, 13, 20, 130, 200]);
});

/** Sizes that Keras' deconv_output_length gives. */
test.each([
  [7, 3, 2, 'same', undefined, 14],
  [7, 3, 2, 'valid', undefined, 15],
  [7, 2, 2, 'valid', undefined, 14],
  [7, 2, 3, 'valid', undefined, 21],
  [7, 5, 2, 'same', undefined, 14],
  [7, 3, 2, 'same', 1, 14],
  [7, 3, 2, 'same', 0, 13],
  [7, 3, 2, 'valid', 1, 16],
] as const)(
  '%d inputs, kernel %d, stride %d, %s, output padding %s: %d outputs',
  (size, kernel, strides, padding, outputPadding, output) => {
    const inputs = [
      createRandom(1).uniform([1, size, size, 1]),
      createRandom(2).uniform([kernel, kernel, 1, 1]),
    ];
    const { shape } = conv2dTranspose.forward(inputs, { padding, strides, outputPadding });
    expect(shape).toEqual([1, output, output, 1]);
  },
);

describe('gradients, and the adjoint of conv2d', () => {
  const cases: { x: number[]; w: number[]; attrs: Conv2dTransposeAttrs }[] = [
    { x: [1, 1, 1, 1], w: [1, 1, 1, 1], attrs: { padding: 'valid' } },
    { x: [2, 3, 4, 2], w: [3, 3, 3, 2], attrs: { padding: 'same', strides: 2 } },
    { x: [1, 3, 2, 2], w: [2, 4, 1, 2], attrs: { padding: 'same', strides: [2, 3] } },
    { x: [1, 2, 3, 1], w: [2, 2, 2, 1], attrs: { padding: 'valid', strides: 3 } },
    { x: [1, 3, 3, 2], w: [3, 3, 2, 2], attrs: { padding: 'same', strides: 2, outputPadding: [0, 1] } },
    {
      x: [1, 3, 3, 2],
      w: [4, 3, 2, 2],
      attrs: {
        padding: [
          [2, 0],
          [1, 1],
        ],
        strides: 2,
        outputPadding: 1,
      },
    },
  ];
  for (const { x, w, attrs } of cases) {
    test(`x [${x}], filters [${w}], ${JSON.stringify(attrs)}`, () => {
      checkReference(conv2dTranspose, (random) => ({
        inputs: [random.uniform(x), random.uniform(w), random.uniform([w[2]])],
        attrs,
      }));
      // <conv2d(v), x> = <v, conv2dTranspose(x)>
      const random = createRandom(3);
      const inputs = [random.uniform(x), random.uniform(w)];
      const { padding, strides } = attrs;
      const y = conv2dTranspose.forward(inputs, attrs);
      const v = random.uniform(y.shape);
      const convolved = conv2d.forward([v, inputs[1]], { padding, strides });
      expect(convolved.shape).toEqual(x);
      const dot = (a: ArrayLike<number>, b: ArrayLike<number>) =>
        Array.from(a).reduce((total, value, i) => total + value * b[i], 0);
      expect(dot(convolved.data, inputs[0].data)).toBeCloseTo(dot(v.data, y.data), 10);
    });
  }
});
