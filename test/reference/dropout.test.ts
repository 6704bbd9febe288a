import { expect, test } from 'vitest';
import { createRandom, make, sizeOf } from './array64.ts';
import { dropout, dropoutMask } from './dropout.ts';
import { checkReference } from './finiteDifferences.ts';

test('a mask keeps words from rate * 2^32 on', () => {
  const words = Uint32Array.of(0, 0x3fffffff, 0x40000000, 0xffffffff);
  expect([...dropoutMask(words, 0.25)]).toEqual([0, 0, 1, 1]);
  expect([...dropoutMask(words, 0)]).toEqual([1, 1, 1, 1]);
});

test('the share that is kept is 1 - rate', () => {
  const mask = dropoutMask(createRandom(1).words(20000), 0.2);
  const kept = mask.reduce((sum, keep) => sum + keep, 0) / mask.length;
  // The standard error is sqrt(0.2 * 0.8 / 20000) = 0.003.
  expect(Math.abs(kept - 0.8)).toBeLessThan(0.015);
});

test('what is kept grows by 1 / (1 - rate)', () => {
  const mask = Uint8Array.of(1, 0, 1);
  expect([...dropout.forward([make([3], [1, 2, -3])], { rate: 0.5, mask }).data]).toEqual([2, 0, -6]);
  expect(() => dropout.forward([make([2], [1, 2])], { rate: 0.5, mask })).toThrow('a mask of 3');
});

for (const shape of [[1], [7], [3, 5], [2, 3, 3, 2]]) {
  for (const rate of [0, 0.2, 0.5]) {
    test(`gradients, [${shape}], rate ${rate}`, () => {
      checkReference(dropout, (random) => ({
        inputs: [random.uniform(shape)],
        attrs: { rate, mask: dropoutMask(random.words(sizeOf(shape)), rate) },
      }));
    });
  }
}

test('sums nothing', () => {
  expect(dropout.sumLength([], { rate: 0, mask: new Uint8Array() })).toBe(1);
});
