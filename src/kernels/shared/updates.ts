import { kernelFamily, type UniformType } from '../../gpu/kernel.ts';
import { blocksOf, ITEMS_A_WORKGROUP, inTurns, splitBlocks, turnsOf } from '../../tensor/blocks.ts';
import { launch, type Part, range } from '../../tensor/launch.ts';
import type { Tensor } from '../../tensor/tensor.ts';
import { expectTensor } from './expectTensor.ts';

/*
 * An optimizer's step over many parameters in few dispatches.
 *
 * The state of all parameters (Adam's m and v) lies in one tensor a kind, each parameter's in a segment that begins at a multiple of 64
 * elements, as bindings must. A dispatch binds the state tensors and as many pairs of parameter and gradient as WebGPU's 8 storage
 * buffers leave room for. What all share is bound as uniform: a scalar of the step, and the halt.
 */

/** Storage buffers a stage, WebGPU's default limit. */
const STORAGE_BUFFERS = 8;

/** A parameter, its gradient and its state: by kind, from element `offset` on. */
export interface Update {
  readonly parameter: Tensor;
  readonly gradient: Tensor;
  readonly state?: Readonly<Record<string, Tensor>>;
  /** A multiple of 64. */
  readonly offset: number;
}

/** Elements that a parameter's segment takes. */
export const segmentSize = (elements: number): number => 64 * Math.ceil(elements / 64);

interface Rule {
  readonly name: string;
  /** Kinds of state. */
  readonly kinds: readonly string[];
  readonly uniforms: Readonly<Record<string, UniformType>>;
  /** WGSL that changes `p` and the state of a block by `g` and `scalar`, all `vec4f` but the scalar. */
  readonly body: string;
}

interface Options {
  readonly rule: Rule;
  readonly pairs: number;
  readonly haltable: boolean;
}

const family = kernelFamily(({ rule: { name, kinds, uniforms, body }, pairs, haltable }: Options) => {
  const indices = Array.from({ length: pairs }, (_, i) => i);
  const ofEach = (prefix: string, type: 'vec4f') => indices.map((i) => [`${prefix}${i}`, type] as const);
  // A single pair may be split into several dispatches; its blocks are then those of the dispatch.
  const blocks = (i: number) => (pairs === 1 ? 'u.items' : `u.blocks${i}`);
  const fields = kinds.map((kind) => `, ${kind}: vec4f`).join('');
  const update = (i: number) => `
      if (item >= u.begin${i} && item < u.begin${i} + ${blocks(i)}) {
        let at = item - u.begin${i};
        let own = u.state${i} + at;
        let changed = updated(parameter${i}[at], gradient${i}[at]${kinds.map((kind) => `, ${kind}[own]`).join('')});
        parameter${i}[at] = changed.p;
        ${kinds.map((kind) => `${kind}[own] = changed.${kind};`).join('\n        ')}
      }`;
  return {
    name,
    read: Object.fromEntries(ofEach('gradient', 'vec4f')),
    write: Object.fromEntries([
      ...ofEach('parameter', 'vec4f'),
      ...kinds.map((kind) => [kind, 'vec4f'] as const),
    ]),
    uniformArrays: {
      scalarOfStep: ['vec4f', 1] as const,
      ...(haltable && { halt: ['vec4u', 1] as const }),
    },
    uniforms: {
      ...uniforms,
      ...Object.fromEntries(
        indices.flatMap((i) => [`begin${i}`, `blocks${i}`, `state${i}`].map((key) => [key, 'u32' as const])),
      ),
    },
    declarations: `
struct Changed { p: vec4f${fields} }
fn updated(before: vec4f, g: vec4f${kinds.map((kind) => `, ${kind}Before: vec4f`).join('')}) -> Changed {
  let scalar = scalarOfStep[0].x;
  var p = before;
  ${kinds.map((kind) => `var ${kind} = ${kind}Before;`).join('\n  ')}
  ${body}
  return Changed(p${kinds.map((kind) => `, ${kind}`).join('')});
}`,
    ...inTurns(`${haltable ? 'if (halt[0].x != 0u) { return; }' : ''}
      ${indices.map(update).join('')}`),
  };
});

const bytesOf = (tensor: Tensor): number => 16 * blocksOf(tensor);

/** Runs of updates that one dispatch can take: their state lies in the same tensors, in this order, and fits one binding. */
function grouped(updates: readonly Update[], kinds: readonly string[]): Update[][] {
  const most = Math.floor((STORAGE_BUFFERS - kinds.length) / 2);
  const groups: Update[][] = [];
  for (const update of updates) {
    const group = groups[groups.length - 1];
    const limit = update.parameter.storage.gpu.limits.maxStorageBufferBindingSize;
    const fits =
      group &&
      group.length < most &&
      group.every(({ parameter }) => bytesOf(parameter) <= limit) &&
      bytesOf(update.parameter) <= limit &&
      kinds.every((kind) => update.state?.[kind] === group[0].state?.[kind]) &&
      (kinds.length === 0 ||
        (update.offset > group[group.length - 1].offset &&
          4 * (update.offset - group[0].offset) + bytesOf(update.parameter) <= limit));
    if (fits) group.push(update);
    else groups.push([update]);
  }
  return groups;
}

/**
 * Makes one step of an optimizer.
 * @param scalar f32 [1]: what the rule finds as `scalar`
 * @param halt u32 [1]: where it isn't 0, nothing changes
 */
export function launchUpdates(
  rule: Rule,
  updates: readonly Update[],
  scalar: Tensor,
  uniforms: Readonly<Record<string, number>>,
  halt?: Tensor,
): void {
  for (const group of grouped(updates, rule.kinds)) {
    const [first] = group;
    const last = group[group.length - 1];
    const alone = group.length === 1;
    const bind = (tensor: Tensor): Part =>
      alone ? splitBlocks(tensor) : range(tensor, 0, 4 * blocksOf(tensor));
    const operands: Record<string, Part> = { scalarOfStep: range(scalar, 0, 4) };
    if (halt) operands.halt = range(halt, 0, 4);
    const values: Record<string, number> = { ...uniforms };
    let items = 0;
    for (const [i, { parameter, gradient, offset }] of group.entries()) {
      expectTensor(rule.name, 'gradient', gradient, 'f32', parameter.shape);
      operands[`parameter${i}`] = bind(parameter);
      operands[`gradient${i}`] = bind(gradient);
      values[`begin${i}`] = items;
      values[`blocks${i}`] = blocksOf(parameter);
      values[`state${i}`] = (offset - first.offset) / 4;
      // Each parameter begins with a workgroup of its own.
      items += alone ? blocksOf(parameter) : turnsOf(blocksOf(parameter)) * ITEMS_A_WORKGROUP;
    }
    for (const kind of rule.kinds) {
      const tensor = first.state![kind];
      const length = last.offset - first.offset + 4 * blocksOf(last.parameter);
      operands[kind] = { tensor, perItem: alone ? 4 : 0, offset: first.offset, length };
    }
    const kernel = family({ rule, pairs: group.length, haltable: halt !== undefined });
    launch(kernel, operands, { items, uniforms: values, workgroups: turnsOf });
  }
}
