/*
 * Winograd's minimal filtering (Winograd 1980; Lavin and Gray 2016), F(m x m, 3 x 3): m x m outputs from a tile of t x t inputs, t = m + 2,
 * with t^2 multiplications a channel pair instead of 9 m^2. With the matrices below, for each tile
 *
 *   output           Y  = A^T [ (G w G^T) * (B^T d B) ] A          summed over input channels inside the brackets
 *   filter gradient  dw = G^T [ (A dy A^T) * (B^T d B) ] G         summed over tiles inside the brackets
 *
 * where * is element by element: one matrix product a frequency. The second line is the first one transposed, so it has the same
 * matrices. B^T is t x t, G t x 3, A^T m x t; their points are 0, 1, -1 and infinity, for m = 4 also 2 and -2.
 */

export type Matrix = readonly (readonly number[])[];

export interface Filtering {
  /** Outputs a side. */
  readonly m: number;
  /** Inputs, and frequencies, a side. */
  readonly t: number;
  readonly BT: Matrix;
  readonly G: Matrix;
  readonly AT: Matrix;
}

export const F2: Filtering = {
  m: 2,
  t: 4,
  BT: [
    [1, 0, -1, 0],
    [0, 1, 1, 0],
    [0, -1, 1, 0],
    [0, 1, 0, -1],
  ],
  G: [
    [1, 0, 0],
    [1 / 2, 1 / 2, 1 / 2],
    [1 / 2, -1 / 2, 1 / 2],
    [0, 0, 1],
  ],
  AT: [
    [1, 1, 1, 0],
    [0, 1, -1, -1],
  ],
};

export const F4: Filtering = {
  m: 4,
  t: 6,
  BT: [
    [4, 0, -5, 0, 1, 0],
    [0, -4, -4, 1, 1, 0],
    [0, 4, -4, -1, 1, 0],
    [0, -2, -1, 2, 1, 0],
    [0, 2, -1, -2, 1, 0],
    [0, 4, 0, -5, 0, 1],
  ],
  G: [
    [1 / 4, 0, 0],
    [-1 / 6, -1 / 6, -1 / 6],
    [-1 / 6, 1 / 6, -1 / 6],
    [1 / 24, 1 / 12, 1 / 6],
    [1 / 24, -1 / 12, 1 / 6],
    [0, 0, 1],
  ],
  AT: [
    [1, 1, 1, 1, 1, 0],
    [0, 1, -1, 2, -2, 0],
    [0, 1, 1, 4, 4, 0],
    [0, 1, -1, 8, -8, 1],
  ],
};

export const transposed = (matrix: Matrix): Matrix => matrix[0].map((_, j) => matrix.map((row) => row[j]));

/** WGSL: the sum of the terms whose factor isn't 0. */
function combination(factors: readonly number[], terms: readonly string[]): string {
  const parts = factors.flatMap((factor, i) => {
    if (factor === 0) return [];
    if (factor === 1) return [` + ${terms[i]}`];
    if (factor === -1) return [` - ${terms[i]}`];
    return [` ${factor < 0 ? '-' : '+'} ${Math.abs(factor)} * ${terms[i]}`];
  });
  return parts.join('').replace(/^ \+ /, '').replace(/^ - /, '-');
}

/**
 * WGSL: `out = M in M^T` of a square of values. The rows' transform comes first, a column of `in` at a time.
 *
 * @param input the expression of an element of `in`, by row and column; each is used once, so it may load
 * @param name prefix of the results, `let ${name}${row}_${column}`
 */
export function transform(matrix: Matrix, input: (i: number, j: number) => string, name: string): string {
  const size = matrix[0].length;
  const lines: string[] = [];
  for (let j = 0; j < size; j++) {
    for (let i = 0; i < size; i++) lines.push(`let ${name}in${i}_${j} = ${input(i, j)};`);
    matrix.forEach((row, p) => {
      const terms = row.map((_, i) => `${name}in${i}_${j}`);
      lines.push(`let ${name}half${p}_${j} = ${combination(row, terms)};`);
    });
  }
  matrix.forEach((_, p) => {
    matrix.forEach((row, q) => {
      const terms = row.map((_, j) => `${name}half${p}_${j}`);
      lines.push(`let ${name}${p}_${q} = ${combination(row, terms)};`);
    });
  });
  return lines.join('\n');
}
