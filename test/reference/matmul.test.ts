import { expect, test } from 'vitest';
import { createRandom, make, zeros } from './array64.ts';
import { checkReference } from './finiteDifferences.ts';
import { matmul } from './matmul.ts';
import { transpose } from './transpose.ts';

test('a product worked by hand', () => {
  const a = make([2, 3], [1, 2, 3, 4, 5, 6]);
  const b = make([3, 2], [7, 8, 9, 10, 11, 12]);
  expect(matmul.forward([a, b], {})).toEqual(make([2, 2], [58, 64, 139, 154]));
  expect(() => matmul.forward([a, a], {})).toThrow('inner extents 3 and 2 differ');
});

for (const transposeA of [false, true]) {
  for (const transposeB of [false, true]) {
    const name = `transposeA ${transposeA}, transposeB ${transposeB}`;
    const flip = { perm: [1, 0] };

    test(`${name}: the same as transposing first`, () => {
      const random = createRandom(1);
      const a = random.uniform([3, 4]);
      const b = random.uniform([4, 5]);
      const inputs = [
        transposeA ? transpose.forward([a], flip) : a,
        transposeB ? transpose.forward([b], flip) : b,
      ];
      expect(matmul.forward(inputs, { transposeA, transposeB })).toEqual(matmul.forward([a, b], {}));
    });

    for (const [M, K, N] of [
      [1, 1, 1],
      [3, 1, 5],
      [1, 6, 1],
      [4, 3, 2],
      [5, 7, 3],
    ]) {
      test(`${name}: gradients, ${M} × ${K} × ${N}`, () => {
        checkReference(matmul, (random) => ({
          inputs: [
            random.uniform(transposeA ? [K, M] : [M, K]),
            random.uniform(transposeB ? [N, K] : [K, N]),
          ],
          attrs: { transposeA, transposeB },
        }));
      });
    }
  }
}

test('the longest sum', () => {
  expect(matmul.sumLength([zeros([2, 3]), zeros([3, 5])], {})).toBe(5);
  expect(matmul.sumLength([zeros([7, 3]), zeros([3, 5])], {})).toBe(7);
  expect(matmul.sumLength([zeros([9, 2]), zeros([9, 5])], { transposeA: true })).toBe(9);
});
