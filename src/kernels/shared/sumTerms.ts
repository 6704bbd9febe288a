import { kernelFamily } from '../../gpu/kernel.ts';
import { launch, split } from '../../tensor/launch.ts';
import { scope } from '../../tensor/scope.ts';
import { empty, type Tensor } from '../../tensor/tensor.ts';
import { REDUCING_LANES, reduceLanesWgsl, scaledSum } from './reduceLanes.ts';

/** Values that one lane sums; a block's bytes are then a multiple of 256. */
const VALUES_A_LANE = 32;
const BLOCK = VALUES_A_LANE * REDUCING_LANES;

interface Terms {
  readonly name: string;
  readonly term: string;
  readonly operands: readonly string[];
  readonly declarations: string;
}

const family = kernelFamily(({ name, term, operands, declarations }: Terms) => ({
  name,
  lanes: REDUCING_LANES,
  read: Object.fromEntries(operands.map((operand) => [`${operand}Elements`, 'f32' as const])),
  write: { partial: 'f32' },
  uniforms: { length: 'u32' },
  declarations: `${reduceLanesWgsl('f32', 'a + b')}
${declarations}
fn term(${operands.map((operand) => `${operand}: f32`).join(', ')}) -> f32 { return ${term}; }`,
  body: `
    let end = min(${BLOCK}u, u.length - (u.first + workgroup) * ${BLOCK}u);
    var s = 0.0;
    for (var i = lane; i < end; i += ${REDUCING_LANES}u) {
      let at = workgroup * ${BLOCK}u + i;
      s += term(${operands.map((operand) => `${operand}Elements[at]`).join(', ')});
    }
    let total = reduceLanes(lane, s);
    if (lane == 0u) { partial[workgroup] = total; }`,
}));

/**
 * Writes `scale` times the sum of a term over all elements into the first element of `sum`. A workgroup sums a block, another one the
 * blocks, both in a fixed order.
 *
 * @param term a WGSL expression of the operands, tensors of as many elements each
 * @param declarations WGSL functions that it calls
 */
export function sumTerms(
  name: string,
  term: string,
  operands: Readonly<Record<string, Tensor>>,
  scale: number,
  sum: Tensor,
  declarations = '',
): void {
  scope(() => {
    const [{ size }] = Object.values(operands);
    const blocks = Math.ceil(size / BLOCK);
    const partial = empty([blocks]);
    const parts = Object.entries(operands).map(([operand, x]) => [`${operand}Elements`, split(x, BLOCK)]);
    launch(
      family({ name, term, operands: Object.keys(operands), declarations }),
      { ...Object.fromEntries(parts), partial: split(partial, 1) },
      { items: blocks, workgroups: (items) => items, uniforms: { length: size } },
    );
    scaledSum(partial, scale, sum);
  });
}
