import type { Gpu } from '../../../gpu/gpu.ts';
import { kernelFamily } from '../../../gpu/kernel.ts';
import { launch, type Part, range } from '../../../tensor/launch.ts';
import type { Tensor } from '../../../tensor/tensor.ts';

/*
 * One matrix product a frequency: M[xi] = V[xi] U[xi], V [t^2, rows, C], U [t^2, C, K], M [t^2, rows, K].
 *
 * On software adapters, where a load costs as much as dozens of multiplications, a subgroup of L lanes has a register tile of `tileRows`
 * rows and 8 L columns: a lane two groups of four. Of V, lane l loads four terms of row l, and they are handed round; of U each lane loads
 * its columns. On others, workgroups of 256 stage 16 terms of 64 x 64 values of M in workgroup memory.
 *
 * f32 sums in the order of the terms.
 */

export interface Product {
  readonly rows: number;
  readonly C: number;
  readonly K: number;
  readonly frequencies: number;
}

interface RegisterTile {
  readonly tileRows: number;
  /** Groups of four columns a lane. */
  readonly vectors: number;
  readonly lanes: number;
  /** U of one frequency is a uniform binding; else all frequencies are one dispatch and U is in storage. */
  readonly uniform: boolean;
}

const sequence = (n: number) => Array.from({ length: n }, (_, i) => i);
const lines = <T>(items: readonly T[], line: (item: T) => string) => items.map(line).join('\n');

/** Rows of V and M a frequency, groups of four terms and of four columns. */
const uniforms = { rows: 'u32', terms: 'u32', columns: 'u32' } as const;

/** Bytes of a uniform binding that WebGPU guarantees. */
const UNIFORM_BYTES = 65536;
/** Elements after U's last: the shader is the same for every shape, so that a frequency is bound with what comes after it. */
export const SPARE = UNIFORM_BYTES / 4;

/** Terms that a load of V brings. */
const TERMS = sequence(4);

const registerKernel = kernelFamily(({ tileRows, vectors, lanes: L, uniform }: RegisterTile) => {
  const width = L * vectors;
  const rows = sequence(tileRows);
  const loads = sequence(Math.ceil(tileRows / L));
  const columns = sequence(vectors);
  return {
    name: 'winograd-product',
    lanes: L,
    subgroups: true,
    read: { V: 'vec4f' as const, ...(!uniform && { U: 'vec4f' as const }) },
    write: { M: 'vec4f' },
    ...(uniform && { uniformArrays: { U: ['vec4f', UNIFORM_BYTES / 16] as const } }),
    uniforms,
    body: `
      let blocks = (u.columns + ${width - 1}u) / ${width}u;
      ${lines(
        columns,
        (q) => `let n${q} = workgroup % blocks * ${width}u + ${q * L}u + lane;
        let column${q} = min(n${q}, u.columns - 1u);`,
      )}
      // Rows are counted through all frequencies.
      let row = workgroup / blocks * ${tileRows}u;
      let first = ${uniform ? '0u' : 'row / u.rows * u.terms * 4u'};
      ${lines(loads, (v) => `let at${v} = (row + ${v * L}u + lane${tileRows % L ? ` % ${tileRows}u` : ''}) * u.terms;`)}
      ${lines(rows, (r) => lines(columns, (q) => `var s${r}_${q} = vec4f();`))}
      for (var c = 0u; c < u.terms; c++) {
        ${lines(loads, (v) => `let v${v} = V[at${v} + c];`)}
        ${lines(TERMS, (e) =>
          lines(columns, (q) => `let u${e}_${q} = U[(first + c * 4u + ${e}u) * u.columns + column${q}];`),
        )}
        ${lines(rows, (r) =>
          lines(
            TERMS,
            (e) => `let b${r}_${e} = vec4f(subgroupBroadcast(v${Math.floor(r / L)}[${e}], ${r % L}u));
            ${lines(columns, (q) => `s${r}_${q} = fma(b${r}_${e}, u${e}_${q}, s${r}_${q});`)}`,
          ),
        )}
      }
      ${lines(
        columns,
        (q) => `if (n${q} < u.columns) {
          ${lines(rows, (r) => `M[(row + ${r}u) * u.columns + n${q}] = s${r}_${q};`)}
        }`,
      )}`,
  };
});

const TILE = 64;
const DEPTH = 16;

