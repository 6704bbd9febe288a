import { expect, test } from 'vitest';
import { argmax } from './argmax.ts';
import { createRandom, make } from './array64.ts';
import { checkReference } from './finiteDifferences.ts';
import { reduceMax } from './reductions.ts';

test('the first maximum along an axis', () => {
  const x = make([2, 3], [1, 5, 5, -1, -3, -2]);
  expect(argmax.forward([x], { axis: 1 })).toEqual(make([2], [1, 0]));
  expect(argmax.forward([x], { axis: 0 })).toEqual(make([3], [0, 0, 0]));
  expect(argmax.forward([make([1], [3])], { axis: 0 })).toEqual(make([], [0]));
});

test('points at what reduceMax finds, on any axis', () => {
  const x = createRandom(1).distinct([3, 4, 5]);
  const strides = [20, 5, 1];
  for (const axis of [0, 1, 2]) {
    const indices = argmax.forward([x], { axis });
    const maxima = reduceMax.forward([x], { axes: [axis], keepDims: false });
    expect(indices.shape).toEqual(maxima.shape);
    const [outer, inner] = [0, 1, 2].filter((other) => other !== axis);
    indices.data.forEach((index, i) => {
      const row = Math.floor(i / indices.shape[1]) * strides[outer] + (i % indices.shape[1]) * strides[inner];
      expect(x.data[row + index * strides[axis]]).toBe(maxima.data[i]);
    });
  }
});

test('passes no gradient', () => {
  checkReference(argmax, (random) => ({
    inputs: [random.distinct([3, 4])],
    attrs: { axis: 1 },
    frozen: [0],
  }));
});

test('sums nothing', () => {
  expect(argmax.sumLength([], { axis: 0 })).toBe(1);
});
