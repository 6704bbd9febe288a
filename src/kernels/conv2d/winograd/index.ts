import { empty, type Tensor } from '../../../tensor/tensor.ts';
import type { ConvVariant, Cotangent, Output } from '../geometry.ts';
import { transformFilter } from './filter.ts';
import { filterGradient, filterGradientCost, supportsFilterGradient } from './filterGradient.ts';
import { transformInput } from './input.ts';
import { transformOutput } from './output.ts';
import { multiply, tileRowsFor } from './product.ts';
import { type Convolution, tilesOf } from './tiles.ts';
import { F2, F4, type Filtering } from './transforms.ts';

/*
 * 3x3 convolution by Winograd's minimal filtering; see `transforms.ts`. Three stages, each with a file of its own, take a few images at a
 * time, so that what lies between them stays small:
 *
 *   V[xi, tile, c] = (B^T d B)[xi]                  input.ts
 *   M[xi, tile, k] = sum_c V[xi, tile, c] U[xi, c, k]   product.ts, with U from filter.ts
 *   y = A^T M A                                     output.ts, with bias, ReLU and max-pool
 *
 * The input gradient is the same over the gradient of the sum, which is read as it is folded, with the filter turned by 180 degrees and its
 * channels swapped, padding 2 - P.
 */

/** Bytes of V and M together that images share. */
const SCRATCH_BYTES = 12 * 2 ** 20;

function convolve(
  filtering: Filtering,
  convolution: Convolution,
  input: Cotangent,
  U: Tensor,
  output: Output,
): void {
  const { N, C, K } = convolution;
  const { gpu } = input.dy.storage;
  const frequencies = filtering.t ** 2;
  const perImage = tilesOf(filtering, convolution, 1).tiles;
  const bytes = perImage * frequencies * (C + K) * 4;
  const most = Math.min(N, Math.max(1, Math.floor(SCRATCH_BYTES / bytes)));
  const chunkImages = Math.ceil(N / Math.ceil(N / most));
  const tileRows = tileRowsFor(chunkImages * perImage, gpu);
  const rowsFor = (images: number) => Math.ceil((images * perImage) / tileRows) * tileRows;
  const V = empty([frequencies, rowsFor(chunkImages), C]);
  const M = empty([frequencies, rowsFor(chunkImages), K]);
  for (let first = 0; first < N; first += chunkImages) {
    const images = Math.min(chunkImages, N - first);
    const chunk = { first, images, rows: rowsFor(images) };
    transformInput(filtering, convolution, chunk, input, V);
    multiply({ rows: chunk.rows, C, K, frequencies }, tileRows, V, U, M);
    transformOutput(filtering, convolution, chunk, M, output);
  }
}

function winograd(filtering: Filtering, roundOffs: number): ConvVariant {
  const { m, t } = filtering;
  const name = `winograd${m}`;
  return {
    name,
    supports(g, pass, gpu) {
      if (pass === 'filterGradient') return supportsFilterGradient(filtering, g, gpu);
      const { C, K, I, J, Y, X, H, W } = g;
      if (I !== 3 || J !== 3 || C % 4 || K % 4) return false;
      const [height, width] = pass === 'forward' ? [Y, X] : [H, W];
      const { tiles } = tilesOf(filtering, { Y: height, X: width }, 1);
      const largest = Math.max((tiles + 64) * Math.max(C, K), C * K) * t * t * 4;
      return largest <= gpu.limits.maxStorageBufferBindingSize;
    },
    cost: (g, pass, gpu) => (pass === 'filterGradient' ? filterGradientCost(filtering, g, gpu) : 1e9),
    roundOffs,
    pools: true,
    unfolds: true,
    forward(g, x, w, output) {
      convolve(filtering, g, { dy: x }, transformFilter(filtering, g, w, false), output);
    },
    inputGradient(g, cotangent, w, dx) {
      const { N, H, W, C, K, Y, X, P } = g;
      const turned = { N, H: Y, W: X, C: K, K: C, Y: H, X: W, P: 2 - P };
      const output = { y: dx, bias: undefined, relu: false, pool: false };
      convolve(filtering, turned, cotangent, transformFilter(filtering, g, w, true), output);
    },
    filterGradient: (g, x, cotangent) => filterGradient(filtering, g, x, cotangent),
  };
}

export const winograd4 = winograd(F4, 32);
export const winograd2 = winograd(F2, 8);
