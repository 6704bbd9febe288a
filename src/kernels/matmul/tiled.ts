import { kernelFamily } from '../../gpu/kernel.ts';
import type { Geometry, MatmulVariant, Transposes } from './geometry.ts';
import { launchTiles, slicesTerms, tiledFlops, tileUniforms, tileWgsl } from './tiles.ts';

/*
 * Register tiles over workgroup memory: 8 x 8 lanes, each with a block of R x 4 values of y in registers. A step stages DEPTH terms
 * of the tile's rows of A and columns of B, so that a value loaded from storage serves 32 or 8R multiplications.
 *
 * Both are staged as vec4 along the tile's edge, term by term: a lane reads R/4 + 1 of them for R * 4 multiplications. A row of the
 * stage is one vec4 longer than it need be, or lanes that write neighbouring terms would meet in one memory bank. Neighbouring
 * lanes load along the axis in which the operand is contiguous.
 */

const SIDE = 8;
const LANES = SIDE * SIDE;
const DEPTH = 16;
const COLUMNS = SIDE * 4;

interface Options extends Transposes {
  /** Rows of a lane's block: 4 or 8. */
  readonly laneRows: number;
}

const times = (count: number, make: (i: number) => string): string =>
  Array.from({ length: count }, (_, i) => make(i)).join('\n      ');

/** Stages vec4s along an edge of `extent`; `alongTerms` says that neighbouring lanes load neighbouring terms. */
const stage = (tile: string, extent: number, alongTerms: boolean, load: (edge: string) => string): string => `
      for (var i = lane; i < ${(extent / 4) * DEPTH}u; i += ${LANES}u) {
        let term = ${alongTerms ? `i % ${DEPTH}u` : `i / ${extent / 4}u`};
        let edge = ${alongTerms ? `i / ${DEPTH}u` : `i % ${extent / 4}u`};
        let k = min(begin + term, kEnd - 1u);
        let loaded = vec4f(${[0, 1, 2, 3].map((e) => load(`edge * 4u + ${e}u`)).join(', ')});
        ${tile}[term * ${extent / 4 + 1}u + edge] = select(vec4f(), loaded, begin + term < kEnd);
      }`;

const family = kernelFamily(({ laneRows, transposeA, transposeB }: Options) => {
  const rows = SIDE * laneRows;
  return {
    name: 'matmul-tiled',
    lanes: LANES,
    read: { a: 'f32', b: 'f32', bias: 'f32' },
    write: { y: 'f32' },
    uniforms: tileUniforms,
    declarations: `
var<workgroup> aTile: array<vec4f, ${DEPTH * (rows / 4 + 1)}>;
var<workgroup> bTile: array<vec4f, ${DEPTH * (COLUMNS / 4 + 1)}>;`,
    body: `${tileWgsl({ rows, columns: COLUMNS })}
    let laneRow = lane / ${SIDE}u;
    let laneColumn = lane % ${SIDE}u;
    ${times(laneRows, (r) => `var s${r} = vec4f();`)}
    for (var begin = kBegin; begin < kEnd; begin += ${DEPTH}u) {
      ${stage('aTile', rows, !transposeA, (edge) => `a[(rowOfA + min(${edge}, lastRow - row)) * u.aRow + k * u.aColumn]`)}
      ${stage('bTile', COLUMNS, transposeB, (edge) => `b[k * u.bRow + min(column + ${edge}, u.N - 1u) * u.bColumn]`)}
      workgroupBarrier();
      for (var term = 0u; term < ${DEPTH}u; term++) {
        let bs = bTile[term * ${COLUMNS / 4 + 1}u + laneColumn];
        ${times(laneRows / 4, (q) => `let as${q} = aTile[term * ${rows / 4 + 1}u + laneRow * ${laneRows / 4}u + ${q}u];`)}
        ${times(laneRows, (r) => `s${r} = fma(vec4f(as${r >> 2}[${r & 3}]), bs, s${r});`)}
      }
      workgroupBarrier();
    }
    let firstRow = row + laneRow * ${laneRows}u;
    let firstColumn = column + laneColumn * 4u;
    ${times(4, (c) => `let bias${c} = select(0.0, bias[min(firstColumn + ${c}u, u.N - 1u)], addsBias);`)}
    ${times(laneRows, (r) => times(4, (c) => `if (firstRow + ${r}u <= lastRow && firstColumn + ${c}u < u.N) { y[yBegin + (firstRow + ${r}u) * u.N + firstColumn + ${c}u] = s${r}[${c}] + bias${c}; }`))}`,
  };
});

/** Outputs from which on blocks of 8 x 4 leave enough workgroups. */
const MANY_OUTPUTS = 2 ** 20;

const laneRowsOf = ({ M, N }: Geometry) => (M * N >= MANY_OUTPUTS ? 8 : 4);
const tileOf = (g: Geometry) => ({ rows: SIDE * laneRowsOf(g), columns: COLUMNS });

export const tiled: MatmulVariant = {
  name: 'tiled',
  supports: () => true,
  cost: (g, gpu) => tiledFlops(g, tileOf(g)) / (gpu.isSoftware ? 1.5 : 2000),
  roundOffs: 8,
  slicesTerms: (g) => slicesTerms(g, tileOf(g)),
  run(g, a, b, bias, y) {
    const { transposeA, transposeB } = g;
    launchTiles(family({ laneRows: laneRowsOf(g), transposeA, transposeB }), tileOf(g), g, a, b, bias, y);
  },
};
