import { showValue } from '../checks.ts';
import { ShapeError } from '../errors.ts';
import { showShape, sizeOf } from './shape.ts';

/** Numbers in nested arrays of equal lengths; the innermost may be typed. */
export type Nested = number | ArrayLike<number> | readonly Nested[];

/** Axes that nested arrays may have: more are an array that holds itself. */
const MOST_AXES = 32;
const TAKES = 'numbers, nested arrays of them or typed arrays';

/** Numbers as they were given, and the shape in which they were. */
export interface Elements {
  readonly shape: readonly number[];
  /** Row-major. */
  readonly values: ArrayLike<number>;
}

/** A typed array of numbers: no bigints, no DataView. */
const isNumberArray = (value: unknown): value is ArrayLike<number> =>
  ArrayBuffer.isView(value) && !/^(BigInt|DataView)/.test(kindOf(value));

const kindOf = (view: ArrayBufferView): string =>
  (view as { [Symbol.toStringTag]?: string })[Symbol.toStringTag] ?? '';

/**
 * The numbers in what a user gives as values.
 * @throws ShapeError where it holds anything else, or arrays of unequal lengths
 */
export function elementsOf(op: string, given: unknown): Elements {
  if (isNumberArray(given)) return { shape: [given.length], values: given };
  const shape = shapeAlongFirst(op, given);
  const values = new Float64Array(sizeOf(shape));
  fill(op, given, shape, 0, values, 0);
  return { shape, values };
}

function shapeAlongFirst(op: string, given: unknown): number[] {
  const shape: number[] = [];
  let part = given;
  for (; Array.isArray(part); part = part[0]) {
    if (shape.length === MOST_AXES)
      throw new ShapeError(op, `nested arrays of at most ${MOST_AXES} axes`, 'deeper ones');
    shape.push(part.length);
    if (part.length === 0) return shape;
  }
  return isNumberArray(part) ? [...shape, part.length] : shape;
}

/** Writes what `part` holds, which is to have the shape from `axis` on, into `values` from `at` on. */
function fill(
  op: string,
  part: unknown,
  shape: readonly number[],
  axis: number,
  values: Float64Array,
  at: number,
): void {
  if (axis === shape.length) {
    if (typeof part !== 'number') throw notNumbers(op, part);
    values[at] = part;
    return;
  }
  const isTyped = isNumberArray(part);
  if (!isTyped && !Array.isArray(part)) throw typeof part === 'number' ? ragged(op) : notNumbers(op, part);
  if (part.length !== shape[axis] || (isTyped && axis !== shape.length - 1)) throw ragged(op);
  if (isTyped) values.set(part, at);
  const size = sizeOf(shape.slice(axis + 1));
  for (let i = 0; !isTyped && i < part.length; i++) fill(op, part[i], shape, axis + 1, values, at + i * size);
}

const ragged = (op: string) => new ShapeError(op, 'nested arrays of equal lengths', 'ragged ones');

function notNumbers(op: string, value: unknown): ShapeError {
  if (Array.isArray(value)) return ragged(op);
  const shown = showValue(value);
  if (typeof value === 'bigint' || (ArrayBuffer.isView(value) && kindOf(value).startsWith('BigInt')))
    return new ShapeError(op, TAKES, `${shown}: convert it by Number`);
  if (value instanceof ArrayBuffer)
    return new ShapeError(op, TAKES, `${shown}: say what is in it, as new Float32Array(buffer)`);
  return new ShapeError(op, TAKES, shown);
}

/** @throws ShapeError unless whole numbers stayed what they were when they were written as `dtype`. */
export function expectUnchanged(
  op: string,
  dtype: string,
  given: ArrayLike<number>,
  written: ArrayLike<number>,
): void {
  for (let i = 0; i < given.length; i++) {
    if (given[i] === written[i]) continue;
    const range = dtype === 'u32' ? '0 to 4294967295' : '-2147483648 to 2147483647';
    throw new ShapeError(op, `whole numbers from ${range} for ${dtype}`, `${given[i]} at element ${i}`);
  }
}

/** @throws ShapeError unless `shape` holds as many elements as there are. */
export function expectCount(op: string, shape: readonly number[], count: number): void {
  if (sizeOf(shape) !== count)
    throw new ShapeError(op, `${sizeOf(shape)} elements for shape ${showShape(shape)}`, `${count}`);
}
