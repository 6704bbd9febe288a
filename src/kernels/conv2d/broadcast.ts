import { kernelFamily } from '../../gpu/kernel.ts';
import { launch, type Part, range, split } from '../../tensor/launch.ts';
import { empty, type Tensor } from '../../tensor/tensor.ts';
import { attachMoments, momentsWgsl } from '../shared/moments.ts';
import { nanWgsl } from '../shared/nan.ts';
import { sumPartials } from '../shared/sumRows.ts';
import { type ConvVariant, directFlops, isUnit3x3, type Output, zerosAfter } from './geometry.ts';
import { turnFilter } from './turnFilter.ts';

/*
 * 3x3 convolution in register tiles shared by a subgroup, for adapters with one fixed subgroup width L. A workgroup is one subgroup.
 *
 * Forward: lane l owns the vec4 of output channels 4 (block L + l) .. + 3 for all pixels of a tile of about 28 pixels, so 28 vec4
 * accumulators. Rows are counted through the batch (row = n Y + oy): an odd height wastes nothing. For each filter row and input channel the
 * pixels that the tile touches are loaded L at a time (lane = pixel, zero outside the image), three weight vec4 are loaded, and every
 * pixel is handed round by subgroupBroadcast to its three taps: a dozen loads feed 84 vector FMAs. Where one tile spans the
 * image's width, taps that fall into the padding aren't generated. A tap's [C, K] slab of weights is a uniform binding where it fits:
 * on lavapipe a load from there costs a quarter of one from storage.
 *
 * Input gradient: the same kernel over dy, with the filter turned by 180 degrees and its channels swapped, padding 2 - P.
 *
 * Filter gradient: lane l owns a vec4 of output channels for `ct` input channels and the three taps of a filter row (all nine where C is
 * 1 or 2). A step takes `step` neighbouring output pixels: their dy vec4, and the pixels of x around them loaded L at a time and
 * broadcast. Groups of images are summed apart and then in order, so the result has one value.
 *
 * f32 sums in a fixed order; the error bound is the plain variant's.
 */

const sequence = (n: number) => Array.from({ length: n }, (_, i) => i);
const lines = <T>(items: readonly T[], line: (item: T) => string) => items.map(line).join('\n');

/** Pixels of a tile: as many accumulators as pay on lavapipe before spills cost more. */
const TILE_PIXELS = 28;
/** Bytes of a uniform binding that WebGPU guarantees. */
const UNIFORM_BYTES = 65536;

interface ForwardOptions {
  H: number;
  W: number;
  C: number;
  K: number;
  pad: number;
  bias: boolean;
  relu: boolean;
  /** Tells the moments of each tile, a block of `moments.ts`, where tiles are parts of one row. */
  moments: boolean;
  lanes: number;
}

/** Output size, and tiles across the width (`across`), each of `columns` x `rows` pixels. */
function tilesOf({ H, W, pad }: Pick<ForwardOptions, 'H' | 'W' | 'pad'>) {
  const Y = H + 2 * pad - 2;
  const X = W + 2 * pad - 2;
  const across = X <= TILE_PIXELS + 4 ? 1 : Math.ceil(X / TILE_PIXELS);
  const columns = Math.ceil(X / across);
  return { Y, X, across, columns, rows: Math.max(1, Math.round(TILE_PIXELS / columns)) };
}

/** Whether each tap's slab can be a uniform binding: offsets are aligned to 256 bytes. */
const slabsAreUniform = (C: number, K: number) =>
  K % 4 === 0 && (C * K) % 64 === 0 && C * K * 4 <= UNIFORM_BYTES;

/** Four channels of a row of K values: one vec4 where K allows, else value by value, the last repeated. */
function channels(array: string, row: string, K: number): string {
  if (K % 4 === 0) return `${array}[${row} * ${K / 4}u + n]`;
  return `vec4f(${sequence(4).map((i) => `${array}[${row} * ${K}u + n${i}]`)})`;
}

/** The indices n0 .. n3 of the lane's channels where a vec4 isn't possible. */
const channelIndices = (K: number) =>
  K % 4 === 0 ? '' : lines(sequence(4), (i) => `let n${i} = min(4u * n + ${i}u, ${K - 1}u);`);

function storeChannels(array: string, row: string, K: number, value: string): string {
  if (K % 4 === 0) return `${array}[${row} * ${K / 4}u + n] = ${value};`;
  return `let z = ${value}; ${sequence(4)
    .map((i) => `if (4u * n + ${i}u < ${K}u) { ${array}[${row} * ${K}u + 4u * n + ${i}u] = z[${i}]; }`)
    .join(' ')}`;
}

