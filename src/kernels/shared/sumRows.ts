import { kernel } from '../../gpu/kernel.ts';
import { launch, split } from '../../tensor/launch.ts';
import { empty, type Tensor } from '../../tensor/tensor.ts';

/*
 * R rows, C columns, B rows a block, S = ceil(R / B) blocks
 *   partial[s, c] = sum of x[r, c] over the rows r of block s
 *   sum[c] = sum of partial[s, c] over s
 * Both sums run in rising order, so the same input gives the same bits.
 */

const LANES = 64;
/** Blocks at most: enough to keep a GPU busy, few enough that the second sum is small. */
const MOST_BLOCKS = 256;

const blockKernel = kernel({
  name: 'sum-rows-in-blocks',
  lanes: LANES,
  read: { x: 'f32' },
  write: { partial: 'f32' },
  uniforms: { rows: 'u32', columns: 'u32', blockRows: 'u32' },
  body: `
    let columnGroups = (u.columns + ${LANES - 1}u) / ${LANES}u;
    let block = workgroup / columnGroups;
    let c = (workgroup % columnGroups) * ${LANES}u + lane;
    if (c >= u.columns) { return; }
    let rows = min(u.blockRows, u.rows - (u.first + block) * u.blockRows);
    var s = 0.0;
    var at = block * u.blockRows * u.columns + c;
    for (var r = 0u; r < rows; r++) { s += x[at]; at += u.columns; }
    partial[block * u.columns + c] = s;`,
});

const partialsKernel = kernel({
  name: 'sum-partials',
  lanes: LANES,
  read: { partial: 'f32' },
  write: { sum: 'f32' },
  uniforms: { partials: 'u32' },
  body: `
    if (item >= u.items) { return; }
    var s = 0.0;
    for (var i = 0u; i < u.partials; i++) { s += partial[i * u.items + item]; }
    sum[item] = s;`,
});

/** Sums `partial` [S, ...] over its first axis into `sum`, in rising order. */
export function sumPartialsInto(partial: Tensor, sum: Tensor): void {
  launch(partialsKernel, { partial, sum }, { items: sum.size, uniforms: { partials: partial.shape[0] } });
}

/** Sums `partial` [S, ...] over its first axis into a tensor of `shape`, in rising order. */
export function sumPartials(partial: Tensor, shape: readonly number[]): Tensor {
  const sum = empty(shape);
  sumPartialsInto(partial, sum);
  return sum;
}

/** Sums x, taken as rows of `columns` elements, over its rows: shape [columns]. */
export function sumRows(x: Tensor, columns: number): Tensor {
  const rows = x.size / columns;
  const blockRows = Math.max(16, Math.ceil(rows / MOST_BLOCKS));
  const blocks = Math.ceil(rows / blockRows);
  const partial = empty([blocks, columns]);
  launch(
    blockKernel,
    { x: split(x, blockRows * columns), partial: split(partial, columns) },
    { items: blocks, uniforms: { rows, columns, blockRows }, workgroups: (items) => items * Math.ceil(columns / LANES) },
  );
  return sumPartials(partial, [columns]);
}