const tiledKernel = kernelFamily(() => ({
  name: 'winograd-product-tiled',
  lanes: 256,
  read: { V: 'vec4f', U: 'vec4f' },
  write: { M: 'vec4f' },
  uniforms,
  declarations: `
    var<workgroup> left: array<vec4f, ${(TILE * DEPTH) / 4}>; // [term / 4][row]
    var<workgroup> right: array<vec4f, ${(TILE * DEPTH) / 4}>; // [term][column / 4]`,
  body: `
    let columnTiles = (u.columns + 15u) / 16u;
    let column = workgroup % columnTiles * 16u + lane % 16u;
    let row0 = workgroup / columnTiles * ${TILE}u;
    let first = row0 / u.rows * u.terms * 4u;
    let r = lane / 16u * 4u;
    var s0 = vec4f(); var s1 = vec4f(); var s2 = vec4f(); var s3 = vec4f();
    for (var begin = 0u; begin < u.terms; begin += ${DEPTH / 4}u) {
      let group = begin + lane % 4u;
      let v = V[(row0 + lane / 4u) * u.terms + min(group, u.terms - 1u)];
      left[lane % 4u * ${TILE}u + lane / 4u] = select(vec4f(), v, group < u.terms);
      let term = begin * 4u + lane / 16u;
      let b = U[(first + min(term, u.terms * 4u - 1u)) * u.columns + min(column, u.columns - 1u)];
      right[lane] = select(vec4f(), b, term < u.terms * 4u);
      workgroupBarrier();
      for (var q = 0u; q < ${DEPTH / 4}u; q++) {
        let at = q * ${TILE}u + r;
        let a0 = left[at]; let a1 = left[at + 1u]; let a2 = left[at + 2u]; let a3 = left[at + 3u];
        ${lines(
          sequence(4),
          (e) => `let b${e} = right[(q * 4u + ${e}u) * 16u + lane % 16u];
          ${lines(sequence(4), (i) => `s${i} = fma(vec4f(a${i}[${e}]), b${e}, s${i});`)}`,
        )}
      }
      workgroupBarrier();
    }
    if (column >= u.columns) { return; }
    ${lines(sequence(4), (i) => `M[(row0 + r + ${i}u) * u.columns + column] = s${i};`)}`,
}));

/** Widths that the subgroup kernel is generated for. */
const WIDTHS = [4, 8, 16, 32];
/** Rows from which on a dispatch a frequency pays: a load from a uniform binding costs less than one from storage. */
const MANY_ROWS = 96;
/** Rows of a register tile, the most that there are rows for. */
const TILE_ROWS = [24, 16, 8];

const hasSubgroups = (gpu: Gpu) => gpu.isSoftware && WIDTHS.includes(gpu.subgroupSize);

/** Rows of a tile of M for so many rows: V and M have a multiple of them. */
export function tileRowsFor(rows: number, gpu: Gpu): number {
  if (!hasSubgroups(gpu)) return TILE;
  return TILE_ROWS.find((size) => rows > size / 2) ?? TILE_ROWS[TILE_ROWS.length - 1];
}

/** Whether each frequency is a dispatch with its U as a uniform binding: where there are many rows, it fits and ranges are aligned. */
export function isByFrequency({ rows, C, K }: Product, gpu: Gpu): boolean {
  const aligned = [C * K, rows * C, rows * K].every((size) => size % 64 === 0);
  return hasSubgroups(gpu) && rows >= MANY_ROWS && C * K <= SPARE && aligned;
}

/** M = V U, frequency by frequency. */
export function multiply(product: Product, tileRows: number, V: Tensor, U: Tensor, M: Tensor): void {
  const { rows, C, K, frequencies } = product;
  const { gpu } = V.storage;
  const lanes = gpu.subgroupSize;
  const vectors = K > 4 * lanes ? 2 : 1;
  const inRegisters = hasSubgroups(gpu);
  const slab = C * K;
  const uniform = isByFrequency(product, gpu);
  const kernel = inRegisters ? registerKernel({ tileRows, vectors, lanes, uniform }) : tiledKernel({});
  const tileColumns = inRegisters ? 4 * lanes * vectors : TILE;
  const launchRows = (operands: Record<string, Tensor | Part>, count: number) =>
    launch(kernel, operands, {
      items: count / tileRows,
      workgroups: (items) => items * Math.ceil(K / tileColumns),
      uniforms: { rows, terms: C / 4, columns: K / 4 },
    });
  if (!uniform) {
    launchRows({ V, U, M }, frequencies * rows);
    return;
  }
  for (let xi = 0; xi < frequencies; xi++) {
    const operands = {
      V: range(V, xi * rows * C, rows * C),
      U: range(U, xi * slab, SPARE),
      M: range(M, xi * rows * K, rows * K),
    };
    launchRows(operands, rows);
  }
}
