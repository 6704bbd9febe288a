import { kernelFamily } from '../gpu/kernel.ts';
import { launch } from '../tensor/launch.ts';
import { scope } from '../tensor/scope.ts';
import { empty, type Tensor } from '../tensor/tensor.ts';
import { HALTED_BY_NORM, HALTED_BY_UPDATE, IS_FINITE_WGSL } from './shared/halt.ts';
import { REDUCING_LANES, reduceLanesWgsl } from './shared/reduceLanes.ts';
import { sumSquares } from './shared/sumSquares.ts';
import { SEGMENT_STEP } from './shared/updates.ts';

/*
 * Factors for gradients by their L2 norm: what clips them, and how far SAM goes along them.
 *
 * P gradients g_p; n their norm, of each by itself (n_p) or of all together
 *   n_p = sqrt(sum_e g_p[e]^2),  n = sqrt(sum_p n_p^2)
 *   clipping to a norm c:  scale = 1 where n <= c, else c / n
 *   perturbation of size rho (Foret et al. 2021):  scale = rho / (n + 1e-12)
 *
 * A norm that isn't finite raises the halt: an infinite one would make every gradient 0.
 *
 * Squares are summed in a fixed order; one gradient's sum and factor lie 64 elements from the next's, where a binding may begin.
 */

const scaleOf = {
  clip: 'select(u.size / norm, 1.0, norm <= u.size)',
  perturb: 'u.size / (norm + 1e-12)',
} as const;

const family = kernelFamily(
  ({ use, together, halts }: { use: keyof typeof scaleOf; together: boolean; halts: boolean }) => {
    const look = (code: string) =>
      halts ? `if (!isFinite(vec4f(norm)).x) { atomicMax(&halt[0], ${code}); }` : '';
    return {
      name: 'gradient-scale',
      lanes: REDUCING_LANES,
      read: { squares: 'f32' as const },
      write: { scale: 'f32' as const, ...(halts && { halt: 'atomic<u32>' as const }) },
      uniforms: { P: 'u32' as const, size: 'f32' as const },
      declarations: (together ? reduceLanesWgsl('f32', 'a + b') : '') + (halts ? IS_FINITE_WGSL : ''),
      body: together
        ? `
    var s = 0.0;
    for (var p = lane; p < u.P; p += ${REDUCING_LANES}u) { s += squares[${SEGMENT_STEP}u * p]; }
    let norm = sqrt(reduceLanes(lane, s));
    if (lane == 0u) {
      scale[0] = ${scaleOf[use]};
      ${look(`${HALTED_BY_NORM}u`)}
    }`
        : `
    if (item >= u.P) { return; }
    let norm = sqrt(squares[${SEGMENT_STEP}u * item]);
    scale[${SEGMENT_STEP}u * item] = ${scaleOf[use]};
    ${look(`${HALTED_BY_UPDATE}u + item`)}`,
    };
  },
);

function gradientScales(
  use: keyof typeof scaleOf,
  gradients: readonly Tensor[],
  size: number,
  together: boolean,
  halt: Tensor | undefined,
): Tensor {
  return scope(() => {
    const P = gradients.length;
    const squares = empty([SEGMENT_STEP * P]);
    gradients.forEach((gradient, p) => {
      const sum = squares.view(SEGMENT_STEP * p, [1]);
      sumSquares(gradient, 1, sum);
      sum.dispose();
    });
    const scale = empty(together ? [1] : [SEGMENT_STEP * P]);
    const items = together ? 1 : P;
    const kernel = family({ use, together, halts: halt !== undefined });
    launch(kernel, { squares, scale, ...(halt && { halt }) }, { items, uniforms: { P, size } });
    return scale;
  });
}

/**
 * What gradients are multiplied with so that no norm is larger than `norm`.
 * @param together whether it is the norm of all of them together
 * @param halt u32 [1], raised where a norm isn't finite
 * @returns f32 [1] if together, else f32 [64 * gradients], where every 64th element is one gradient's
 */
export const clipScales = (
  gradients: readonly Tensor[],
  norm: number,
  together: boolean,
  halt?: Tensor,
): Tensor => gradientScales('clip', gradients, norm, together, halt);

/**
 * What gradients are multiplied with so that all together have the norm `rho`: f32 [1].
 * @param halt u32 [1], raised where their norm isn't finite
 */
export const perturbationScale = (gradients: readonly Tensor[], rho: number, halt?: Tensor): Tensor =>
  gradientScales('perturb', gradients, rho, true, halt);
