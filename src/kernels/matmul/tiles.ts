import type { Kernel, UniformType } from '../../gpu/kernel.ts';
import { launch, type Part, range, split } from '../../tensor/launch.ts';
import { empty, type Tensor } from '../../tensor/tensor.ts';
import { sumPartialsInto } from '../shared/sumRows.ts';
import { directFlops, type Geometry } from './geometry.ts';

/*
 * How tiles of the output are laid over workgroups, for the variants that compute one tile a workgroup.
 *
 * Normally an item of the launch is a row of tiles. Where there are few tiles and K is long, K is cut into slices, an item each;
 * their products are summed in rising order afterwards. Shapes alone decide, so the same input gives the same bits.
 */

/** Workgroups that keep a GPU busy. */
const ENOUGH_TILES = 128;
/** Bytes of a slice of either operand: what WebGPU lets every device bind. */
export const MOST_BYTES = 2 ** 27;
/** Terms of a slice: enough to be worth another product to sum. A multiple of 64, so that slices can be bound by themselves. */
const LEAST_TERMS = 256;

export interface Tile {
  readonly rows: number;
  readonly columns: number;
}

/** Terms of a slice, at most, of operands whose rows are terms. */
export const mostTermsOf = ({ M, N }: Geometry): number =>
  Math.max(64, Math.floor(MOST_BYTES / 4 / Math.max(M, N) / 64) * 64);

const tilesOf = ({ M, N }: Geometry, { rows, columns }: Tile): number =>
  Math.ceil(M / rows) * Math.ceil(N / columns);

/** Slices that give few tiles of long rows enough workgroups. */
const slicesForTiles = (g: Geometry, tile: Tile): number =>
  Math.min(Math.floor(g.K / LEAST_TERMS), Math.ceil(ENOUGH_TILES / tilesOf(g, tile)));

/** Whether `launchTiles` cuts K to have enough workgroups. */
export const slicesTerms = (g: Geometry, tile: Tile): boolean => slicesForTiles(g, tile) > 1;

/** Operations with the rows and columns that the last tiles compute in vain. */
export const tiledFlops = ({ M, N, K }: Geometry, { rows, columns }: Tile): number =>
  directFlops({ M: Math.ceil(M / rows) * rows, N: Math.ceil(N / columns) * columns, K });

const names = [
  'M',
  'N',
  'K',
  'aRow',
  'aColumn',
  'bRow',
  'bColumn',
  'hasBias',
  'tileRows',
  'tileColumns',
  'sliceTerms',
  'itemRows',
  'itemTerms',
  'aItemRows',
  'sliced',
] as const;

/** Scalars of a tile kernel: extents, the strides with which A[m, k] and B[k, n] are stored, and what `tileWgsl` reads. */
export const tileUniforms = Object.fromEntries(names.map((name) => [name, 'u32'])) as Record<
  (typeof names)[number],
  UniformType
>;

/**
 * WGSL: the tile of this workgroup. It gives `row` and `column` (the first of y, as it is bound), `rowOfA` (that row in A, as it is
 * bound), `lastRow` (of y, as it is bound), the terms `kBegin` to `kEnd` of A and B as they are bound, and `yBegin` (where the
 * product of this slice begins in y).
 */
export const tileWgsl = ({ rows, columns }: Tile): string => `
    let column = workgroup % u.tileColumns * ${columns}u;
    let row = workgroup / u.tileColumns % u.tileRows * ${rows}u;
    let slice = workgroup / (u.tileColumns * u.tileRows);
    let rowOfA = row + u.first * u.aItemRows;
    let lastRow = u.M - u.first * u.itemRows - 1u;
    let kBegin = slice * u.sliceTerms;
    let kEnd = min(kBegin + u.sliceTerms, u.K - u.first * u.itemTerms);
    let yBegin = (slice + u.first * u.sliced) * u.M * u.N;
    let addsBias = u.hasBias != 0u && slice + u.first * u.sliced == 0u;`;

/** What is bound in place of a bias where there is none: nothing of it counts. */
export const unread = (b: Tensor): Part => range(b, 0, Math.min(b.size, 64));

/** Launches a tile kernel, with bindings `a`, `b`, `bias` and `y`, and sums its slices if there are several. */
export function launchTiles(
  kernel: Kernel,
  tile: Tile,
  g: Geometry,
  a: Tensor,
  b: Tensor,
  bias: Tensor | undefined,
  y: Tensor,
): void {
  const { M, N, K, transposeA, transposeB } = g;
  const tileRows = Math.ceil(M / tile.rows);
  const tileColumns = Math.ceil(N / tile.columns);
  const tiles = tileRows * tileColumns;
  const [aRow, aColumn] = transposeA ? [1, M] : [K, 1];
  const [bRow, bColumn] = transposeB ? [1, K] : [N, 1];
  const uniforms = { M, N, K, aRow, aColumn, bRow, bColumn, hasBias: bias ? 1 : 0, tileRows, tileColumns };

  // The rows of a slice lie together where the terms are the outer axis of both operands, as in a weight's gradient.
  const apart = transposeA && !transposeB;
  const mostTerms = apart ? mostTermsOf(g) : K;
  const wanted = Math.max(slicesForTiles(g, tile), Math.ceil(K / mostTerms));
  if (wanted < 2) {
    const ofRows = {
      sliceTerms: K,
      itemRows: tile.rows,
      itemTerms: 0,
      aItemRows: transposeA ? tile.rows : 0,
      sliced: 0,
    };
    launch(
      kernel,
      { a: transposeA ? a : split(a, tile.rows * K), b, bias: bias ?? unread(b), y: split(y, tile.rows * N) },
      { items: tileRows, workgroups: (items) => items * tileColumns, uniforms: { ...uniforms, ...ofRows } },
    );
    return;
  }
  const sliceTerms = Math.min(Math.ceil(K / wanted / 64) * 64, mostTerms);
  const slices = Math.ceil(K / sliceTerms);
  const partial = empty([slices, M, N]);
  const ofSlices = { sliceTerms, itemRows: 0, itemTerms: apart ? sliceTerms : 0, aItemRows: 0, sliced: 1 };
  launch(
    kernel,
    {
      a: apart ? split(a, sliceTerms * M) : a,
      b: apart ? split(b, sliceTerms * N) : b,
      bias: bias ?? unread(b),
      y: partial,
    },
    { items: slices, workgroups: (items) => items * tiles, uniforms: { ...uniforms, ...ofSlices } },
  );
  sumPartialsInto(partial, y);
}
