import type { Gpu } from '../../../gpu/gpu.ts';
import { empty, type Tensor } from '../../../tensor/tensor.ts';
import { attachMoments } from '../../shared/moments.ts';
import { type ConvVariant, type Cotangent, type Geometry, isUnit3x3, type Output } from '../geometry.ts';
import { transformFilter } from './filter.ts';
import { filterGradient, filterGradientCost, supportsFilterGradient } from './filterGradient.ts';
import { transformInput } from './input.ts';
import { tileMoments, transformOutput } from './output.ts';
import { isByFrequency, multiply, tileRowsFor } from './product.ts';
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
 *
 * Error: U and V are f32 and the transforms cancel, so round-offs count more than in the direct sum, F(4x4) with its 4, 5 and 8 the
 * more. Over 4,339 random cases (images 3x3 to 12x12, 4 to 64 channels), the worst error of a value was 0.8 round-offs of root-mean-square kind at
 * the scale of the largest value with F(2x2) and 13.2 with F(4x4); `roundOffs` allows 8 and 32. Sums have a fixed order.
 */

/** Bytes of V and M together that images share: on lavapipe a product's dispatch, of one frequency, then has rows enough for its cost. */
const SCRATCH_BYTES = 32 * 2 ** 20;

/** How many images are taken at a time, and the rows of their V and M, which whole register tiles cover. */
function chunksOf(filtering: Filtering, convolution: Convolution, gpu: Gpu) {
  const { N, C, K } = convolution;
  const perImage = tilesOf(filtering, convolution, 1).tiles;
  const bytes = perImage * filtering.t ** 2 * (C + K) * 4;
  const most = Math.min(N, Math.max(1, Math.floor(SCRATCH_BYTES / bytes)));
  const chunks = Math.ceil(N / most);
  const chunkImages = Math.ceil(N / chunks);
  const tileRows = tileRowsFor(chunkImages * perImage, gpu);
  const rowsFor = (images: number) => Math.ceil((images * perImage) / tileRows) * tileRows;
  return { chunks, chunkImages, tileRows, rowsFor };
}

function convolve(
  filtering: Filtering,
  convolution: Convolution,
  input: Cotangent,
  U: Tensor,
  output: Output,
): void {
  const { N, C, K } = convolution;
  const frequencies = filtering.t ** 2;
  const { chunkImages, tileRows, rowsFor } = chunksOf(filtering, convolution, U.storage.gpu);
  const V = empty([frequencies, rowsFor(chunkImages), C]);
  const M = empty([frequencies, rowsFor(chunkImages), K]);
  const partial = output.moments ? tileMoments(filtering, convolution, U.storage.gpu) : undefined;
  for (let first = 0; first < N; first += chunkImages) {
    const images = Math.min(chunkImages, N - first);
    const chunk = { first, images, rows: rowsFor(images) };
    transformInput(filtering, convolution, chunk, input, V);
    multiply({ rows: chunk.rows, C, K, frequencies }, tileRows, V, U, M);
    transformOutput(filtering, convolution, chunk, M, output, partial);
  }
  if (partial) attachMoments(output.y, partial);
}

/** The convolution over the cotangent that is the input gradient. */
const turnedOf = ({ N, H, W, C, K, Y, X, P }: Geometry): Convolution => {
  return { N, H: Y, W: X, C: K, K: C, Y: H, X: W, P: 2 - P };
};

/**
 * Nanoseconds of a load or store of four channels, of a multiplication in the product where U is a uniform binding and where it isn't,
 * and of a dispatch. On lavapipe in ratio to `broadcast` as measured; on hardware a guess, from the rate of a textbook tile and the
 * bandwidth of memory.
 */
const SOFTWARE = { access: 8.5, multiply: 0.135, multiplyStored: 0.19, dispatch: 10e3 };
const HARDWARE = { access: 0.016, multiply: 0.001, multiplyStored: 0.001, dispatch: 5e3 };

function costOf(filtering: Filtering, convolution: Convolution, gpu: Gpu): number {
  const { m, t } = filtering;
  const { N, C, K } = convolution;
  const { access, multiply, multiplyStored, dispatch } = gpu.isSoftware ? SOFTWARE : HARDWARE;
  const { chunks, chunkImages, rowsFor } = chunksOf(filtering, convolution, gpu);
  const rows = rowsFor(chunkImages);
  const { tiles } = tilesOf(filtering, convolution, N);
  const accesses = (tiles * (2 * t * t * C + (t * t + m * m) * K) + t * t * C * K) / 4;
  const byFrequency = isByFrequency({ rows, C, K, frequencies: t * t }, gpu);
  const product = chunks * rows * t * t * C * K * (byFrequency ? multiply : multiplyStored);
  const dispatches = 1 + chunks * (2 + (byFrequency ? t * t : 1));
  return accesses * access + product + dispatches * dispatch;
}

function winograd(filtering: Filtering, roundOffs: number): ConvVariant {
  const { m, t } = filtering;
  return {
    name: `winograd${m}`,
    supports(g, pass, gpu) {
      if (pass === 'filterGradient') return supportsFilterGradient(filtering, g, gpu);
      const { C, K, Y, X, H, W } = g;
      if (!isUnit3x3(g) || C % 4 || K % 4) return false;
      const [height, width] = pass === 'forward' ? [Y, X] : [H, W];
      const { tiles } = tilesOf(filtering, { Y: height, X: width }, 1);
      const largest = Math.max((tiles + 64) * Math.max(C, K), C * K) * t * t * 4;
      return largest <= gpu.limits.maxStorageBufferBindingSize;
    },
    cost: (g, pass, gpu) =>
      pass === 'filterGradient'
        ? filterGradientCost(filtering, g, gpu)
        : costOf(filtering, pass === 'forward' ? g : turnedOf(g), gpu),
    roundOffs,
    pools: true,
    unfolds: true,
    forward(g, x, w, output) {
      convolve(filtering, g, { dy: x }, transformFilter(filtering, g, w, false), output);
    },
    inputGradient(g, cotangent, w, dx) {
      const output = { y: dx, bias: undefined, relu: false, pool: false };
      convolve(filtering, turnedOf(g), cotangent, transformFilter(filtering, g, w, true), output);
    },
    filterGradient: (g, x, cotangent) => filterGradient(filtering, g, x, cotangent),
  };
}

export const winograd4 = winograd(F4, 32);
export const winograd2 = winograd(F2, 8);
