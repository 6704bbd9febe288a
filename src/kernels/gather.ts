import { ShapeError } from '../errors.ts';
import { kernel } from '../gpu/kernel.ts';
import { defineOp } from '../tensor/autograd.ts';
import { launch, split } from '../tensor/launch.ts';
import { type Shape, showShape } from '../tensor/shape.ts';
import { empty, type Tensor } from '../tensor/tensor.ts';
import { expectTensor } from './shared/expectTensor.ts';
import { forEachDtype } from './shared/forEachDtype.ts';
import { tableParts } from './shared/table.ts';

/*
 * Rows along axis 0: x [M, ...] seen as [M, R], indices [B]
 *   y[b, r]  = x[indices[b], r]
 *   dx[m, r] = sum of dy[b, r] over the b with indices[b] = m, in rising order: no atomics, the same bits each time
 */

const LANES = 64;

// Elements are copied as words, and a negative index wraps to a large one. Indices past the table are the first part's.
const forwardKernel = kernel({
  name: 'gather',
  lanes: LANES,
  read: { x: 'u32', indices: 'u32' },
  write: { y: 'u32' },
  uniforms: { begin: 'u32', rows: 'u32', skip: 'u32', total: 'u32', rowSize: 'u32', outside: 'u32' },
  body: `
    if (item >= u.items * u.rowSize) { return; }
    let index = indices[item / u.rowSize];
    let row = index - u.begin;
    if (row < u.rows) {
      y[item] = x[u.skip + row * u.rowSize + item % u.rowSize];
    } else if (u.begin == 0u && index >= u.total) {
      y[item] = u.outside;
    }`,
});

const backwardKernel = kernel({
  name: 'gather-gradient',
  lanes: LANES,
  read: { dy: 'f32', indices: 'u32' },
  write: { dx: 'f32' },
  uniforms: { begin: 'u32', rowSize: 'u32', count: 'u32' },
  body: `
    if (item >= u.items * u.rowSize) { return; }
    let row = u.begin + u.first + item / u.rowSize;
    var s = 0.0;
    for (var b = 0u; b < u.count; b++) {
      if (indices[b] == row) { s += dy[b * u.rowSize + item % u.rowSize]; }
    }
    dx[item] = s;`,
});

/** What an index out of range reads, as bits: NaN, or the smallest i32, or the largest u32. */
const OUTSIDE = { f32: 0x7fc00000, i32: 0x80000000, u32: 0xffffffff } as const;

/** @throws ShapeError */
function gatheredShape([x, indices]: readonly Shape[]): number[] {
  if (x.length === 0) throw new ShapeError('gather', 'x of at least one axis', showShape(x));
  if (indices.length !== 1) throw new ShapeError('gather', 'indices of one axis', showShape(indices));
  return [indices[0], ...x.slice(1)];
}

const workgroupsOf = (rowSize: number) => (rows: number) => Math.ceil((rows * rowSize) / LANES);

/** Of the tensors that hold the table, one after the other, and of the indices. */
const opFor = forEachDtype((dtype) =>
  defineOp({
    name: 'gather',
    dtype,
    shape: (shapes) => gatheredShape([shapes[0], shapes[shapes.length - 1]]),
    forward({ inputs, output: y, save }) {
      const [tensors, indices] = [inputs.slice(0, -1), inputs[inputs.length - 1]];
      const rowSize = y.size / indices.size;
      const total = tensors.reduce((rows, { shape }) => rows + shape[0], 0);
      for (const { part, first, rows, skip } of tableParts(tensors, 4 * rowSize))
        launch(
          forwardKernel,
          { x: part, indices: split(indices, 1), y: split(y, rowSize) },
          {
            items: indices.size,
            uniforms: { begin: first, rows, skip: skip / 4, total, rowSize, outside: OUTSIDE[dtype] },
            workgroups: workgroupsOf(rowSize),
          },
        );
      save(indices);
    },
    backward({ gradient: dy, saved: [indices], inputShapes, needs }) {
      let begin = 0;
      return inputShapes.map((x, i) => {
        if (i === inputShapes.length - 1) return null;
        const uniforms = { begin, rowSize: dy.size / indices.size, count: indices.size };
        begin += x[0];
        if (!needs[i]) return null;
        const dx = empty(x);
        launch(
          backwardKernel,
          { dy, indices, dx: split(dx, uniforms.rowSize) },
          { items: x[0], uniforms, workgroups: workgroupsOf(uniforms.rowSize) },
        );
        return dx;
      });
    },
  }),
);

/** `gather` of a table that lies in several tensors, one after the other along axis 0. */
export const gatherTable = (tensors: readonly Tensor[], indices: Tensor): Tensor =>
  opFor('gather', 'x', tensors[0])([...tensors, indices], undefined);

/**
 * Rows of x along axis 0, in the order of `indices`; one may come several times.
 *
 * An index out of range can't throw from the GPU: its row reads NaN (i32: the smallest, u32: the largest number) and gives no
 * gradient. The gradient compares every row of x with every index, so it suits tables of some thousand rows.
 *
 * @param x [M, ...] of any dtype
 * @param indices [B], i32 or u32, from 0 to M - 1
 * @returns [B, ...]
 * @throws ShapeError
 * @example
 * ```ts
 * import { gather, tensor } from 'weft-gpu';
 *
 * await gather(tensor([[1, 2], [3, 4]]), tensor(Int32Array.of(1, 1, 0))).data(); // Float32Array [3, 4, 3, 4, 1, 2]
 * ```
 */
export function gather(x: Tensor, indices: Tensor): Tensor {
  expectTensor('gather', 'indices', indices, ['i32', 'u32']);
  return opFor('gather', 'x', x)([x, indices], undefined);
}
