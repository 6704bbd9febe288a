import type { Gpu } from '../../../gpu/gpu.ts';
import { kernelFamily } from '../../../gpu/kernel.ts';
import { launch } from '../../../tensor/launch.ts';
import { empty, type Tensor } from '../../../tensor/tensor.ts';
import { nanWgsl } from '../../shared/nan.ts';
import { sumPartials } from '../../shared/sumRows.ts';
import { partOf } from '../chunks.ts';
import { type CotangentForm, formOf } from '../cotangent.ts';
import { type Cotangent, type Geometry, isUnit3x3 } from '../geometry.ts';
import { productKernel } from '../tiled.ts';
import { transformInput } from './input.ts';
import { type Chunk, tilesOf } from './tiles.ts';
import { type Filtering, transform, transposed } from './transforms.ts';

/*
 * The filter gradient by Winograd's filtering; `transforms.ts` has the maths. Of each tile of m x m pixels of dy, with the t x t of x around them,
 *
 *   V[xi, tile, c] = (B^T x B)[xi]        input.ts
 *   D[xi, tile, k] = (A dy A^T)[xi]
 *   S[xi, c, k]   += sum_tile V[xi, tile, c] D[xi, tile, k]
 *   dw = G^T S G
 *
 * Images take these stages in chunks, so that V and D stay in a cache, and each chunk adds to S. Where C and K alone make few workgroups,
 * the tiles of a chunk are dealt to slices with an S each, summed at the end. dy is read folded: the gradient behind a ReLU or a
 * pool is never in memory. An invocation of a transform has one channel of one tile: on lavapipe as fast as four, and a quarter to compile.
 *
 * Products, on software adapters: a workgroup is one subgroup of width L and one frequency; a lane owns up to two groups of four output
 * channels, L apart, for `width` input channels, in registers. V's channels are loaded L at a time (lane = channel) and handed round; one
 * tile a step, since code unrolled over several was slower.
 * Elsewhere they are the 64 x 64 tiles of `tiled.ts`.
 *
 * f32 sums in a fixed order. Over 300 random shapes the error was at most 7.1 round-offs with F4 and 0.9 with F2, as
 * `ConvVariant.roundOffs` counts them; of plain sums, 0.8.
 */

const sequence = (n: number) => Array.from({ length: n }, (_, i) => i);
const lines = <T>(items: readonly T[], line: (item: T) => string) => items.map(line).join('\n');

const LANES = 64;

/**
 * WGSL for the m x m pixels of the gradient of the sum that begin at (top, left) of image n, channel k: `load`, then `at(i, j)`; 0 outside
 * the image. Pooled, every window is loaded once: m is even.
 */
function tileOfCotangent(form: CotangentForm, m: number) {
  const pooled = form === 'pooled';
  const [rows, columns, scale] = pooled ? ['(u.Y / 2u)', '(u.X / 2u)', 2] : ['u.Y', 'u.X', 1];
  const side = sequence(m / scale);
  const load = `
    ${lines(side, (i) => `let y${i} = top / ${scale}u + ${i}u;`)}
    ${lines(side, (j) => `let x${j} = left / ${scale}u + ${j}u;`)}
    ${lines(side, (i) =>
      lines(side, (j) => {
        const at = `${i}_${j}`;
        return `
          let inside${at} = y${i} < ${rows} && x${j} < ${columns};
          let pixel${at} = select(0u, (n * ${rows} + y${i}) * ${columns} + x${j}, inside${at});
          ${form === 'masked' ? `let open${at} = inside${at} && isOpen(mask[u.maskBefore + pixel${at} * u.K + k]);` : ''}
          ${pooled ? `let winner${at} = (mask[u.maskBefore + pixel${at} * (u.K / 4u) + k / 4u] >> (k % 4u * 8u)) & 255u;` : ''}
          let g${at} = select(0.0, dy[u.before + pixel${at} * u.K + k], ${form === 'masked' ? 'open' : 'inside'}${at});`;
      }),
    )}`;
  const at = (i: number, j: number) => {
    const window = `${Math.floor(i / scale)}_${Math.floor(j / scale)}`;
    return pooled ? `select(0.0, g${window}, winner${window} == ${(i % 2) * 2 + (j % 2)}u)` : `g${window}`;
  };
  return { load, at };
}

