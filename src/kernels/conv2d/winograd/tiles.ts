import { type Part, range } from '../../../tensor/launch.ts';
import type { Tensor } from '../../../tensor/tensor.ts';
import type { Geometry } from '../geometry.ts';
import type { Filtering } from './transforms.ts';

/** What the stages of a pass need to know of its convolution. */
export type Convolution = Omit<Geometry, 'I' | 'J' | 'S' | 'T' | 'Q'>;

/** Tiles down, across and in all for a number of images. */
export function tilesOf({ m }: Filtering, { Y, X }: Pick<Convolution, 'Y' | 'X'>, images: number) {
  const [down, across] = [Math.ceil(Y / m), Math.ceil(X / m)];
  return { down, across, tiles: images * down * across };
}

/** Images that go through the stages together; V and M have `rows` tiles, of which the last may be nobody's. */
export interface Chunk {
  readonly first: number;
  readonly images: number;
  readonly rows: number;
}

/** A chunk's part of a tensor over images, and the elements in it before the first of them: ranges begin at multiples of 64. */
export function partOf(tensor: Tensor, N: number, { first, images }: Chunk): { part: Part; before: number } {
  const perImage = tensor.size / N;
  const before = (first * perImage) % 64;
  return { part: range(tensor, first * perImage - before, before + images * perImage), before };
}
