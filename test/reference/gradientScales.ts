/**
 * Factors for gradients by their L2 norm: clipping as Keras' `clipnorm` and `global_clipnorm`, and SAM's perturbation (Foret et al.
 * 2021, equation 2 with p = 2; the 1e-12 is that of common implementations).
 *
 * Letters: g_p gradients, n the norm of one of them or of all together.
 */

import { type Array64, make } from './array64.ts';

const norm = (gradients: readonly Array64[]): number =>
  Math.sqrt(gradients.reduce((sum, { data }) => data.reduce((part, value) => part + value ** 2, sum), 0));

const scaled = ({ shape, data }: Array64, scale: number): Array64 =>
  make(
    shape,
    data.map((value) => scale * value),
  );

/** g * c / max(n, c), with n the norm of each by itself or of all together. */
export const clipped = (gradients: readonly Array64[], c: number, together: boolean): Array64[] =>
  gradients.map((gradient) => scaled(gradient, c / Math.max(norm(together ? gradients : [gradient]), c)));

/** w + rho * g / (n + 1e-12). */
export const perturbed = (
  weights: readonly Array64[],
  gradients: readonly Array64[],
  rho: number,
): Array64[] => {
  const scale = rho / (norm(gradients) + 1e-12);
  return weights.map(({ shape, data }, p) =>
    make(
      shape,
      data.map((value, i) => value + scale * gradients[p].data[i]),
    ),
  );
};
