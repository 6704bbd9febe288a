/*
 * The halt of a training step: a u32 [1] in GPU memory, 0 while all is well. What comes upon a value that isn't finite raises it, what
 * changes weights leaves them as they are where it isn't 0. It says by its value what was found, the largest where it is several things.
 */

/** The loss. */
export const HALTED_BY_LOSS = 1;
/** A tensor that `haltUnlessFinite` looked at: moving statistics, or weights that the step doesn't train. */
export const HALTED_BY_VALUES = 2;
/** The norm of all gradients together. */
export const HALTED_BY_NORM = 3;
/** A gradient, or what the step would make of a weight or its state: this plus the number of the update. */
export const HALTED_BY_UPDATE = 4;

/**
 * WGSL: `isFinite(values)` of four elements, by the bits of their exponents: all are set in an infinity or a NaN. Comparisons like
 * `x != x` won't do, compilers take them for false.
 */
export const IS_FINITE_WGSL = `
fn isFinite(values: vec4f) -> vec4<bool> {
  return (bitcast<vec4u>(values) & vec4u(0x7f800000u)) != vec4u(0x7f800000u);
}`;
