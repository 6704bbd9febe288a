import type { Tensor } from '../../tensor/tensor.ts';
import { sumTerms } from './sumTerms.ts';

/** Writes `scale` times the sum of x's squares into the first element of `sum`, in a fixed order. */
export const sumSquares = (x: Tensor, scale: number, sum: Tensor): void =>
  sumTerms('sum-of-squares', 'x * x', { x }, scale, sum);