interface TransformOptions {
  readonly filtering: Filtering;
  readonly form: CotangentForm;
}

const cotangentKernel = kernelFamily(({ filtering: { m, t, AT }, form }: TransformOptions) => {
  const { load, at } = tileOfCotangent(form, m);
  return {
    name: `winograd-cotangent ${form}`,
    lanes: LANES,
    read: { dy: 'f32', ...(form !== 'whole' && { mask: form === 'pooled' ? 'u32' : 'f32' }) },
    write: { D: 'f32' },
    uniforms: {
      Y: 'u32',
      X: 'u32',
      K: 'u32',
      down: 'u32',
      across: 'u32',
      rows: 'u32',
      before: 'u32',
      maskBefore: 'u32',
    },
    declarations: nanWgsl('f32'),
    body: `
      if (item >= u.items) { return; }
      let k = item % u.K;
      let tile = item / u.K;
      let n = tile / (u.down * u.across);
      let top = tile / u.across % u.down * ${m}u;
      let left = tile % u.across * ${m}u;
      ${load}
      ${transform(transposed(AT), at, 'd')}
      let size = u.rows * u.K;
      ${lines(sequence(t * t), (xi) => `D[${xi}u * size + item] = d${Math.floor(xi / t)}_${xi % t};`)}`,
  };
});

/** Writes the transform of a chunk's cotangent to D. */
function transformCotangent(
  filtering: Filtering,
  g: Geometry,
  chunk: Chunk,
  cotangent: Cotangent,
  D: Tensor,
): void {
  const { N, K, Y, X } = g;
  const { down, across, tiles } = tilesOf(filtering, g, chunk.images);
  const dy = partOf(cotangent.dy, N, chunk);
  const folded = cotangent.winners ?? cotangent.y;
  const mask = folded && partOf(folded, N, chunk);
  launch(
    cotangentKernel({ filtering, form: formOf(cotangent) }),
    { dy: dy.part, ...(mask && { mask: mask.part }), D },
    {
      items: tiles * K,
      workgroups: (items) => Math.ceil(items / LANES),
      uniforms: {
        ...{ Y, X, K, down, across, rows: chunk.rows, before: dy.before },
        maskBefore: mask ? mask.before : 0,
      },
    },
  );
}

/** Sums of one chunk: `tiles` of the `rows` of V and D, `sliceTiles` to a slice; `adds` to what S holds or begins it. */
const sumsUniforms = ['rows', 'tiles', 'sliceTiles', 'C', 'K', 'frequencies', 'adds'] as const;

const registerKernel = kernelFamily(
  ({ lanes: L, width, groups }: { lanes: number; width: number; groups: number }) => {
    const channels = sequence(width);
    const loads = sequence(Math.ceil(width / L));
    const own = sequence(groups);
    const fma = (c: number, q: number) =>
      `s${c}_${q} = fma(vec4f(subgroupBroadcast(v${Math.floor(c / L)}, ${c % L}u)), d${q}, s${c}_${q});`;
    return {
      name: `winograd-filter-sums ${width}`,
      lanes: L,
      subgroups: true,
      read: { V: 'f32', D: 'vec4f' },
      write: { S: 'vec4f' },
      uniforms: Object.fromEntries(sumsUniforms.map((name) => [name, 'u32'])),
      body: `
      let G = u.K / 4u;
      let blocks = (G + ${groups * L - 1}u) / ${groups * L}u;
      let columns = (u.C + ${width - 1}u) / ${width}u;
      let n = workgroup % blocks * ${groups * L}u + lane;
      let c0 = workgroup / blocks % columns * ${width}u;
      let product = workgroup / (blocks * columns);
      let begin = product / u.frequencies * u.sliceTiles;
      let row = product % u.frequencies * u.rows + begin;
      ${lines(own, (q) => `var atD${q} = row * G + min(n + ${q * L}u, G - 1u);`)}
      ${lines(loads, (i) => `var atV${i} = row * u.C + min(c0 + ${i * L}u + lane, u.C - 1u);`)}
      ${lines(channels, (c) => lines(own, (q) => `var s${c}_${q} = vec4f();`))}
      for (var tile = begin; tile < min(begin + u.sliceTiles, u.tiles); tile++) {
        ${lines(own, (q) => `let d${q} = D[atD${q}];`)}
        ${lines(loads, (i) => `let v${i} = V[atV${i}];`)}
        ${lines(channels, (c) => lines(own, (q) => fma(c, q)))}
        ${lines(own, (q) => `atD${q} += G;`)}
        ${lines(loads, (i) => `atV${i} += u.C;`)}
      }
      // Sums move on from register to register: on lavapipe every store in the code takes long to compile.
      for (var c = c0; c < min(c0 + ${width}u, u.C); c++) {
        ${lines(
          own,
          (q) => `if (n + ${q * L}u < G) {
            let at = (product * u.C + c) * G + n + ${q * L}u;
            if (u.adds != 0u) { s0_${q} += S[at]; }
            S[at] = s0_${q};
          }`,
        )}
        ${lines(channels.slice(1), (c) => lines(own, (q) => `s${c - 1}_${q} = s${c}_${q};`))}
      }`,
    };
  },
);

