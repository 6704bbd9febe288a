import type { Chunk as ImageChunk } from '../chunks.ts';
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
export interface Chunk extends ImageChunk {
  readonly rows: number;
}
