import { kernelFamily } from '../../gpu/kernel.ts';
import type { MatmulVariant } from './geometry.ts';
import { launchTiles, slicesTerms, tiledFlops, tileUniforms, tileWgsl } from './tiles.ts';

/*
 * Register tiles without workgroup memory, for adapters on which a load costs as much as dozens of multiplications, workgroup
 * memory included: those that run on a CPU. A subgroup of W lanes owns ROWS rows and 4W columns of y; lane l has the columns
 * l, l + W, l + 2W and l + 3W. Of A, lane l loads term l of each row, and the W terms are handed round: every load of A serves 4W
 * columns, every load of B serves ROWS rows.
 */

const ROWS = 16;
const PER_LANE = 4;

const times = (count: number, make: (i: number) => string): string =>
  Array.from({ length: count }, (_, i) => make(i)).join('\n      ');

const family = kernelFamily(({ width }: { width: number }) => {
  const loadB = (k: string) =>
    `vec4f(${Array.from({ length: PER_LANE }, (_, c) => `b[(${k}) * u.bRow + bAt${c}]`).join(', ')})`;
  return {
    name: 'matmul-subgroup',
    lanes: width,
    subgroups: true,
    read: { a: 'f32', b: 'f32', bias: 'f32' },
    write: { y: 'f32' },
    uniforms: tileUniforms,
    body: `${tileWgsl({ rows: ROWS, columns: PER_LANE * width })}
    ${times(ROWS, (r) => `let aAt${r} = (rowOfA + min(${r}u, lastRow - row)) * u.aRow;`)}
    ${times(PER_LANE, (c) => `let n${c} = column + ${c * width}u + lane; let bAt${c} = min(n${c}, u.N - 1u) * u.bColumn;`)}
    ${times(ROWS, (r) => `var s${r} = vec4f();`)}
    var k = kBegin;
    for (; k + ${width}u <= kEnd; k += ${width}u) {
      let term = (k + lane) * u.aColumn;
      ${times(ROWS, (r) => `let a${r} = a[aAt${r} + term];`)}
      ${times(
        width,
        (l) => `let b${l} = ${loadB(`k + ${l}u`)};
      ${times(ROWS, (r) => `s${r} = fma(vec4f(subgroupBroadcast(a${r}, ${l}u)), b${l}, s${r});`)}`,
      )}
    }
    for (; k < kEnd; k++) {
      let bs = ${loadB('k')};
      ${times(ROWS, (r) => `s${r} = fma(vec4f(a[aAt${r} + k * u.aColumn]), bs, s${r});`)}
    }
    ${times(
      PER_LANE,
      (c) => `if (n${c} < u.N) {
      let added = select(0.0, bias[n${c}], addsBias);
      ${times(ROWS, (r) => `if (row + ${r}u <= lastRow) { y[yBegin + (row + ${r}u) * u.N + n${c}] = s${r}[${c}] + added; }`)}
    }`,
    )}`,
  };
});

const tileOf = (width: number) => ({ rows: ROWS, columns: PER_LANE * width });

export const subgroup: MatmulVariant = {
  name: 'subgroup',
  supports: (_, gpu) => gpu.isSoftware && (gpu.subgroupSize === 4 || gpu.subgroupSize === 8),
  cost: (g, gpu) => tiledFlops(g, tileOf(gpu.subgroupSize)) / 6,
  roundOffs: 8,
  slicesTerms: (g, gpu) => slicesTerms(g, tileOf(gpu.subgroupSize)),
  run(g, a, b, bias, y) {
    const width = y.storage.gpu.subgroupSize;
    launchTiles(family({ width }), tileOf(width), g, a, b, bias, y);
  },
};
