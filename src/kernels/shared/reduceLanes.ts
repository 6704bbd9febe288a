import { kernel } from '../../gpu/kernel.ts';
import { launch } from '../../tensor/launch.ts';
import type { Tensor } from '../../tensor/tensor.ts';

/** Lanes of a workgroup that reduces: a power of two. */
export const REDUCING_LANES = 64;

/**
 * WGSL: `reduceLanes(lane, value)` combines one value a lane into one, the same for all lanes, in a fixed
 * tree: lane l takes in lane l + 32, then l + 16, ... To be called by the whole workgroup, of REDUCING_LANES
 * lanes.
 *
 * @param type the WGSL type of a value
 * @param combine an expression of `a` and `b`
 */
export const reduceLanesWgsl = (type: string, combine: string): string => `
var<workgroup> laneValues: array<${type}, ${REDUCING_LANES}>;
fn reduceLanes(lane: u32, value: ${type}) -> ${type} {
  laneValues[lane] = value;
  workgroupBarrier();
  for (var half = ${REDUCING_LANES / 2}u; half > 0u; half /= 2u) {
    if (lane < half) {
      let a = laneValues[lane];
      let b = laneValues[lane + half];
      laneValues[lane] = ${combine};
    }
    workgroupBarrier();
  }
  return laneValues[0];
}`;

const scaledSumKernel = kernel({
  name: 'scaled-sum',
  lanes: REDUCING_LANES,
  read: { x: 'f32' },
  write: { sum: 'f32' },
  uniforms: { length: 'u32', scale: 'f32' },
  declarations: reduceLanesWgsl('f32', 'a + b'),
  body: `
    var s = 0.0;
    for (var i = lane; i < u.length; i += ${REDUCING_LANES}u) { s += x[i]; }
    let total = reduceLanes(lane, s);
    if (lane == 0u) { sum[0] = u.scale * total; }`,
});

/** Writes `scale` times the sum of x into `sum`, in one workgroup: for the few values that other sums leave. */
export function scaledSum(x: Tensor, scale: number, sum: Tensor): void {
  launch(scaledSumKernel, { x, sum }, { items: 1, workgroups: () => 1, uniforms: { length: x.size, scale } });
}
