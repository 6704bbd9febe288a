import { expect, test } from 'vitest';
import { createRandom, make, zeros } from './array64.ts';
import { checkReference } from './finiteDifferences.ts';
import { type MaxPool2dAttrs, maxPool2d } from './maxPool2d.ts';
import { slice } from './slice.ts';

const twoByTwo = { poolSize: 2, strides: 2 };

test('windows of one channel do not see the other; an odd row and column are left out', () => {
  // Channel 0 counts up, channel 1 counts down, on a 3 × 5 image.
  const values = Array.from({ length: 15 }, (_, i) => [i, -i]).flat();
  const output = maxPool2d.forward([make([1, 3, 5, 2], values)], twoByTwo);
  expect(output).toEqual(make([1, 1, 2, 2], [6, -0, 8, -2]));
  expect(() => maxPool2d.forward([zeros([1, 1, 5, 1])], twoByTwo)).toThrow('window 2 is larger than');
});

for (const { poolSize, strides } of [twoByTwo, { poolSize: 3, strides: 2 }, { poolSize: 2, strides: 3 }]) {
  test(`window ${poolSize}, strides ${strides}: every output is the maximum of its own window`, () => {
    const [N, H, W, C] = [2, 7, 8, 3];
    const x = createRandom(1).distinct([N, H, W, C]);
    const output = maxPool2d.forward([x], { poolSize, strides });
    const [, Y, X] = output.shape;
    expect([Y, X]).toEqual([H, W].map((extent) => Math.floor((extent - poolSize) / strides) + 1));
    output.data.forEach((value, at) => {
      const [c, column, row, n] = [
        at % C,
        Math.floor(at / C) % X,
        Math.floor(at / C / X) % Y,
        Math.floor(at / C / X / Y),
      ];
      const begin = [n, row * strides, column * strides, c];
      const window = slice.forward([x], { begin, size: [1, poolSize, poolSize, 1] });
      expect(value).toBe(Math.max(...window.data));
    });
  });
}

test('the first maximum in row-major order takes the whole gradient', () => {
  const x = make([1, 2, 6, 1], [1, 2, 3, 3, 0, 0, 2, 1, 3, 3, 0, 0]);
  const [dx] = maxPool2d.backward([x], twoByTwo, make([1, 1, 3, 1], [1, 2, 4]));
  expect([...dx!.data]).toEqual([0, 1, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0]);
});

test('overlapping windows add their gradients', () => {
  const x = make([1, 3, 3, 1], [0, 1, 2, 3, 9, 4, 5, 6, 7]);
  const [dx] = maxPool2d.backward([x], { poolSize: 2, strides: 1 }, make([1, 2, 2, 1], [1, 2, 4, 8]));
  expect([...dx!.data]).toEqual([0, 0, 0, 0, 15, 0, 0, 0, 0]);
});

test('padding is below every value', () => {
  const x = make([1, 1, 5, 1], [-5, -4, -3, -2, -1]);
  const row = (attrs: Partial<MaxPool2dAttrs>) => [
    ...maxPool2d.forward([x], { poolSize: [1, 3], strides: [1, 2], ...attrs }).data,
  ];
  expect(row({ padding: 'same' })).toEqual([-4, -2, -1]);
  expect(row({ padding: [0, 1] })).toEqual([-4, -2, -1]);
  expect(row({ padding: 'valid' })).toEqual([-3, -1]);
  expect(
    row({
      strides: [1, 3],
      padding: [
        [0, 0],
        [2, 0],
      ],
    }),
  ).toEqual([-5, -2]);
});

test('with ceil mode a last window begins inside the image or before it', () => {
  const x = make([1, 1, 5, 1], [1, 2, 3, 4, 5]);
  const row = (poolSize: number, stride: number, padding = 0) => [
    ...maxPool2d.forward([x], {
      poolSize: [1, poolSize],
      strides: [1, stride],
      padding: [0, padding],
      ceilMode: true,
    }).data,
  ];
  expect(row(2, 2)).toEqual([2, 4, 5]);
  expect(row(2, 3)).toEqual([2, 5]);
  // Windows at -1, 2 and, no more, 5.
  expect(row(2, 3, 1)).toEqual([1, 4]);
  expect(row(6, 9)).toEqual([5]);
  expect(row(4, 1)).toEqual([4, 5]);
});

for (const { shape, attrs } of [
  { shape: [1, 1, 1, 1], attrs: { poolSize: 1, strides: 1 } },
  { shape: [1, 2, 2, 1], attrs: twoByTwo },
  { shape: [2, 5, 7, 3], attrs: twoByTwo },
  { shape: [2, 4, 6, 2], attrs: twoByTwo },
  { shape: [1, 7, 6, 2], attrs: { poolSize: 3, strides: 2 } },
  { shape: [1, 5, 5, 2], attrs: { poolSize: 3, strides: 1 } },
  { shape: [2, 7, 5, 1], attrs: { poolSize: 2, strides: 3 } },
  { shape: [1, 6, 5, 2], attrs: { poolSize: 3, strides: 2, padding: 'same' } },
  { shape: [1, 5, 6, 2], attrs: { poolSize: [3, 2], strides: [2, 1], padding: 1, ceilMode: true } },
] as { shape: number[]; attrs: MaxPool2dAttrs }[]) {
  test(`gradients, [${shape}], ${JSON.stringify(attrs)}`, () => {
    checkReference(maxPool2d, (random) => ({ inputs: [random.distinct(shape)], attrs }));
  });
}

test('the longest sum', () => {
  expect(maxPool2d.sumLength([], twoByTwo)).toBe(1);
  expect(maxPool2d.sumLength([], { poolSize: 3, strides: 2 })).toBe(4);
});
