import { ShapeError } from '../errors.ts';
import { defineOp } from '../tensor/autograd.ts';
import { type Shape, showShape } from '../tensor/shape.ts';
import { empty, type Tensor } from '../tensor/tensor.ts';
import { average, spreadAverage } from './avgPool2d.ts';
import { expectTensor } from './shared/expectTensor.ts';

/*
 * Every pixel of N images of H x W pixels and C channels becomes I x J equal ones
 *   y[n,oy,ox,c] = x[n, floor(oy / I), floor(ox / J), c]
 *   dx[n,h,v,c]  = sum_{i < I, j < J} dy[n, h*I+i, v*J+j, c]
 *
 * The gradient is the sum over the windows of a pool of that size, and y what the gradient of such a pool is.
 */

const NAME = 'upSampling2d';

interface Factors {
  readonly size: readonly [rows: number, columns: number];
}

const op = defineOp<Factors>({
  name: NAME,
  shape: ([[N, H, W, C]], { size: [I, J] }) => [N, H * I, W * J, C],
  forward({ inputs: [x], attrs: { size }, output }) {
    spreadAverage(x, { poolSize: size }, 'one', output);
  },
  backward({ gradient: dy, attrs: { size }, inputShapes: [shape] }) {
    const dx = empty(shape);
    average(dy, { poolSize: size }, 'one', dx);
    return [dx];
  },
});

/** Rows and columns that a pixel becomes. @throws ShapeError */
export function factorsOf(
  op: string,
  x: Shape,
  size: number | readonly [number, number],
): readonly [number, number] {
  if (x.length !== 4) throw new ShapeError(op, 'x [N, H, W, C]', showShape(x));
  const both = typeof size === 'number' ? ([size, size] as const) : size;
  if (both.length !== 2 || !both.every((factor) => Number.isInteger(factor) && factor >= 1))
    throw new ShapeError(op, 'a size of a positive whole number, or two', JSON.stringify(size));
  return both;
}

/**
 * Images enlarged by whole factors: pixels are repeated (nearest neighbour).
 *
 * @param x images [N, H, W, C]
 * @param size factor of rows and of columns, or one number for both
 * @returns [N, H * rows, W * columns, C]
 * @throws ShapeError
 * @example
 * ```ts
 * import { tensor, upSampling2d } from 'weft-gpu';
 *
 * await upSampling2d(tensor([7, 8], [1, 1, 2, 1])).data(); // Float32Array [7, 7, 8, 8, 7, 7, 8, 8]
 * ```
 */
export function upSampling2d(x: Tensor, size: number | readonly [rows: number, columns: number] = 2): Tensor {
  expectTensor(NAME, 'x', x, 'f32');
  return op([x], { size: factorsOf(NAME, x.shape, size) });
}
