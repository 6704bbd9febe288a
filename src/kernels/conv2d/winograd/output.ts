import { kernelFamily } from '../../../gpu/kernel.ts';
import { launch } from '../../../tensor/launch.ts';
import type { Tensor } from '../../../tensor/tensor.ts';
import { NOWHERE } from '../../maxPool2d.ts';
import type { Output } from '../geometry.ts';
import { type Chunk, type Convolution, partOf, tilesOf } from './tiles.ts';
import { type Filtering, transform } from './transforms.ts';

/*
 * The output's transform: the tile A^T M[., tile, k] A of m x m outputs, with bias and ReLU, or the maxima of its 2x2 windows: m is even, so
 * that no window straddles tiles. An invocation has four channels of one tile.
 */

const LANES = 64;

interface Options {
  readonly filtering: Filtering;
  readonly bias: boolean;
  readonly relu: boolean;
  readonly pool: boolean;
  readonly winners: boolean;
}

const times = (count: number, make: (i: number) => string): string =>
  Array.from({ length: count }, (_, i) => make(i)).join('\n');

const outputKernel = kernelFamily(({ filtering, bias, relu, pool, winners }: Options) => {
  const { m, t, AT } = filtering;
  const size = pool ? m / 2 : m;
  const value = (i: number, j: number) => `y${i}_${j}`;
  const store = (i: number, j: number, at: string) => {
    if (!pool) {
      const sum = `${value(i, j)}${bias ? ' + offset' : ''}`;
      return `y[u.before + ${at}] = ${relu ? `max(${sum}, vec4f())` : sum};`;
    }
    // The bias is the same in all four: it may be added to the largest.
    const places = [0, 1, 2, 3].map((place) => value(2 * i + (place >> 1), 2 * j + (place % 2)));
    return `
      var best = ${places[0]};
      ${winners ? 'var places = vec4u();' : ''}
      ${places
        .slice(1)
        .map(
          (candidate, place) => `
            ${winners ? `places = select(places, vec4u(${place + 1}u), ${candidate} > best);` : ''}
            best = select(best, ${candidate}, ${candidate} > best);`,
        )
        .join('')}
      ${bias ? 'best += offset;' : ''}
      y[u.before + ${at}] = ${relu ? 'max(best, vec4f())' : 'best'};
      ${winners && relu ? `places = select(vec4u(${NOWHERE}u), places, best > vec4f());` : ''}
      ${winners ? `winners[u.winnersBefore + ${at}] = places.x | (places.y << 8u) | (places.z << 16u) | (places.w << 24u);` : ''}`;
  };
  return {
    name: 'winograd-output',
    lanes: LANES,
    read: { M: 'vec4f', ...(bias && { bias: 'vec4f' }) },
    write: { y: 'vec4f', ...(winners && { winners: 'u32' }) },
    uniforms: {
      height: 'u32',
      width: 'u32',
      G: 'u32',
      down: 'u32',
      across: 'u32',
      rows: 'u32',
      before: 'u32',
      winnersBefore: 'u32',
    },
    body: `
      if (item >= u.items) { return; }
      let g = item % u.G;
      let tile = item / u.G;
      let n = tile / (u.down * u.across);
      let oy = tile / u.across % u.down * ${size}u;
      let ox = tile % u.across * ${size}u;
      let size = u.rows * u.G;
      ${transform(AT, (i, j) => `M[${i * t + j}u * size + item]`, 'y')}
      ${bias ? 'let offset = bias[g];' : ''}
      let corner = (n * u.height + oy) * u.width + ox;
      ${times(
        size,
        (i) => `
        if (oy + ${i}u < u.height) {
          ${times(size, (j) => `if (ox + ${j}u < u.width) { ${store(i, j, `(corner + ${i}u * u.width + ${j}u) * u.G + g`)} }`)}
        }`,
      )}`,
  };
});

/** Writes a chunk's outputs from M. */
export function transformOutput(
  filtering: Filtering,
  convolution: Convolution,
  chunk: Chunk,
  M: Tensor,
  { y, bias, relu, pool, winners }: Output,
): void {
  const { N, K } = convolution;
  const { down, across, tiles } = tilesOf(filtering, convolution, chunk.images);
  const to = partOf(y, N, chunk);
  const places = winners && partOf(winners, N, chunk);
  launch(
    outputKernel({ filtering, bias: bias !== undefined, relu, pool, winners: winners !== undefined }),
    { M, ...(bias && { bias }), y: to.part, ...(places && { winners: places.part }) },
    {
      items: (tiles * K) / 4,
      uniforms: {
        ...{ height: y.shape[1], width: y.shape[2], G: K / 4, down, across, rows: chunk.rows },
        before: to.before / 4,
        winnersBefore: places?.before ?? 0,
      },
    },
  );
}
