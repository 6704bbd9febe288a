import type { Gpu } from '../../../gpu/gpu.ts';
import { kernelFamily } from '../../../gpu/kernel.ts';
import { launch } from '../../../tensor/launch.ts';
import { empty, type Tensor } from '../../../tensor/tensor.ts';
import { NOWHERE } from '../../maxPool2d.ts';
import { momentsWgsl } from '../../shared/moments.ts';
import { nanWgsl } from '../../shared/nan.ts';
import { partOf } from '../chunks.ts';
import type { Output } from '../geometry.ts';
import { type Chunk, type Convolution, tilesOf } from './tiles.ts';
import { type Filtering, transform } from './transforms.ts';

/*
 * The output's transform: the tile A^T M[., tile, k] A of m x m outputs, with bias and ReLU, or the maxima of its 2x2 windows: m is even, so
 * that no window straddles tiles. An invocation has four channels of one tile, whose moments it can tell: then a tile is a block of
 * `moments.ts`.
 */

const LANES = 64;

interface Options {
  readonly filtering: Filtering;
  readonly bias: boolean;
  readonly relu: boolean;
  readonly pool: boolean;
  readonly winners: boolean;
  readonly moments: boolean;
}

const times = (count: number, make: (i: number) => string): string =>
  Array.from({ length: count }, (_, i) => make(i)).join('\n');

const outputKernel = kernelFamily(({ filtering, bias, relu, pool, winners, moments }: Options) => {
  const { m, t, AT } = filtering;
  const size = pool ? m / 2 : m;
  const value = (i: number, j: number) => `y${i}_${j}`;
  /** Sets z, which is written, and the winner's place. */
  const finish = (i: number, j: number) => {
    const z = `z${i}_${j}`;
    if (!pool) {
      const sum = `${value(i, j)}${bias ? ' + offset' : ''}`;
      return `let ${z} = ${relu ? `rectified(${sum})` : sum};`;
    }
    // The bias is the same in all four: it may be added to the largest.
    const [first, ...others] = [0, 1, 2, 3].map((place) => value(2 * i + (place >> 1), 2 * j + (place % 2)));
    const places = `places${i}_${j}`;
    return `
      var ${z} = ${first};
      ${winners ? `var ${places} = vec4u();` : ''}
      ${others
        .map(
          (candidate, place) => `
            ${winners ? `${places} = select(${places}, vec4u(${place + 1}u), takesOver(${candidate}, ${z}));` : ''}
            ${z} = select(${z}, ${candidate}, takesOver(${candidate}, ${z}));`,
        )
        .join('')}
      ${bias ? `${z} += offset;` : ''}
      ${relu ? `${z} = rectified(${z});` : ''}
      ${winners && relu ? `${places} = select(vec4u(${NOWHERE}u), ${places}, isOpen(${z}));` : ''}`;
  };
  const store = (i: number, j: number) => {
    const at = `(corner + ${i}u * u.width + ${j}u) * u.G + g`;
    const places = `places${i}_${j}`;
    return `
      y[u.before + ${at}] = z${i}_${j};
      ${winners ? `winners[u.winnersBefore + ${at}] = ${places}.x | (${places}.y << 8u) | (${places}.z << 16u) | (${places}.w << 24u);` : ''}`;
  };
  const sum = (term: (i: number, j: number) => string) =>
    times(size, (i) =>
      times(size, (j) => `total += select(vec4f(), ${term(i, j)}, ${i}u < tall && ${j}u < wide);`),
    );
  return {
    name: 'winograd-output',
    lanes: LANES,
    read: { M: 'vec4f', ...(bias && { bias: 'vec4f' }) },
    write: { y: 'vec4f', ...(winners && { winners: 'u32' }), ...(moments && { partial: 'vec4f' }) },
    uniforms: {
      height: 'u32',
      width: 'u32',
      G: 'u32',
      down: 'u32',
      across: 'u32',
      rows: 'u32',
      before: 'u32',
      winnersBefore: 'u32',
      firstTile: 'u32',
    },
    declarations: nanWgsl('vec4f') + (moments ? momentsWgsl({ byFours: true }, { store: true }) : ''),
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
      let tall = min(${size}u, u.height - oy);
      let wide = min(${size}u, u.width - ox);
      ${times(size, (i) => times(size, (j) => finish(i, j)))}
      ${times(size, (i) => `if (${i}u < tall) { ${times(size, (j) => `if (${j}u < wide) { ${store(i, j)} }`)} }`)}
      ${
        moments
          ? `
      let count = f32(tall * wide);
      var total = vec4f();
      ${sum((i, j) => `z${i}_${j}`)}
      let mean = total / max(count, 1.0);
      total = vec4f();
      ${sum((i, j) => `(z${i}_${j} - mean) * (z${i}_${j} - mean)`)}
      storeMoments(u.firstTile + tile, g, Moments(count, mean, total));`
          : ''
      }`,
  };
});

/** Memory for the moments of all tiles, where it can be bound in one piece. */
export function tileMoments(filtering: Filtering, convolution: Convolution, gpu: Gpu): Tensor | undefined {
  const { N, K } = convolution;
  const { tiles } = tilesOf(filtering, convolution, N);
  return 3 * tiles * K * 4 <= gpu.limits.maxStorageBufferBindingSize ? empty([tiles, 3, K]) : undefined;
}

/** Writes a chunk's outputs from M and, where asked, its tiles' moments. */
export function transformOutput(
  filtering: Filtering,
  convolution: Convolution,
  chunk: Chunk,
  M: Tensor,
  { y, bias, relu, pool, winners }: Output,
  partial: Tensor | undefined,
): void {
  const { N, K } = convolution;
  const { down, across, tiles } = tilesOf(filtering, convolution, chunk.images);
  const to = partOf(y, N, chunk);
  const places = winners && partOf(winners, N, chunk);
  launch(
    outputKernel({
      filtering,
      bias: bias !== undefined,
      relu,
      pool,
      winners: winners !== undefined,
      moments: partial !== undefined,
    }),
    {
      M,
      ...(bias && { bias }),
      y: to.part,
      ...(places && { winners: places.part }),
      ...(partial && { partial }),
    },
    {
      items: (tiles * K) / 4,
      uniforms: {
        ...{ height: y.shape[1], width: y.shape[2], G: K / 4, down, across, rows: chunk.rows },
        before: to.before / 4,
        winnersBefore: places?.before ?? 0,
        firstTile: (chunk.first * tiles) / chunk.images,
      },
    },
  );
}
