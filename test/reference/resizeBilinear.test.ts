import { expect, test } from 'vitest';
import { make } from './array64.ts';
import { checkReference } from './finiteDifferences.ts';
import { resizeBilinear } from './resizeBilinear.ts';

const row = (values: number[], outputs: number, alignCorners = false) => [
  ...resizeBilinear.forward([make([1, 1, values.length, 1], values)], { size: [1, outputs], alignCorners })
    .data,
];

test('half-pixel centres: twice, half, a third', () => {
  expect(row([0, 4, 8], 6)).toEqual([0, 1, 3, 5, 7, 8]);
  expect(row([1, 3, 5, 7], 2)).toEqual([2, 6]);
  expect(row([1, 2, 3, 4, 5, 6], 2)).toEqual([2, 5]);
  expect(row([3], 3)).toEqual([3, 3, 3]);
});

test('aligned corners keep the outermost values', () => {
  expect(row([0, 4, 8], 5, true)).toEqual([0, 2, 4, 6, 8]);
  expect(row([1, 2, 3, 4, 5], 3, true)).toEqual([1, 3, 5]);
  expect(row([7, 8], 1, true)).toEqual([7]);
});

for (const { shape, size } of [
  { shape: [1, 1, 1, 1], size: [1, 1] },
  { shape: [2, 3, 4, 2], size: [5, 3] },
  { shape: [1, 6, 1, 2], size: [1, 4] },
] as { shape: number[]; size: [number, number] }[]) {
  for (const alignCorners of [false, true]) {
    test(`gradients, [${shape}] to [${size}], aligned corners: ${alignCorners}`, () => {
      checkReference(resizeBilinear, (random) => ({
        inputs: [random.uniform(shape)],
        attrs: { size, alignCorners },
      }));
    });
  }
}