const elementFor = (K: number) => (K % 4 === 0 ? 'vec4f' : 'f32');

const forwardKernel = kernelFamily(({ H, W, C, K, pad, bias, relu, moments, lanes: L }: ForwardOptions) => {
  const { Y, X, across, columns, rows } = tilesOf({ H, W, pad });
  const uniform = slabsAreUniform(C, K);
  const element = elementFor(K);
  // Columns of the input, counted from the tile's left edge less the padding, that can hold data.
  const inputColumns = sequence(columns + 2).filter((j) => across > 1 || (j >= pad && j - pad < W));
  const [first] = inputColumns;
  const loads = sequence(Math.ceil(inputColumns.length / L));
  const tileRows = sequence(rows);
  const pixels = tileRows.flatMap((r) => sequence(columns).map((p) => ({ r, p })));
  const weight = (tap: number) =>
    uniform ? `w${tap}[c * ${K / 4}u + n]` : channels('w', `(${tap * C}u + c)`, K);
  const blocks = Math.ceil(K / (4 * L));
  const filterRow = (i: number) => `{
    ${lines(
      tileRows,
      (r) => `
      let h${r} = i32((r0 + ${r}u) % ${Y}u) + ${i - pad};
      let inside${r} = h${r} >= 0 && h${r} < ${H};
      let top${r} = (i32((r0 + ${r}u) / ${Y}u) * ${H} + select(0, h${r}, inside${r})) * ${W};
      ${lines(
        loads,
        (v) => `
        let v${r}_${v} = i32(tileX * ${columns}u + lane) + ${v * L + first - pad};
        let ok${r}_${v} = inside${r} && v${r}_${v} >= 0 && v${r}_${v} < ${W};
        let at${r}_${v} = u32(top${r} + select(0, v${r}_${v}, ok${r}_${v})) * ${C}u;`,
      )}`,
    )}
    for (var c = 0u; c < ${C}u; c++) {
      ${lines(tileRows, (r) => lines(loads, (v) => `let x${r}_${v} = select(0.0, x[at${r}_${v} + c], ok${r}_${v});`))}
      ${lines(
        sequence(3),
        (j) => `let b${j} = ${weight(i * 3 + j)};
        ${lines(
          pixels.filter(({ p }) => inputColumns.includes(p + j)),
          ({ r, p }) =>
            `s${r}_${p} = fma(vec4f(subgroupBroadcast(x${r}_${Math.floor((p + j - first) / L)}, ${(p + j - first) % L}u)), b${j}, s${r}_${p});`,
        )}`,
      )}
    }
  }`;
  const finished = (r: number, p: number) => {
    const sum = `s${r}_${p}${bias ? ' + offset' : ''}`;
    return relu ? `rectified(${sum})` : sum;
  };
  const inside = (p: number) => `tileX * ${columns}u + ${p}u < ${X}u`;
  const total = (term: (p: number) => string) =>
    lines(sequence(columns), (p) => {
      const value = X % columns ? `select(vec4f(), ${term(p)}, ${inside(p)})` : term(p);
      return `total += ${value};`;
    });
  const tileMoments = `
      let count = f32(min(${columns}u, ${X}u - tileX * ${columns}u));
      var total = vec4f();
      ${total((p) => finished(0, p))}
      let mean = total / count;
      total = vec4f();
      ${lines(sequence(columns), (p) => `let apart${p} = ${finished(0, p)} - mean;`)}
      ${total((p) => `apart${p} * apart${p}`)}
      storeMoments(tile, n, Moments(count, mean, total));`;
  return {
    name: `conv2d-broadcast ${H}x${W} ${C}-${K}`,
    lanes: L,
    subgroups: true,
    read: { x: 'f32', ...(uniform ? {} : { w: element }), ...(bias && { bias: element }) },
    write: { y: element, ...(moments && { partial: 'vec4f' as const }) },
    ...(moments && { uniforms: { G: 'u32' as const } }),
    declarations: nanWgsl('vec4f') + (moments ? momentsWgsl({ byFours: true }, { store: true }) : ''),
    uniformArrays: uniform
      ? Object.fromEntries(sequence(9).map((tap) => [`w${tap}`, ['vec4f', (C * K) / 4] as const]))
      : {},
    body: `
      let n = workgroup % ${blocks}u * ${L}u + lane;
      let tile = workgroup / ${blocks}u;
      let tileX = tile % ${across}u;
      let r0 = tile / ${across}u * ${rows}u;
      ${channelIndices(K)}
      ${lines(pixels, ({ r, p }) => `var s${r}_${p} = vec4f();`)}
      ${lines(sequence(3), filterRow)}
      ${bias ? `let offset = ${channels('bias', '0u', K)};` : ''}
      ${K % (4 * L) ? `if (n >= ${Math.ceil(K / 4)}u) { return; }` : ''}
      ${lines(
        tileRows,
        (r) => `if (r0 + ${r}u < u.items * ${Y}u) {
          let at = (r0 + ${r}u) * ${X}u + tileX * ${columns}u;
          ${lines(sequence(columns), (p) => {
            const store = storeChannels('y', `(at + ${p}u)`, K, finished(r, p));
            return X % columns ? `if (${inside(p)}) { ${store} }` : `{ ${store} }`;
          })}
        }`,
      )}
      ${moments ? tileMoments : ''}`,
  };
});

