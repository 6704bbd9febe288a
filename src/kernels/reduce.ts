import { checkOptions } from '../checks.ts';
import { defineOp } from '../tensor/autograd.ts';
import { adopt } from '../tensor/scope.ts';
import { resolveAxes, type Shape, sizeOf } from '../tensor/shape.ts';
import { empty, type Tensor } from '../tensor/tensor.ts';
import { elementwise } from './shared/elementwise.ts';
import { expectTensor } from './shared/expectTensor.ts';
import { largestOfAxes, sumAxes } from './shared/reduceAxes.ts';

/*
 * A the reduced axes, n = the product of x's extents over A, r(i) the output element that element i of x belongs to
 *   sum:  y[r] = sum of x[i] over r(i) = r,  dx[i] = dy[r(i)]
 *   mean: sum / n,                           dx[i] = dy[r(i)] / n
 *   max:  the largest such x[i],             dx[i] = dy[r(i)] for the first of the largest in row-major order, else 0
 */

/** Options of `sum`, `mean` and `max`. */
export interface ReduceOptions {
  /** Axes to reduce; negative ones count from the last. Default: all. */
  axes?: number | readonly number[];
  /** Whether reduced axes stay, with extent 1. Default: they go. */
  keepDims?: boolean;
}

interface Attrs {
  readonly axes: readonly number[];
  readonly keepDims: boolean;
}

const keptShape = (x: Shape, axes: readonly number[]): number[] =>
  x.map((extent, axis) => (axes.includes(axis) ? 1 : extent));

const outputShape = ([x]: readonly Shape[], { axes, keepDims }: Attrs): number[] =>
  keepDims ? keptShape(x, axes) : x.filter((_, axis) => !axes.includes(axis));

/** A tensor over the kept axes as a view that broadcasts to x. */
const spread = (tensor: Tensor, x: Shape, axes: readonly number[]): Tensor =>
  adopt(tensor.alias(keptShape(x, axes)));

function sumOp(name: string, divisorOf: (count: number) => number) {
  const divisor = (x: Shape, axes: readonly number[]) => divisorOf(sizeOf(axes.map((axis) => x[axis])));
  return defineOp<Attrs>({
    name,
    shape: outputShape,
    forward({ inputs: [x], attrs: { axes }, output }) {
      sumAxes(x, axes, output, divisor(x.shape, axes));
    },
    backward({ gradient, attrs: { axes }, inputShapes: [x] }) {
      const dx = empty(x);
      elementwise(
        `${name}-gradient`,
        'dy / divisor',
        { dy: spread(gradient, x, axes), divisor: divisor(x, axes) },
        dx,
      );
      return [dx];
    },
  });
}

const sumOfAxes = sumOp('sum', () => 1);
const meanOfAxes = sumOp('mean', (count) => count);

const maxOfAxes = defineOp<Attrs>({
  name: 'max',
  shape: outputShape,
  forward({ inputs: [x], attrs: { axes }, output, save }) {
    const winners = empty(output.shape, 'u32');
    largestOfAxes(x, axes, output, winners);
    save(winners);
  },
  backward({ gradient, saved: [winners], attrs: { axes }, inputShapes: [x] }) {
    const dx = empty(x);
    elementwise(
      'max-gradient',
      'select(0.0, dy, winner == at)',
      { dy: spread(gradient, x, axes), winner: spread(winners, x, axes) },
      dx,
    );
    return [dx];
  },
});

function reduction(name: string, op: (inputs: readonly Tensor[], attrs: Attrs) => Tensor) {
  return (x: Tensor, options: ReduceOptions = {}): Tensor => {
    expectTensor(name, 'x', x, 'f32');
    const { axes, keepDims = false } = checkOptions(name, options, '{ axes: 0 }');
    return op([x], { axes: resolveAxes(name, axes, x.rank), keepDims });
  };
}

/** Sum over axes, in a fixed order. @returns x's shape without the reduced axes: [] when all are. @throws ShapeError */
export const sum = reduction('sum', sumOfAxes);

/** Mean over axes, summed in a fixed order. @returns x's shape without the reduced axes: [] when all are. @throws ShapeError */
export const mean = reduction('mean', meanOfAxes);

/**
 * Largest element over axes, NaN where one of them is; of equal ones the first in row-major order takes the gradient.
 * @returns x's shape without the reduced axes: [] when all are. @throws ShapeError
 */
export const max = reduction('max', maxOfAxes);