const tiledKernel = productKernel({
  name: 'winograd-filter-sums-tiled',
  read: { V: 'f32', D: 'f32' },
  write: { S: 'f32' },
  uniforms: sumsUniforms,
  leftAlong: 'row',
  access: `
    fn left(c: u32, row: u32) -> f32 {
      if (c >= u.C || row >= end) { return 0.0; }
      return V[row * u.C + c];
    }
    fn right(row: u32, k: u32) -> f32 {
      if (row >= end || k >= u.K) { return 0.0; }
      return D[row * u.K + k];
    }
    fn store(c: u32, k: u32, sum: f32) {
      if (c >= u.C || k >= u.K) { return; }
      let at = (product * u.C + c) * u.K + k;
      S[at] = select(sum, S[at] + sum, u.adds != 0u);
    }`,
  setup: `
    rowTiles = (u.C + 63u) / 64u;
    columnTiles = (u.K + 63u) / 64u;
    product = workgroup / (rowTiles * columnTiles);
    let first = product % u.frequencies * u.rows;
    begin = first + product / u.frequencies * u.sliceTiles;
    end = first + min(product / u.frequencies * u.sliceTiles + u.sliceTiles, u.tiles);
    let steps = (u.sliceTiles + 15u) / 16u;`,
});

const outputKernel = kernelFamily(({ t, G }: Filtering) => ({
  name: 'winograd-filter-gradient',
  lanes: LANES,
  read: { S: 'f32' },
  write: { dw: 'f32' },
  body: `
    if (item >= u.items) { return; }
    ${transform(transposed(G), (p, q) => `S[${p * t + q}u * u.items + item]`, 'w')}
    ${lines(sequence(9), (tap) => `dw[${tap}u * u.items + item] = w${Math.floor(tap / 3)}_${tap % 3};`)}`,
}));

/** Widths that the subgroup kernel is generated for. */
const WIDTHS = [4, 8, 16, 32];
/** Input channels of a subgroup and groups of four output channels of a lane at most: what was fastest on lavapipe. */
const MOST_CHANNELS = 32;
const MOST_GROUPS = 2;
/** Side of the tiles of `tiled.ts`. */
const TILE = 64;
/** Workgroups of a chunk at least where its tiles allow it, and tiles of a slice at least: enough to keep a GPU busy. */
const LEAST_WORKGROUPS = 512;
const LEAST_TILES = 64;

