import { expect, test } from 'vitest';
import { make } from './array64.ts';
import { checkReference } from './finiteDifferences.ts';
import { upSampling2d } from './upSampling2d.ts';

test('pixels repeat', () => {
  const x = make([1, 2, 2, 1], [1, 2, 3, 4]);
  const output = upSampling2d.forward([x], { size: [1, 2] });
  expect(output).toEqual(make([1, 2, 4, 1], [1, 1, 2, 2, 3, 3, 4, 4]));
});

for (const { shape, size } of [
  { shape: [1, 1, 1, 1], size: [1, 1] },
  { shape: [2, 3, 2, 2], size: [2, 3] },
] as { shape: number[]; size: [number, number] }[]) {
  test(`gradients, [${shape}] by [${size}]`, () => {
    checkReference(upSampling2d, (random) => ({ inputs: [random.uniform(shape)], attrs: { size } }));
  });
}