function convolve(
  sizes: Omit<ForwardOptions, 'bias' | 'relu' | 'moments'>,
  N: number,
  x: Tensor,
  w: Tensor,
  { bias, relu, y, moments = false }: Output,
): void {
  const { H, W, C, K, lanes } = sizes;
  const { Y, X, across, rows } = tilesOf(sizes);
  const gathers = moments && rows === 1 && K % 4 === 0;
  const options = { ...sizes, bias: bias !== undefined, relu, moments: gathers };
  const partial = gathers ? empty([N * Y * across, 3, K]) : undefined;
  const weights: Record<string, Part | Tensor> = slabsAreUniform(C, K)
    ? Object.fromEntries(sequence(9).map((tap) => [`w${tap}`, range(w, tap * C * K, C * K)]))
    : { w };
  launch(
    forwardKernel(options),
    {
      x: split(x, H * W * C),
      y: split(y, Y * X * K),
      ...weights,
      ...(bias && { bias }),
      ...(partial && { partial: split(partial, Y * across * 3 * K) }),
    },
    {
      items: N,
      workgroups: (items) => Math.ceil(K / (4 * lanes)) * across * Math.ceil((items * Y) / rows),
      ...(gathers && { uniforms: { G: K / 4 } }),
    },
  );
  if (partial) attachMoments(y, partial);
}

interface GradientOptions {
  H: number;
  W: number;
  C: number;
  K: number;
  pad: number;
  lanes: number;
}

/** Input channels of a workgroup (`ct`), filter rows (`rowsOfTaps`), output pixels of a step, and workgroups a group of images. */
function gradientTiles({ W, C, K, pad, lanes }: GradientOptions) {
  const X = W + 2 * pad - 2;
  const ct = Math.min(C, 8);
  const rowsOfTaps = C <= 2 ? 3 : 1;
  // Four or five pixels, whichever wastes less of a row.
  const step = Math.min(X, Math.ceil(X / 5) * 5 < Math.ceil(X / 4) * 4 ? 5 : 4);
  const blocks = Math.ceil(K / (4 * lanes));
  return { ct, rowsOfTaps, step, blocks, workgroups: blocks * Math.ceil(C / ct) * (3 / rowsOfTaps) };
}

