import { showValue } from '../checks.ts';
import { ShapeError } from '../errors.ts';

/** Lengths of the axes, outermost first; a scalar has none. */
export type Shape = readonly number[];

/** Number of elements. */
export const sizeOf = (shape: Shape): number => shape.reduce((product, n) => product * n, 1);

export const showShape = (shape: Shape): string => `[${shape.join(', ')}]`;

export const sameShape = (a: Shape, b: Shape): boolean =>
  a.length === b.length && a.every((n, i) => n === b[i]);

/** Elements from one index of an axis to the next, row-major. */
export function stridesOf(shape: Shape): number[] {
  const strides = new Array<number>(shape.length);
  let stride = 1;
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    strides[axis] = stride;
    stride *= shape[axis];
  }
  return strides;
}

/** @throws ShapeError unless it is a list of dimensions, each a whole number of at least 1. */
export function checkShape(op: string, shape: Shape): void {
  if (!Array.isArray(shape)) throw new ShapeError(op, 'a shape, as [2, 3]', showValue(shape));
  if (!shape.every((n) => Number.isInteger(n) && n >= 1))
    throw new ShapeError(op, 'dimensions that are whole numbers of at least 1', showValue(shape));
}

/** Resolves negative axes and refuses axes out of range or named twice. Axes come back in rising order. */
export function resolveAxes(
  op: string,
  axes: number | readonly number[] | undefined,
  rank: number,
): number[] {
  if (axes === undefined) return Array.from({ length: rank }, (_, i) => i);
  const list: readonly unknown[] = Array.isArray(axes) ? axes : [axes];
  const resolved = list.map((axis) => (typeof axis === 'number' && axis < 0 ? axis + rank : axis));
  const isAxis = (axis: unknown): axis is number =>
    Number.isInteger(axis) && (axis as number) >= 0 && (axis as number) < rank;
  if (!resolved.every(isAxis) || new Set(resolved).size !== resolved.length)
    throw new ShapeError(op, `distinct axes from ${-rank} to ${rank - 1}`, showValue(axes));
  return resolved.sort((a, b) => a - b);
}

/** Resolves one axis, which may be negative. @throws ShapeError where it is none of them */
export function resolveAxis(op: string, axis: number, rank: number): number {
  if (!(Number.isInteger(axis) && axis >= -rank && axis < rank))
    throw new ShapeError(op, `an axis from ${-rank} to ${rank - 1}`, showValue(axis));
  return axis < 0 ? axis + rank : axis;
}

/** The shape that NumPy's broadcasting rules give for two operands. */
export function broadcastShapes(op: string, a: Shape, b: Shape): number[] {
  const rank = Math.max(a.length, b.length);
  return Array.from({ length: rank }, (_, i) => {
    const m = a[i - rank + a.length] ?? 1;
    const n = b[i - rank + b.length] ?? 1;
    if (m !== n && m !== 1 && n !== 1)
      throw new ShapeError(op, 'shapes that broadcast together', `${showShape(a)} and ${showShape(b)}`);
    return Math.max(m, n);
  });
}
