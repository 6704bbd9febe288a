import { type Part, range } from '../../tensor/launch.ts';
import type { Tensor } from '../../tensor/tensor.ts';

/** Images that go through the stages of a pass together. */
export interface Chunk {
  readonly first: number;
  readonly images: number;
}

/** A chunk's part of a tensor over images, and the elements in it before the first of them: ranges begin at multiples of 64. */
export function partOf(tensor: Tensor, N: number, { first, images }: Chunk): { part: Part; before: number } {
  const perImage = tensor.size / N;
  const before = (first * perImage) % 64;
  return { part: range(tensor, first * perImage - before, before + images * perImage), before };
}
