import { expect } from 'vitest';
import type { Tensor } from '../../src/tensor/tensor.ts';

/** The bits of a tensor's elements. */
export async function bitsOf(tensor: Tensor): Promise<Uint32Array> {
  const { buffer, byteOffset, length } = await tensor.data();
  return new Uint32Array(buffer, byteOffset, length);
}

/** The bits of several tensors: what two runs must have in common. */
export const allBits = (tensors: readonly Tensor[]): Promise<Uint32Array[]> =>
  Promise.all(tensors.map(bitsOf));

/** @throws naming the first array and element where the bits differ. */
export function expectSameBits(
  actual: readonly Uint32Array[],
  expected: readonly Uint32Array[],
  label: string,
): void {
  expect(
    actual.map(({ length }) => length),
    `${label}: lengths`,
  ).toEqual(expected.map(({ length }) => length));
  for (const [i, bits] of actual.entries()) {
    const at = bits.findIndex((word, e) => word !== expected[i][e]);
    if (at >= 0)
      expect.fail(`${label}: bits of array ${i}, element ${at}, are ${bits[at]}, not ${expected[i][at]}`);
  }
}
