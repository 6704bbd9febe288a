import { kernel } from '../../gpu/kernel.ts';
import { launch } from '../../tensor/launch.ts';
import { empty, type Tensor } from '../../tensor/tensor.ts';
import type { Geometry } from './geometry.ts';

/** The filter of the input gradient: out[2-i, 2-j, k, c] = w[i, j, c, k]. */
const turnKernel = kernel({
  name: 'conv2d-turn-filter',
  lanes: 64,
  read: { w: 'f32' },
  write: { turned: 'f32' },
  uniforms: { C: 'u32', K: 'u32' },
  body: `
    if (item >= u.items) { return; }
    let tap = item / (u.C * u.K);
    let k = item / u.C % u.K;
    turned[item] = w[((8u - tap) * u.C + item % u.C) * u.K + k];`,
});

/** The filter with which a convolution over dy gives the input gradient. */
export function turnFilter({ C, K }: Geometry, w: Tensor): Tensor {
  const turned = empty([3, 3, K, C]);
  launch(turnKernel, { w, turned }, { items: turned.size, uniforms: { C, K } });
  return turned;
}
