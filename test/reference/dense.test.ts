import { expect, test } from 'vitest';
import { make, zeros } from './array64.ts';
import { dense } from './dense.ts';
import { checkReference } from './finiteDifferences.ts';

test('a layer worked by hand', () => {
  const x = make([2, 2], [1, 2, 3, 4]);
  const w = make([2, 3], [1, 0, -1, 2, 1, 0]);
  expect(dense.forward([x, w], {})).toEqual(make([2, 3], [5, 2, -1, 11, 4, -3]));
  expect(dense.forward([x, w, make([3], [10, 20, 30])], {})).toEqual(make([2, 3], [15, 22, 29, 21, 24, 27]));
  expect(() => dense.forward([x, zeros([3, 1])], {})).toThrow('2 inputs, but weights for 3');
});

for (const [N, I, O] of [
  [1, 1, 1],
  [1, 5, 3],
  [4, 1, 2],
  [3, 4, 5],
]) {
  for (const bias of [false, true]) {
    test(`gradients, ${N} samples, ${I} to ${O}${bias ? ', bias' : ''}`, () => {
      checkReference(dense, (random) => ({
        inputs: [random.uniform([N, I]), random.uniform([I, O]), ...(bias ? [random.uniform([O])] : [])],
        attrs: {},
      }));
    });
  }
}

test('the longest sum', () => {
  expect(dense.sumLength([zeros([2, 5]), zeros([5, 3])], {})).toBe(5);
  expect(dense.sumLength([zeros([8, 5]), zeros([5, 3])], {})).toBe(8);
  expect(dense.sumLength([zeros([2, 5]), zeros([5, 30])], {})).toBe(30);
});
