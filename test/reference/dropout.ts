/**
 * Inverted dropout with a given mask: out = x / (1 - rate) where the mask is 1, else 0; dx likewise from g.
 */

import type { Array64 } from './array64.ts';
import type { Reference } from './reference.ts';

export interface DropoutAttrs {
  /** The share that is dropped, 0 <= rate < 1. */
  rate: number;
  /** One entry an element of x: 1 keeps it, 0 drops it. */
  mask: Uint8Array;
}

/** The mask of a stream of uniform u32 words: an element is kept where word / 2^32 >= rate. */
export function dropoutMask(words: Uint32Array, rate: number): Uint8Array {
  return Uint8Array.from(words, (word) => (word / 2 ** 32 >= rate ? 1 : 0));
}

function apply(values: Array64, { rate, mask }: DropoutAttrs): Array64 {
  if (mask.length !== values.data.length) {
    throw new Error(`dropout: ${values.data.length} elements, but a mask of ${mask.length}`);
  }
  return {
    shape: [...values.shape],
    data: values.data.map((value, i) => (mask[i] ? value / (1 - rate) : 0)),
  };
}

export const dropout: Reference<DropoutAttrs> = {
  forward([x], attrs) {
    return apply(x, attrs);
  },

  backward(_inputs, attrs, gradient) {
    return [apply(gradient, attrs)];
  },

  sumLength() {
    return 1;
  },
};
