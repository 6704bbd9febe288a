/**
 * The same elements in row-major order under another shape; the gradient takes the way back.
 */

import { make } from './array64.ts';
import type { Reference } from './reference.ts';

export interface ReshapeAttrs {
  shape: readonly number[];
}

export const reshape: Reference<ReshapeAttrs> = {
  forward([x], { shape }) {
    return make(shape, x.data);
  },

  backward([x], _attrs, gradient) {
    return [make(x.shape, gradient.data)];
  },

  sumLength() {
    return 1;
  },
};