const filterGradientKernel = kernelFamily((options: GradientOptions) => {
  const { H, W, C, K, pad, lanes: L } = options;
  const { ct, rowsOfTaps, step, blocks, workgroups } = gradientTiles(options);
  const Y = H + 2 * pad - 2;
  const X = W + 2 * pad - 2;
  const loads = sequence(Math.ceil(((step + 2) * ct) / L));
  const tapRows = sequence(rowsOfTaps);
  const sums = tapRows.flatMap((i) =>
    sequence(3).flatMap((j) => sequence(ct).map((c) => ({ i, j, c, name: `s${i}${j}_${c}` }))),
  );
  const hasTail = X % step > 0;
  return {
    name: `conv2d-filter-gradient-broadcast ${H}x${W} ${C}-${K}`,
    lanes: L,
    subgroups: true,
    read: { x: 'f32', dy: elementFor(K) },
    write: { partial: elementFor(K) },
    uniforms: { images: 'u32', groupImages: 'u32' },
    body: `
      let group = workgroup / ${workgroups}u;
      let tile = workgroup % ${workgroups}u;
      let n = tile % ${blocks}u * ${L}u + lane;
      let c0 = tile / ${blocks}u % ${Math.ceil(C / ct)}u * ${ct}u;
      let i0 = tile / ${blocks * Math.ceil(C / ct)}u;
      let r0 = group * u.groupImages * ${Y}u;
      let r1 = min(r0 + u.groupImages * ${Y}u, (u.images - u.first * u.groupImages) * ${Y}u);
      ${channelIndices(K)}
      ${lines(
        loads,
        (v) => `let column${v} = i32((${v * L}u + lane) / ${ct}u) - ${pad};
        let channel${v} = min(c0 + (${v * L}u + lane) % ${ct}u, ${C - 1}u);`,
      )}
      ${lines(sums, ({ name }) => `var ${name} = vec4f();`)}
      for (var r = r0; r < r1; r++) {
        ${lines(
          tapRows,
          (i) => `let h${i} = i32(r % ${Y}u + i0) + ${i - pad};
          let inside${i} = h${i} >= 0 && h${i} < ${H};
          let top${i} = (i32(r / ${Y}u) * ${H} + select(0, h${i}, inside${i})) * ${W};`,
        )}
        for (var ox = 0u; ox < ${X}u; ox += ${step}u) {
          ${lines(tapRows, (i) =>
            lines(
              loads,
              (v) => `let v${i}_${v} = i32(ox) + column${v};
              let ok${i}_${v} = inside${i} && v${i}_${v} >= 0 && v${i}_${v} < ${W};
              let x${i}_${v} = select(0.0, x[u32(top${i} + select(0, v${i}_${v}, ok${i}_${v})) * ${C}u + channel${v}], ok${i}_${v});`,
            ),
          )}
          ${lines(sequence(step), (p) => {
            const pixel = `(r * ${X}u + ${hasTail ? `min(ox + ${p}u, ${X - 1}u)` : `ox + ${p}u`})`;
            const load = channels('dy', pixel, K);
            return `let g${p} = ${hasTail ? `select(vec4f(), ${load}, ox + ${p}u < ${X}u)` : load};`;
          })}
          ${lines(sums, ({ i, j, c, name }) =>
            lines(sequence(step), (p) => {
              const entry = (p + j) * ct + c;
              return `${name} = fma(vec4f(subgroupBroadcast(x${i}_${Math.floor(entry / L)}, ${entry % L}u)), g${p}, ${name});`;
            }),
          )}
        }
      }
      ${K % (4 * L) ? `if (n >= ${Math.ceil(K / 4)}u) { return; }` : ''}
      ${lines(sums, ({ i, j, c, name }) => {
        const store = storeChannels(
          'partial',
          `(((group * 9u + (i0 + ${i}u) * 3u + ${j}u) * ${C}u + c0 + ${c}u))`,
          K,
          name,
        );
        return `${C % ct ? `if (c0 + ${c}u < ${C}u) ` : ''}{ ${store} }`;
      })}`,
  };
});

/** Rows of an image group at least, and workgroups in all at least: enough to keep every core busy. */
const LEAST_ROWS = 28;
const LEAST_WORKGROUPS = 256;

/** Widths that the kernels are generated for. */
const WIDTHS = [4, 8, 16, 32];

export const broadcast: ConvVariant = {
  name: 'broadcast',
  // It counts on as many zeros after the image as before.
  supports: (g, _, gpu) =>
    isUnit3x3(g) && zerosAfter(g).every((zeros) => zeros === g.P) && WIDTHS.includes(gpu.subgroupSize),
  // 20 to 30 GFLOP/s on lavapipe; unproven on hardware.
  cost: (g, _, gpu) => directFlops(g) / (gpu.isSoftware ? 25 : 1),
  roundOffs: 8,
  forward({ N, H, W, C, K, P }, x, w, output) {
    convolve({ H, W, C, K, pad: P, lanes: x.storage.gpu.subgroupSize }, N, x, w, output);
  },
  inputGradient(g, { dy }, w, dx) {
    const { N, Y, X, C, K, P } = g;
    const sizes = { H: Y, W: X, C: K, K: C, pad: 2 - P, lanes: dy.storage.gpu.subgroupSize };
    convolve(sizes, N, dy, turnFilter(g, w), { bias: undefined, relu: false, pool: false, y: dx });
  },
  filterGradient({ N, H, W, C, K, Y, X, P }, x, { dy }) {
    const options = { H, W, C, K, pad: P, lanes: x.storage.gpu.subgroupSize };
    const { workgroups } = gradientTiles(options);
    const wanted = Math.max(8, Math.ceil(LEAST_WORKGROUPS / workgroups));
    const groupImages = Math.ceil(N / Math.min(wanted, Math.ceil((N * Y) / LEAST_ROWS)));
    const groups = Math.ceil(N / groupImages);
    const partial = empty([groups, 9 * C * K]);
    launch(
      filterGradientKernel(options),
      {
        x: split(x, groupImages * H * W * C),
        dy: split(dy, groupImages * Y * X * K),
        partial: split(partial, 9 * C * K),
      },
      { items: groups, workgroups: (items) => items * workgroups, uniforms: { images: N, groupImages } },
    );
    return sumPartials(partial, [3, 3, C, K]);
  },
};
