import { ShapeError } from '../errors.ts';
import { kernel } from '../gpu/kernel.ts';
import { defineOp } from '../tensor/autograd.ts';
import { launch, split } from '../tensor/launch.ts';
import { type Shape, showShape } from '../tensor/shape.ts';
import { empty, type Tensor } from '../tensor/tensor.ts';
import { expectTensor } from './shared/expectTensor.ts';
import { forEachDtype } from './shared/forEachDtype.ts';

/*
 * Rows along axis 0: x [M, ...] seen as [M, R], indices [B]
 *   y[b, r]  = x[indices[b], r]
 *   dx[m, r] = sum of dy[b, r] over the b with indices[b] = m, in rising order: no atomics, the same bits each time
 */

const LANES = 64;

// Elements are copied as words, and a negative index wraps to a large one.
const forwardKernel = kernel({
  name: 'gather',
  lanes: LANES,
  read: { x: 'u32', indices: 'u32' },
  write: { y: 'u32' },
  uniforms: { rows: 'u32', rowSize: 'u32', outside: 'u32' },
  body: `
    if (item >= u.items * u.rowSize) { return; }
    let row = indices[item / u.rowSize];
    if (row < u.rows) { y[item] = x[row * u.rowSize + item % u.rowSize]; } else { y[item] = u.outside; }`,
});

const backwardKernel = kernel({
  name: 'gather-gradient',
  lanes: LANES,
  read: { dy: 'f32', indices: 'u32' },
  write: { dx: 'f32' },
  uniforms: { rowSize: 'u32', count: 'u32' },
  body: `
    if (item >= u.items * u.rowSize) { return; }
    let row = u.first + item / u.rowSize;
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

const opFor = forEachDtype((dtype) =>
  defineOp({
    name: 'gather',
    dtype,
    shape: gatheredShape,
    forward({ inputs: [x, indices], output: y, save }) {
      const rowSize = y.size / indices.size;
      launch(
        forwardKernel,
        { x, indices: split(indices, 1), y: split(y, rowSize) },
        {
          items: indices.size,
          uniforms: { rows: x.shape[0], rowSize, outside: OUTSIDE[dtype] },
          workgroups: workgroupsOf(rowSize),
        },
      );
      save(indices);
    },
    backward({ gradient: dy, saved: [indices], inputShapes: [x] }) {
      const dx = empty(x);
      const rowSize = dx.size / x[0];
      launch(
        backwardKernel,
        { dy, indices, dx: split(dx, rowSize) },
        { items: x[0], uniforms: { rowSize, count: indices.size }, workgroups: workgroupsOf(rowSize) },
      );
      return [dx, null];
    },
  }),
);

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
