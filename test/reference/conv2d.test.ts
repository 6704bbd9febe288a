import { describe, expect, test } from 'vitest';
import { createRandom, make, zeros } from './array64.ts';
import { type Conv2dAttrs, conv2d } from './conv2d.ts';
import { checkReference } from './finiteDifferences.ts';
import { matmul } from './matmul.ts';

const paddings = ['same', 'valid'] as const;

describe('forward', () => {
  test('counts the neighbours inside the image', () => {
    const ones = make([1, 3, 3, 1], new Array(9).fill(1));
    const filter = make([3, 3, 1, 1], new Array(9).fill(1));
    expect([...conv2d.forward([ones, filter], { padding: 'same' }).data]).toEqual([
      4, 6, 4, 6, 9, 6, 4, 6, 4,
    ]);
    const valid = conv2d.forward([ones, filter, make([1], [0.5])], { padding: 'valid' });
    expect(valid).toEqual(make([1, 1, 1, 1], [9.5]));
  });

  test('is a cross-correlation: the filter is not turned round', () => {
    const image = make([1, 1, 4, 1], [1, 10, 100, 1000]);
    const filter = make([1, 3, 1, 1], [1, 2, 3]);
    expect([...conv2d.forward([image, filter], { padding: 'valid' }).data]).toEqual([321, 3210]);
    expect([...conv2d.forward([image, filter], { padding: 'same' }).data]).toEqual([32, 321, 3210, 2100]);
  });

  for (const padding of paddings) {
    test(`${padding}: a filter with a single tap copies one channel, shifted`, () => {
      const [N, H, W, C, K] = [2, 5, 6, 3, 4];
      const [I, J] = [3, 5];
      const image = createRandom(1).uniform([N, H, W, C]);
      for (const [i, j, c, k] of [
        [0, 0, 0, 0],
        [2, 1, 2, 3],
        [1, 4, 1, 2],
      ]) {
        const filter = zeros([I, J, C, K]);
        filter.data[((i * J + j) * C + c) * K + k] = 1;
        const output = conv2d.forward([image, filter], { padding });
        const [P, Q] = padding === 'same' ? [1, 2] : [0, 0];
        const [Y, X] = padding === 'same' ? [H, W] : [3, 2];
        const expected = zeros([N, Y, X, K]);
        for (let n = 0; n < N; n++) {
          for (let y = 0; y < Y; y++) {
            for (let x = 0; x < X; x++) {
              const [h, v] = [y + i - P, x + j - Q];
              if (h < 0 || h >= H || v < 0 || v >= W) continue;
              expected.data[((n * Y + y) * X + x) * K + k] = image.data[((n * H + h) * W + v) * C + c];
            }
          }
        }
        expect(output).toEqual(expected);
      }
    });

    test(`${padding}: a 1 × 1 kernel is a matrix product`, () => {
      const random = createRandom(2);
      const image = random.uniform([2, 3, 4, 5]);
      const filter = random.uniform([1, 1, 5, 6]);
      const product = matmul.forward([make([24, 5], image.data), make([5, 6], filter.data)], {});
      const output = conv2d.forward([image, filter], { padding });
      expect(output.shape).toEqual([2, 3, 4, 6]);
      for (let i = 0; i < product.data.length; i++) expect(output.data[i]).toBeCloseTo(product.data[i], 12);
    });
  }
});

test('refuses what does not fit', () => {
  const image = zeros([1, 2, 2, 3]);
  expect(() => conv2d.forward([image, zeros([3, 3, 2, 1])], { padding: 'same' })).toThrow('3 input channels');
  expect(() => conv2d.forward([image, zeros([3, 3, 3, 1])], { padding: 'valid' })).toThrow('larger than');
});

