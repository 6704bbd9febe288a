import { showValue } from '../../checks.ts';
import { ShapeError } from '../../errors.ts';

/**
 * Zeros around an image: none (`'valid'`); as many as make the output ceil(size / stride), the odd one after (`'same'`); a number on every
 * side; or rows and columns, each the same before and after the image or as [before, after].
 */
export type Padding =
  | 'same'
  | 'valid'
  | number
  | readonly [rows: number, columns: number]
  | readonly [rows: readonly [top: number, bottom: number], columns: readonly [left: number, right: number]];

/** How far the kernel moves from output to output, down and across. */
export type Strides = number | readonly [rows: number, columns: number];

/** Strides down and across. @throws ShapeError */
export function stridesOf(op: string, strides: Strides): readonly [number, number] {
  const both = typeof strides === 'number' ? ([strides, strides] as const) : strides;
  if (
    !Array.isArray(both) ||
    both.length !== 2 ||
    !both.every((stride) => Number.isInteger(stride) && stride > 0)
  )
    throw new ShapeError(op, 'strides of a positive whole number, or two', showValue(strides));
  return both;
}

type Side = 'same' | 'valid' | readonly [before: number, after: number];

/** What is asked for along rows and columns. @throws ShapeError */
export function zerosOf(op: string, padding: Padding): readonly [Side, Side] {
  if (padding === 'same' || padding === 'valid') return [padding, padding];
  const both = typeof padding === 'number' ? [padding, padding] : padding;
  const sides = Array.isArray(both)
    ? both.map((side) => (typeof side === 'number' ? [side, side] : side))
    : [];
  const isSide = (side: unknown): side is [number, number] =>
    Array.isArray(side) && side.length === 2 && side.every((zeros) => Number.isInteger(zeros) && zeros >= 0);
  if (sides.length !== 2 || !sides.every(isSide))
    throw new ShapeError(
      op,
      "padding 'same', 'valid', a number of zeros, [rows, columns] or [[top, bottom], [left, right]]",
      showValue(padding),
    );
  return sides as unknown as readonly [Side, Side];
}

/**
 * Zeros before and after `size` inputs by TensorFlow's rule: 'same' pads (ceil(size / stride) - 1) * stride + kernel - size in all, where
 * that is positive, the smaller half before.
 */
export function sideOf(
  padding: 'same' | 'valid',
  size: number,
  kernel: number,
  stride: number,
): readonly [before: number, after: number] {
  if (padding === 'valid') return [0, 0];
  const total = Math.max((Math.ceil(size / stride) - 1) * stride + kernel - size, 0);
  const before = Math.floor(total / 2);
  return [before, total - before];
}
