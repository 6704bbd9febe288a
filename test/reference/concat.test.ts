import { expect, test } from 'vitest';
import { make, zeros } from './array64.ts';
import { concat } from './concat.ts';
import { checkReference } from './finiteDifferences.ts';

test('lays inputs end to end', () => {
  const a = make([2, 1], [1, 2]);
  const b = make([2, 2], [3, 4, 5, 6]);
  expect(concat.forward([a, b], { axis: 1 })).toEqual(make([2, 3], [1, 3, 4, 2, 5, 6]));
  const c = make([1, 2], [7, 8]);
  expect(concat.forward([b, c], { axis: 0 })).toEqual(make([3, 2], [3, 4, 5, 6, 7, 8]));
  expect(() => concat.forward([a, zeros([3, 2])], { axis: 1 })).toThrow('[2,1] [3,2] differ beside axis 1');
});

for (const { shapes, axis } of [
  { shapes: [[1]], axis: 0 },
  { shapes: [[2], [3], [1]], axis: 0 },
  {
    shapes: [
      [2, 3],
      [2, 2],
    ],
    axis: 1,
  },
  {
    shapes: [
      [2, 1, 3],
      [2, 4, 3],
      [2, 2, 3],
    ],
    axis: 1,
  },
  {
    shapes: [
      [1, 2, 2, 3],
      [1, 2, 2, 1],
    ],
    axis: 3,
  },
]) {
  test(`gradients, ${shapes.map((shape) => `[${shape}]`).join(' ')} along ${axis}`, () => {
    checkReference(concat, (random) => ({
      inputs: shapes.map((shape) => random.uniform(shape)),
      attrs: { axis },
    }));
  });
}

test('sums nothing', () => {
  expect(concat.sumLength([], { axis: 0 })).toBe(1);
});