describe('strides and padding', () => {
  /** What a filter of ones sees of a row of ones: the taps inside the image. */
  const taps = (width: number, kernel: number, attrs: Conv2dAttrs) => {
    const inputs = [
      make([1, 1, width, 1], new Array(width).fill(1)),
      make([1, kernel, 1, 1], new Array(kernel).fill(1)),
    ];
    return [...conv2d.forward(inputs, attrs).data];
  };

  test("'same' is TensorFlow's: the odd zero comes after the image", () => {
    // Zeros before and after: 2 and 3 for 28 by 7 with stride 2, 0 and 1 for 14 and 4 by 3, 1 and 1 for 7.
    expect(taps(28, 7, { padding: 'same', strides: 2 })).toEqual([5, ...new Array(11).fill(7), 6, 4]);
    expect(taps(14, 3, { padding: 'same', strides: 2 })).toEqual([3, 3, 3, 3, 3, 3, 2]);
    expect(taps(4, 3, { padding: 'same', strides: 2 })).toEqual([3, 2]);
    expect(taps(7, 3, { padding: 'same', strides: 2 })).toEqual([2, 3, 3, 2]);
    expect(taps(5, 2, { padding: 'same' })).toEqual([2, 2, 2, 2, 1]);
    expect(taps(5, 1, { padding: 'same', strides: 2 })).toEqual([1, 1, 1]);
  });

  test('zeros as asked for', () => {
    const image = make([1, 1, 4, 1], [1, 10, 100, 1000]);
    const filter = make([1, 3, 1, 1], [1, 2, 3]);
    const forward = (attrs: Conv2dAttrs) => {
      const { shape, data } = conv2d.forward([image, filter], attrs);
      return [shape.slice(1, 3), [...data]];
    };
    expect(
      forward({
        padding: [
          [0, 0],
          [1, 0],
        ],
      }),
    ).toEqual([
      [1, 3],
      [32, 321, 3210],
    ]);
    expect(
      forward({
        padding: [
          [0, 0],
          [0, 1],
        ],
        strides: [1, 2],
      }),
    ).toEqual([
      [1, 2],
      [321, 2100],
    ]);
    expect(forward({ padding: [0, 2] })).toEqual([
      [1, 6],
      [3, 32, 321, 3210, 2100, 1000],
    ]);
    expect(forward({ padding: [1, 0] })[0]).toEqual([3, 2]);
    expect(forward({ padding: 1, strides: 2 })).toEqual([
      [2, 2],
      [0, 0, 0, 0],
    ]);
  });
});

describe('gradients', () => {
  const shapes = [
    { x: [1, 1, 1, 1], w: [1, 1, 1, 1] },
    { x: [1, 1, 1, 1], w: [3, 3, 1, 2] },
    { x: [2, 3, 3, 1], w: [3, 3, 1, 3] },
    { x: [2, 5, 4, 3], w: [3, 3, 3, 2] },
    { x: [1, 5, 6, 2], w: [5, 3, 2, 3] },
    { x: [1, 2, 7, 2], w: [1, 7, 2, 2] },
  ];
  for (const padding of paddings) {
    for (const { x, w } of shapes) {
      if (padding === 'valid' && (x[1] < w[0] || x[2] < w[1])) continue;
      for (const bias of [false, true]) {
        test(`${padding}, image [${x}], filter [${w}]${bias ? ', bias' : ''}`, () => {
          checkReference(conv2d, (random) => ({
            inputs: [random.uniform(x), random.uniform(w), ...(bias ? [random.uniform([w[3]])] : [])],
            attrs: { padding },
          }));
        });
      }
    }
  }
});

describe('gradients with strides and padding', () => {
  const cases: { x: number[]; w: number[]; attrs: Conv2dAttrs }[] = [
    { x: [2, 5, 6, 2], w: [3, 3, 2, 3], attrs: { padding: 'same', strides: 2 } },
    { x: [1, 7, 8, 1], w: [7, 7, 1, 2], attrs: { padding: 'same', strides: 2 } },
    { x: [1, 8, 7, 2], w: [3, 3, 2, 2], attrs: { padding: 'valid', strides: 2 } },
    { x: [2, 5, 4, 2], w: [1, 1, 2, 3], attrs: { padding: 'valid', strides: 2 } },
    { x: [1, 6, 5, 2], w: [2, 4, 2, 2], attrs: { padding: 'same', strides: [3, 1] } },
    { x: [1, 4, 3, 1], w: [2, 3, 1, 2], attrs: { padding: 3, strides: [1, 2] } },
    {
      x: [1, 4, 4, 2],
      w: [3, 2, 2, 2],
      attrs: {
        padding: [
          [0, 2],
          [1, 0],
        ],
      },
    },
  ];
  for (const { x, w, attrs } of cases) {
    test(`image [${x}], filter [${w}], ${JSON.stringify(attrs)}`, () => {
      checkReference(conv2d, (random) => ({
        inputs: [random.uniform(x), random.uniform(w), random.uniform([w[3]])],
        attrs,
      }));
    });
  }
});

test('the longest sum', () => {
  const { sumLength } = conv2d;
  expect(sumLength([zeros([1, 2, 2, 8]), zeros([3, 3, 8, 4])], { padding: 'same' })).toBe(72);
  expect(sumLength([zeros([1, 3, 3, 4]), zeros([3, 3, 4, 8])], { padding: 'valid' })).toBe(72);
  expect(sumLength([zeros([2, 10, 10, 1]), zeros([3, 3, 1, 1])], { padding: 'same' })).toBe(200);
  expect(sumLength([zeros([2, 10, 10, 1]), zeros([3, 3, 1, 1])], { padding: 'valid' })).toBe(128);
});
