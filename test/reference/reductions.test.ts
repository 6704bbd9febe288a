import { describe, expect, test } from 'vitest';
import { make, zeros } from './array64.ts';
import { checkReference } from './finiteDifferences.ts';
import { reduceMax, reduceMean, reduceSum } from './reductions.ts';

const x = make([2, 3, 2], [1, 2, 3, 4, 5, 6, -7, 8, 9, -10, 11, 12]);

describe('values', () => {
  test('over one axis', () => {
    const attrs = { axes: [1], keepDims: false };
    expect(reduceSum.forward([x], attrs)).toEqual(make([2, 2], [9, 12, 13, 10]));
    expect(reduceMean.forward([x], attrs)).toEqual(make([2, 2], [3, 4, 13 / 3, 10 / 3]));
    expect(reduceMax.forward([x], attrs)).toEqual(make([2, 2], [5, 6, 11, 12]));
  });

  test('over two axes, with keepDims', () => {
    const attrs = { axes: [2, 0], keepDims: true };
    expect(reduceSum.forward([x], attrs)).toEqual(make([1, 3, 1], [4, 6, 34]));
    expect(reduceMean.forward([x], attrs)).toEqual(make([1, 3, 1], [1, 1.5, 8.5]));
    expect(reduceMax.forward([x], attrs)).toEqual(make([1, 3, 1], [8, 9, 12]));
  });

  test('over all axes', () => {
    const attrs = { axes: [0, 1, 2], keepDims: false };
    expect(reduceSum.forward([x], attrs)).toEqual(make([], [44]));
    expect(reduceMean.forward([x], attrs)).toEqual(make([], [44 / 12]));
    expect(reduceMax.forward([x], attrs)).toEqual(make([], [12]));
  });

  test('the maximum of negative and of infinite values', () => {
    const attrs = { axes: [0], keepDims: false };
    expect(reduceMax.forward([make([2], [-3, -2])], attrs).data[0]).toBe(-2);
    expect(reduceMax.forward([make([3], [-1, -3, -2])], attrs).data[0]).toBe(-1);
    expect(reduceMax.forward([make([2], [-Infinity, -Infinity])], attrs).data[0]).toBe(-Infinity);
  });
});

test('the first maximum in row-major order takes the whole gradient', () => {
  const ties = make([2, 3], [1, 4, 4, 4, 0, 4]);
  const gradientOver = (axes: number[], gradient: number[]) => {
    const attrs = { axes, keepDims: false };
    const { shape } = reduceMax.forward([ties], attrs);
    return [...reduceMax.backward([ties], attrs, make(shape, gradient))[0]!.data];
  };
  expect(gradientOver([1], [1, 2])).toEqual([0, 1, 0, 2, 0, 0]);
  expect(gradientOver([0], [1, 2, 3])).toEqual([0, 2, 3, 1, 0, 0]);
  expect(gradientOver([0, 1], [5])).toEqual([0, 5, 0, 0, 0, 0]);
});

for (const [name, reference] of Object.entries({ reduceSum, reduceMean, reduceMax })) {
  for (const { shape, axes } of [
    { shape: [1], axes: [0] },
    { shape: [5], axes: [0] },
    { shape: [3, 4], axes: [0] },
    { shape: [3, 4], axes: [1] },
    { shape: [3, 4], axes: [] },
    { shape: [2, 3, 5], axes: [2, 0] },
    { shape: [2, 3, 1, 4], axes: [1, 2] },
    { shape: [2, 3, 2], axes: [0, 1, 2] },
  ]) {
    for (const keepDims of [false, true]) {
      test(`${name}: gradients, [${shape}] over [${axes}], keepDims ${keepDims}`, () => {
        checkReference(reference, (random) => ({
          inputs: [random.distinct(shape)],
          attrs: { axes, keepDims },
        }));
      });
    }
  }
}

test('the longest sum', () => {
  const attrs = { axes: [0, 2], keepDims: false };
  expect(reduceSum.sumLength([zeros([2, 3, 5])], attrs)).toBe(10);
  expect(reduceMean.sumLength([zeros([2, 3, 5])], attrs)).toBe(10);
  expect(reduceMax.sumLength([zeros([2, 3, 5])], attrs)).toBe(1);
});
