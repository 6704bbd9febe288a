import { blockKernel, launchBlocks } from '../../tensor/blocks.ts';
import { adopt, scope } from '../../tensor/scope.ts';
import { empty, type Tensor, VIEW_STEP } from '../../tensor/tensor.ts';
import { copy } from '../shared/copy.ts';
import type { Geometry } from './geometry.ts';
import { MOST_BYTES, mostTermsOf } from './tiles.ts';

/*
 * Products with an operand that no kernel could bind: rows of A and of y are split by the launch, anything else is cut here, by shapes alone.
 *
 *   y's columns   where B is stored [N, K], whose rows belong to them, or has rows of which 64 can't be bound
 *   y's rows      where A is stored [K, M] and has rows of which 64 can't be bound
 *   the terms     else: y = sum over slices of them, in rising order
 *
 * What doesn't lie together in an operand is copied out.
 */

/** Computes one product of what kernels can bind: y = A * B, plus `bias` [N] on every row. */
export type Multiply = (g: Geometry, a: Tensor, b: Tensor, bias: Tensor | undefined, y: Tensor) => void;

const fits = (elements: number): boolean => 4 * elements <= MOST_BYTES;

const addKernel = blockKernel({
  name: 'add-in-place',
  read: { x: 'vec4f' },
  write: { y: 'vec4f' },
  body: 'y[item] += x[item];',
});

/** Writes the product by way of others that kernels can bind. False where it is one itself: nothing is written then. */
export function multiplyCut(
  { slicesTerms, multiply }: { slicesTerms: boolean; multiply: Multiply },
  g: Geometry,
  a: Tensor,
  b: Tensor,
  bias: Tensor | undefined,
  y: Tensor,
): boolean {
  const { M, N, K, transposeA, transposeB } = g;
  const slices = Math.ceil(K / mostTermsOf(g));
  const tooLarge =
    !fits(N * K) ||
    (!fits(M * K) && (transposeA ? transposeB : slicesTerms)) ||
    (transposeA && !transposeB && slices > 1 && !fits(slices * M * N));
  if (!tooLarge) return false;
  if (transposeB ? !fits(N * K) && fits(VIEW_STEP * K) : !fits(VIEW_STEP * N)) {
    inSteps(N, K, (from, columns) => {
      const ofB = transposeB ? rowsOf(b, from, columns) : columnsOf(b, from, columns);
      const part = empty([M, columns]);
      multiply({ ...g, N: columns }, a, ofB, bias && adopt(bias.view(from, [columns])), part);
      copy([M, columns], { tensor: part, strides: [columns, 1] }, { tensor: y, base: from, strides: [N, 1] });
    });
    return true;
  }
  if (transposeA && transposeB && !fits(VIEW_STEP * M)) {
    inSteps(M, K, (from, rows) => {
      multiply({ ...g, M: rows }, columnsOf(a, from, rows), b, bias, rowsOf(y, from, rows));
    });
    return true;
  }
  inSteps(K, Math.max(M, N), (from, terms) => {
    const part = from === 0 ? y : empty([M, N]);
    multiply(
      { ...g, K: terms },
      transposeA ? rowsOf(a, from, terms) : columnsOf(a, from, terms),
      transposeB ? columnsOf(b, from, terms) : rowsOf(b, from, terms),
      from === 0 ? bias : undefined,
      part,
    );
    if (from > 0) launchBlocks(addKernel, { x: part, y });
  });
  return true;
}

/** Goes through `extent` lines of at most `width` elements in equal steps that can be bound; they begin where a view may. */
function inSteps(extent: number, width: number, each: (from: number, lines: number) => void): void {
  const most = Math.max(VIEW_STEP, Math.floor(MOST_BYTES / 4 / width / VIEW_STEP) * VIEW_STEP);
  const step = Math.ceil(extent / Math.ceil(extent / most) / VIEW_STEP) * VIEW_STEP;
  for (let from = 0; from < extent; from += step) scope(() => each(from, Math.min(step, extent - from)));
}

function rowsOf(matrix: Tensor, from: number, rows: number): Tensor {
  const width = matrix.shape[1];
  return adopt(matrix.view(from * width, [rows, width]));
}

function columnsOf(matrix: Tensor, from: number, columns: number): Tensor {
  const [rows, width] = matrix.shape;
  const made = empty([rows, columns], matrix.dtype);
  copy(
    [rows, columns],
    { tensor: matrix, base: from, strides: [width, 1] },
    { tensor: made, strides: [columns, 1] },
  );
  return made;
}