/** How a chunk's products are dealt to workgroups: a product is one slice of one frequency. */
function sharing({ C, K }: Geometry, frequencies: number, tiles: number, gpu: Gpu) {
  const registers = gpu.isSoftware && WIDTHS.includes(gpu.subgroupSize);
  const columns = Math.ceil(C / (registers ? MOST_CHANNELS : TILE));
  const groups = Math.min(MOST_GROUPS, Math.ceil(K / (4 * gpu.subgroupSize)));
  const workgroups = columns * Math.ceil(K / (registers ? 4 * groups * gpu.subgroupSize : TILE));
  const wanted = Math.ceil(LEAST_WORKGROUPS / (frequencies * workgroups));
  const slices = registers ? 1 : Math.max(1, Math.min(wanted, Math.floor(tiles / LEAST_TILES)));
  return { groups, registers, workgroups, slices, width: Math.ceil(C / columns / 4) * 4 };
}

/** Bytes of V and D together that images share. */
const SCRATCH_BYTES = 8 * 2 ** 20;

/** Whether a single image fits the limits of the adapter. */
export function supportsFilterGradient({ m, t }: Filtering, g: Geometry, gpu: Gpu): boolean {
  const { C, K, Y, X } = g;
  if (!isUnit3x3(g) || C % 4 || K % 4) return false;
  const tiles = Math.ceil(Y / m) * Math.ceil(X / m);
  const largest = Math.max(tiles * Math.max(C, K), C * K) * t * t * 4;
  return largest <= gpu.limits.maxStorageBufferBindingSize;
}

/**
 * Predicted nanoseconds. On lavapipe every value that is loaded or stored counts, 11 ns for 8 lanes on one of two cores, and of the
 * products the fused multiplications too, 2 ns for the four of a vec4f. On hardware, where none was measured, it is as `tiled.ts` has it.
 */
export function filterGradientCost(filtering: Filtering, g: Geometry, gpu: Gpu): number {
  const { C, K } = g;
  const { m, t } = filtering;
  const frequencies = t * t;
  const { tiles } = tilesOf(filtering, g, g.N);
  const moved = tiles * (2 * frequencies * C + (m * m + frequencies) * K) + (frequencies + 9) * C * K;
  if (!gpu.isSoftware) return moved / 250 + (2 * frequencies * tiles * C * K) / 2000;
  const { registers, workgroups, width, groups } = sharing(g, frequencies, tiles, gpu);
  if (!registers) return (2 * frequencies * tiles * C * K) / 1.6;
  const step = 11 * (4 * groups + Math.ceil(width / gpu.subgroupSize)) + 2 * width * groups;
  return (moved * 11) / 8 / 2 + (frequencies * tiles * workgroups * step) / 2;
}

/** The filter gradient [3, 3, C, K]. */
export function filterGradient(filtering: Filtering, g: Geometry, x: Tensor, cotangent: Cotangent): Tensor {
  const { N, C, K } = g;
  const { gpu } = x.storage;
  const frequencies = filtering.t ** 2;
  const perImage = tilesOf(filtering, g, 1).tiles;
  const most = Math.max(1, Math.floor(SCRATCH_BYTES / (perImage * frequencies * (C + K) * 4)));
  const chunkImages = Math.ceil(N / Math.ceil(N / most));
  const rows = chunkImages * perImage;
  const { groups, registers, workgroups, slices, width } = sharing(g, frequencies, rows, gpu);
  const V = empty([frequencies, rows, C]);
  const D = empty([frequencies, rows, K]);
  const S = empty([slices, frequencies * C * K]);
  const kernel = registers ? registerKernel({ lanes: gpu.subgroupSize, width, groups }) : tiledKernel;
  for (let first = 0; first < N; first += chunkImages) {
    const images = Math.min(chunkImages, N - first);
    const chunk = { first, images, rows };
    const tiles = images * perImage;
    transformInput(filtering, g, chunk, { dy: x }, V);
    transformCotangent(filtering, g, chunk, cotangent, D);
    launch(
      kernel,
      { V, D, S },
      {
        items: slices * frequencies,
        workgroups: (items) => items * workgroups,
        uniforms: { rows, tiles, sliceTiles: Math.ceil(tiles / slices), C, K, frequencies, adds: first },
      },
    );
  }
  const dw = empty([3, 3, C, K]);
  launch(
    outputKernel(filtering),
    { S: slices > 1 ? sumPartials(S, [frequencies, C, K]) : S, dw },
    { items: C * K },
  );
  return dw;
}
