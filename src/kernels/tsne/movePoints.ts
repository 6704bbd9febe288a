import { kernel } from '../../gpu/kernel.ts';
import { launch, range } from '../../tensor/launch.ts';
import type { Tensor } from '../../tensor/tensor.ts';
import type { Forces } from './forces.ts';

/*
 * Gradient descent with momentum and a gain for each coordinate (Jacobs 1988), as in scikit-learn. e exaggeration, mu momentum, lr
 * learning rate, v velocity
 *   g    <- 4 (e attraction - repulsion / Z)
 *   gain <- gain + 0.2 where v and g have opposite signs, else gain * 0.8; at least 0.01
 *   g    <- gain * g
 *   v    <- mu * v - lr * g
 *   y    <- y + v
 * A fresh start has v = 0 and gain = 1 before.
 */

const LANES = 64;

const moveKernel = kernel({
  name: 'tsne-move',
  lanes: LANES,
  read: { sums: 'vec4f' },
  write: { y: 'vec4f', velocity: 'vec4f', gains: 'vec4f', gradient: 'vec4f' },
  uniformArrays: { Z: ['vec4f', 1], rates: ['vec4f', 1] },
  uniforms: { N: 'u32', blocks: 'u32' },
  declarations: `
// For four points: how far they move along axis 0 or 1.
fn moved(axis: u32, block: u32) -> vec4f {
  let exaggeration = rates[0].x;
  let momentum = rates[0].y;
  let learningRate = rates[0].z;
  let fresh = rates[0].w != 0.0;
  let at = axis * u.blocks + block;
  let force = 4.0 * (exaggeration * sums[at] - sums[2u * u.blocks + at] / Z[0].x);
  let g = select(force, vec4f(), 4u * block + vec4u(0u, 1u, 2u, 3u) >= vec4u(u.N));
  var v = velocity[at];
  var gain = gains[at];
  if (fresh) {
    v = vec4f();
    gain = vec4f(1.0);
  }
  gain = max(select(gain * 0.8, gain + 0.2, v * g < vec4f()), vec4f(0.01));
  v = momentum * v - learningRate * gain * g;
  gains[at] = gain;
  velocity[at] = v;
  gradient[at] = gain * g;
  return v;
}`,
  body: `
    if (item >= u.items) { return; }
    let dx = moved(0u, item);
    let dy = moved(1u, item);
    y[2u * item] += vec4f(dx.x, dy.x, dx.y, dy.y);
    y[2u * item + 1u] += vec4f(dx.z, dy.z, dx.w, dy.w);`,
});

/** What descends. All are changed in place. */
export interface MovingPoints {
  /** Places, f32 [M, 2]. */
  readonly y: Tensor;
  /** f32 [2, M], as the next two: all x, then all y. */
  readonly velocity: Tensor;
  readonly gains: Tensor;
  /** The gradient of the last step, times the gains; 0 for points that there aren't. */
  readonly gradient: Tensor;
}

/**
 * One step of the descent.
 *
 * @param N points
 * @param rates f32 [4]: exaggeration, momentum, learning rate, and 1 for a fresh start, else 0
 */
export function movePoints(points: MovingPoints, N: number, { sums, Z }: Forces, rates: Tensor): void {
  const blocks = points.velocity.shape[1] / 4;
  const { y, velocity, gains, gradient } = points;
  launch(
    moveKernel,
    { sums, y, velocity, gains, gradient, Z: range(Z, 0, 4), rates: range(rates, 0, 4) },
    { items: blocks, uniforms: { N, blocks } },
  );
}
