import type { Array64 } from './array64.ts';

/** One op in f64: what every GPU variant of it is compared with. */
export interface Reference<Attrs> {
  /** The output for the given inputs. */
  forward(inputs: Array64[], attrs: Attrs): Array64;
  /**
   * The gradients of the inputs, given the gradient of the output (same shape as the output).
   * null for an input that takes no gradient.
   */
  backward(inputs: Array64[], attrs: Attrs, gradient: Array64): (Array64 | null)[];
  /**
   * How many terms the longest sum has that forms one value of the output or of a gradient.
   * The tolerance of an f32 check grows with the root of it.
   */
  sumLength(inputs: Array64[], attrs: Attrs): number;
}

/** The attributes of an op that has none: pass {}. */
export type NoAttrs = Record<string, never>;
