import type { Tensor } from '../../src/tensor/tensor.ts';

/** The bits of a tensor's elements: what two runs must have in common. */
export async function bitsOf(tensor: Tensor): Promise<Uint32Array> {
  const { buffer, byteOffset, length } = await tensor.data();
  return new Uint32Array(buffer, byteOffset, length);
}

/** The bits of several tensors. */
export const allBits = (tensors: readonly Tensor[]): Promise<Uint32Array[]> =>
  Promise.all(tensors.map(bitsOf));
