import { kernel } from '../../gpu/kernel.ts';
import { launch, split } from '../../tensor/launch.ts';
import { scope } from '../../tensor/scope.ts';
import { empty, type Tensor } from '../../tensor/tensor.ts';
import { REDUCING_LANES, reduceLanesWgsl } from '../shared/reduceLanes.ts';
import { FAR } from './pairDistances.ts';

/*
 * The precision b_i of each row, then p in place of d.
 *
 * With m_i the row's least distance and t_ij = b_i (d_ij - m_i), of which the nearest is 0 whatever the scale of x:
 *   S_i = sum over j of exp(-t_ij),  H_i = log S_i + sum over j of t_ij exp(-t_ij) / S_i
 * H falls as b rises. b is doubled or halved until the wanted entropy lies between two, then bisected, as in scikit-learn: until H is
 * within 1e-5, or 100 times. It begins with the inverse of the row's mean of d - m.
 * A row with more equal nearest points than the perplexity never gets there: the equal ones share its probability.
 */

const TOLERANCE = 1e-5;
const STEPS = 100;
const LANES = 64;

/** exp(-t) is 0 from here on; a larger t may be infinite, and t exp(-t) then NaN. */
const FARTHEST = '100.0';
const LARGEST_PRECISION = '1e37';

const searchKernel = kernel({
  name: 'tsne-precisions',
  lanes: REDUCING_LANES,
  read: { d: 'vec4f' },
  write: { rows: 'vec4f' },
  uniforms: { N: 'u32', blocks: 'u32', entropy: 'f32' },
  declarations: `
// A bound 'high' of 0 is none.
struct Search { b: f32, low: f32, high: f32, done: u32 }
var<workgroup> search: Search;
${reduceLanesWgsl('vec3f', 'vec3f(min(a.x, b.x), a.yz + b.yz)')}`,
  body: `
    let begin = workgroup * u.blocks;
    var least = vec4f(${FAR});
    var sum = vec4f();
    for (var at = lane; at < u.blocks; at += ${REDUCING_LANES}u) {
      let d = d[begin + at];
      least = min(least, d);
      sum += select(d, vec4f(), d >= vec4f(${FAR}));
    }
    let whole = reduceLanes(lane, vec3f(min(min(least.x, least.y), min(least.z, least.w)), dot(sum, vec4f(1.0)), 0.0));
    let m = whole.x;
    if (lane == 0u) {
      let mean = whole.y / f32(u.N - 1u) - m;
      search = Search(select(1.0, 1.0 / mean, mean > 1e-30), 0.0, 0.0, 0u);
    }
    for (var step = 0u; step < ${STEPS}u; step++) {
      let now = workgroupUniformLoad(&search);
      if (now.done != 0u) { break; }
      var weights = 0.0;
      var moments = 0.0;
      for (var at = lane; at < u.blocks; at += ${REDUCING_LANES}u) {
        let t = min(now.b * (d[begin + at] - m), vec4f(${FARTHEST}));
        let e = exp(-t);
        weights += dot(e, vec4f(1.0));
        moments += dot(e, t);
      }
      let sums = reduceLanes(lane, vec3f(0.0, weights, moments));
      if (lane == 0u) {
        let S = sums.y;
        let H = log(S) + sums.z / S;
        rows[workgroup] = vec4f(now.b, m, 1.0 / S, H);
        var next = now;
        if (H > u.entropy) {
          next.low = now.b;
          next.b = select((now.b + now.high) / 2.0, min(2.0 * now.b, ${LARGEST_PRECISION}), now.high == 0.0);
        } else {
          next.high = now.b;
          next.b = (now.b + now.low) / 2.0;
        }
        next.done = select(0u, 1u, abs(H - u.entropy) <= ${TOLERANCE} || next.b == now.b);
        search = next;
      }
    }`,
});

const jointKernel = kernel({
  name: 'tsne-probabilities',
  lanes: LANES,
  read: { rows: 'vec4f' },
  write: { p: 'vec4f' },
  uniforms: { N: 'u32', blocks: 'u32' },
  declarations: `
fn given(d: f32, row: vec4f) -> f32 { return exp(-min(row.x * (d - row.y), ${FARTHEST})) * row.z; }`,
  body: `
    if (item >= u.items * u.blocks) { return; }
    let d = p[item];
    let i = rows[u.first + item / u.blocks];
    let j = 4u * (item % u.blocks);
    let both = vec4f(
      given(d.x, i) + given(d.x, rows[j]),
      given(d.y, i) + given(d.y, rows[j + 1u]),
      given(d.z, i) + given(d.z, rows[j + 2u]),
      given(d.w, i) + given(d.w, rows[j + 3u]));
    p[item] = select(both / (2.0 * f32(u.N)), vec4f(), d >= vec4f(${FAR}));`,
});

/**
 * Turns squared distances into the probabilities that two points are neighbours, in place.
 *
 * @param d f32 [N, M], by `pairDistances`; afterwards p, which sums to 1
 * @param perplexity from 1 on, less than N
 * @returns what was found for each point, f32 [M, 4]: its precision b, its least distance, 1 / S and the entropy that was reached; past
 * the N-th undefined
 */
export function jointProbabilities(d: Tensor, perplexity: number): Tensor {
  const [N, M] = d.shape;
  const blocks = M / 4;
  const rows = empty([M, 4]);
  scope(() => {
    launch(
      searchKernel,
      { d: split(d, M), rows: split(rows, 4) },
      { items: N, uniforms: { N, blocks, entropy: Math.log(perplexity) }, workgroups: (items) => items },
    );
    launch(
      jointKernel,
      { rows, p: split(d, M) },
      { items: N, uniforms: { N, blocks }, workgroups: (items) => Math.ceil((items * blocks) / LANES) },
    );
  });
  return rows;
}
