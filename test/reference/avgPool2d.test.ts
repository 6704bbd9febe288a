import { expect, test } from 'vitest';
import { make } from './array64.ts';
import { type AvgPool2dAttrs, avgPool2d } from './avgPool2d.ts';
import { checkReference } from './finiteDifferences.ts';

const row = (attrs: AvgPool2dAttrs) => [
  ...avgPool2d.forward([make([1, 1, 5, 1], [1, 2, 3, 4, 5])], attrs).data,
];

test("TensorFlow's 'same' divides by what is inside the image", () => {
  expect(row({ poolSize: [1, 3], strides: [1, 2], padding: 'same' })).toEqual([1.5, 3, 4.5]);
  expect(row({ poolSize: [1, 2], strides: [1, 2], padding: 'same' })).toEqual([1.5, 3.5, 5]);
});

test("PyTorch's padding counts, or not; past it nothing does", () => {
  const attrs = { poolSize: [1, 3], strides: [1, 2], padding: [0, 1] } as const;
  expect(row(attrs)).toEqual([1, 3, 3]);
  expect(row({ ...attrs, countIncludePad: false })).toEqual([1.5, 3, 4.5]);
  // A fourth window would begin at column 5, outside; of windows of 4 the third holds columns 3 to 5, the last of them padding.
  expect(row({ ...attrs, ceilMode: true })).toEqual([1, 3, 3]);
  expect(row({ ...attrs, poolSize: [1, 4], ceilMode: true })).toEqual([1.5, 3.5, 3]);
  expect(row({ poolSize: [1, 2], strides: [1, 2], ceilMode: true })).toEqual([1.5, 3.5, 5]);
});

for (const { shape, attrs } of [
  { shape: [1, 1, 1, 1], attrs: { poolSize: 1, strides: 1 } },
  { shape: [2, 5, 7, 3], attrs: { poolSize: 2, strides: 2 } },
  { shape: [1, 5, 6, 2], attrs: { poolSize: 3, strides: 2, padding: 'same' } },
  { shape: [1, 5, 6, 2], attrs: { poolSize: [3, 2], strides: 1, padding: 1 } },
  {
    shape: [1, 6, 5, 2],
    attrs: { poolSize: 3, strides: 2, padding: 1, ceilMode: true, countIncludePad: false },
  },
] as { shape: number[]; attrs: AvgPool2dAttrs }[]) {
  test(`gradients, [${shape}], ${JSON.stringify(attrs)}`, () => {
    checkReference(avgPool2d, (random) => ({ inputs: [random.uniform(shape)], attrs }));
  });
}

test('the longest sum', () => {
  expect(avgPool2d.sumLength([], { poolSize: 3, strides: 2 })).toBe(9);
});
