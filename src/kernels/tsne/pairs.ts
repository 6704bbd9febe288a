import type { KernelSpec } from '../../gpu/kernel.ts';
import type { LaunchOptions } from '../../tensor/launch.ts';

/*
 * What goes through all pairs of places. An invocation has four neighbouring points i and takes one row j of p after the other: p being
 * symmetric, its columns i hold the four values, which lie beside those of the next lane. The place of j is the same for all lanes.
 * A strip of rows has results of its own, so that there is work for many lanes and p can be split. They are added in a fixed order.
 */

const LANES = 64;

/** Rows of a strip: an even number, for two places are loaded at a time. */
export const ROWS_A_STRIP = 256;

/** What comes of one row. */
const row = (j: string, place: string, at: string, each: string) => `{
        let dx = xi - place.${place[0]};
        let dy = yi - place.${place[1]};
        let w = 1.0 + dx * dx + dy * dy;
        let same = i == vec4u(${j});
        let pij = p[${at}];
        ${each}
      }`;

/**
 * The parts of a kernel that goes through pairs: `p` and `y` are its operands, both by `vec4f`.
 *
 * @param before declares what is accumulated
 * @param each WGSL for one j and four i: it finds `dx`, `dy`, `w`, `pij`, all `vec4f`, and `same`, true where i is j
 * @param after writes the results for the `strip`, an index in this dispatch, and the points of `block`, one of `u.blocks`
 */
export const forPairs = (
  before: string,
  each: string,
  after: string,
): Pick<KernelSpec, 'lanes' | 'uniforms' | 'body'> => ({
  lanes: LANES,
  uniforms: { N: 'u32', blocks: 'u32', groups: 'u32' },
  body: `
    let strip = workgroup / u.groups;
    let block = (workgroup % u.groups) * ${LANES}u + lane;
    if (block >= u.blocks) { return; }
    let i = 4u * block + vec4u(0u, 1u, 2u, 3u);
    let low = y[2u * block];
    let high = y[2u * block + 1u];
    let xi = vec4f(low.xz, high.xz);
    let yi = vec4f(low.yw, high.yw);
    ${before}
    let begin = (u.first + strip) * ${ROWS_A_STRIP}u;
    let end = min(begin + ${ROWS_A_STRIP}u, u.N);
    var at = strip * ${ROWS_A_STRIP}u * u.blocks + block;
    for (var j = begin; j < end; j += 2u) {
      let place = y[j / 2u];
      ${row('j', 'xy', 'at', each)}
      if (j + 1u < end) ${row('j + 1u', 'zw', 'at + u.blocks', each)}
      at += 2u * u.blocks;
    }
    ${after}`,
});

/** How such a kernel is launched: an item is a strip. */
export function pairsLaunch(N: number, M: number): LaunchOptions {
  const blocks = M / 4;
  const groups = Math.ceil(blocks / LANES);
  return {
    items: Math.ceil(N / ROWS_A_STRIP),
    uniforms: { N, blocks, groups },
    workgroups: (items) => items * groups,
  };
}
