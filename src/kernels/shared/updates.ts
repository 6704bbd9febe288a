import { kernelFamily, type UniformType } from '../../gpu/kernel.ts';
import { blocksOf, ITEMS_A_WORKGROUP, inTurns, splitBlocks, turnsOf } from '../../tensor/blocks.ts';
import { launch, type Part, range } from '../../tensor/launch.ts';
import type { Tensor } from '../../tensor/tensor.ts';
import { expectTensor } from './expectTensor.ts';

/*
 * A rule that changes many parameters and what is kept for each of them, in few dispatches: an optimizer's step first of all.
 *
 * The state of all parameters (Adam's m and v) lies in one tensor a kind, each parameter's in a segment that begins at a multiple of 64
 * elements, as bindings must. A dispatch binds the state tensors and as many parameters, with their gradients, as WebGPU's 8 storage
 * buffers leave room for. What all share is bound as uniform: the scalars of the step, the halt, and the factors that clip gradients.
 */

/** Storage buffers a stage, WebGPU's default limit. */
const STORAGE_BUFFERS = 8;

/** Elements from one segment's possible begin to the next: bindings begin at multiples of 256 bytes. */
export const SEGMENT_STEP = 64;

/** A parameter, its gradient and its state: by kind, from element `offset` on. */
export interface Update {
  readonly parameter: Tensor;
  /** Where the rule needs one. */
  readonly gradient?: Tensor;
  readonly state?: Readonly<Record<string, Tensor>>;
  /** A multiple of 64. */
  readonly offset: number;
}

/** Elements that a parameter's segment takes. */
export const segmentSize = (elements: number): number => SEGMENT_STEP * Math.ceil(elements / SEGMENT_STEP);

export interface Rule {
  readonly name: string;
  /** Kinds of state. */
  readonly kinds: readonly string[];
  /** Scalars of the step, by the names that the body has for them. Default: none. */
  readonly scalars?: readonly string[];
  readonly uniforms?: Readonly<Record<string, UniformType>>;
  /** Whether the body reads `g`. Default true. */
  readonly needsGradient?: boolean;
  /** WGSL that changes `p` and the state of a block by the gradient `g`, all `vec4f`, and by the scalars, all `f32`. */
  readonly body: string;
}

/** What a rule is given beside the parameters. */
export interface UpdatesOptions {
  /** f32, one element for each of the rule's scalars. */
  readonly scalars?: Tensor;
  readonly uniforms?: Readonly<Record<string, number>>;
  /** u32 [1]: where it isn't 0, nothing changes. */
  readonly halt?: Tensor;
  /** The rule is followed only where `halt` isn't 0, instead. */
  readonly onlyHalted?: boolean;
  /** Factors for the gradients: f32 [1], or f32 [64 * updates] where every 64th is one update's own. */
  readonly gradientScales?: Tensor;
}

interface Variant {
  readonly rule: Rule;
  readonly parameters: number;
  /** What the halt must be. */
  readonly when: 'always' | '==' | '!=';
  /** Whether gradients have factors: one for all, or each its own. */
  readonly scaled: 'not' | 'together' | 'each';
}

/** Blocks from one update's factor to the next. */
const SCALE_BLOCKS = SEGMENT_STEP / 4;

const family = kernelFamily(({ rule, parameters, when, scaled }: Variant) => {
  const { name, kinds, scalars = [], uniforms, needsGradient = true, body } = rule;
  const indices = Array.from({ length: parameters }, (_, i) => i);
  const ofEach = (prefix: string, type: 'vec4f') => indices.map((i) => [`${prefix}${i}`, type] as const);
  // A single parameter may be split into several dispatches; its blocks are then those of the dispatch.
  const blocks = (i: number) => (parameters === 1 ? 'u.items' : `u.blocks${i}`);
  const scale = (i: number) =>
    scaled === 'not' ? '' : ` * gradientScales[${scaled === 'each' ? SCALE_BLOCKS * i : 0}].x`;
  const given = (i: number) => [
    `parameter${i}[at]`,
    ...(needsGradient ? [`gradient${i}[at]${scale(i)}`] : []),
    ...kinds.map((kind) => `${kind}[own]`),
  ];
  const update = (i: number) => `
      if (item >= u.begin${i} && item < u.begin${i} + ${blocks(i)}) {
        let at = item - u.begin${i};
        let own = u.state${i} + at;
        let changed = updated(${given(i).join(', ')});
        parameter${i}[at] = changed.p;
        ${kinds.map((kind) => `${kind}[own] = changed.${kind};`).join('\n        ')}
      }`;
  const before = [
    'before: vec4f',
    ...(needsGradient ? ['g: vec4f'] : []),
    ...kinds.map((kind) => `${kind}Before: vec4f`),
  ];
  return {
    name,
    read: needsGradient ? Object.fromEntries(ofEach('gradient', 'vec4f')) : {},
    write: Object.fromEntries([
      ...ofEach('parameter', 'vec4f'),
      ...kinds.map((kind) => [kind, 'vec4f'] as const),
    ]),
    uniformArrays: {
      ...(scalars.length > 0 && { scalarsOfStep: ['vec4f', Math.ceil(scalars.length / 4)] as const }),
      ...(when !== 'always' && { halt: ['vec4u', 1] as const }),
      ...(scaled !== 'not' && {
        gradientScales: ['vec4f', scaled === 'each' ? SCALE_BLOCKS * (parameters - 1) + 1 : 1] as const,
      }),
    },
    uniforms: {
      ...uniforms,
      ...Object.fromEntries(
        indices.flatMap((i) => [`begin${i}`, `blocks${i}`, `state${i}`].map((key) => [key, 'u32' as const])),
      ),
    },
    declarations: `
struct Changed { p: vec4f${kinds.map((kind) => `, ${kind}: vec4f`).join('')} }
fn updated(${before.join(', ')}) -> Changed {
  ${scalars.map((scalar, i) => `let ${scalar} = scalarsOfStep[${Math.floor(i / 4)}].${'xyzw'[i % 4]};`).join('\n  ')}
  var p = before;
  ${kinds.map((kind) => `var ${kind} = ${kind}Before;`).join('\n  ')}
  ${body}
  return Changed(p${kinds.map((kind) => `, ${kind}`).join('')});
}`,
    ...inTurns(`${when === 'always' ? '' : `if (!(halt[0].x ${when} 0u)) { return; }`}
      ${indices.map(update).join('')}`),
  };
});

const bytesOf = (tensor: Tensor): number => 16 * blocksOf(tensor);

/** Runs of updates that one dispatch can take: their state lies in the same tensors, in this order, and fits one binding. */
function grouped(updates: readonly Update[], { kinds, needsGradient = true }: Rule): Update[][] {
  const most = Math.floor((STORAGE_BUFFERS - kinds.length) / (needsGradient ? 2 : 1));
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

/** Follows a rule, in place. */
export function launchUpdates(
  rule: Rule,
  updates: readonly Update[],
  { scalars, uniforms, halt, onlyHalted = false, gradientScales }: UpdatesOptions = {},
): void {
  const { needsGradient = true } = rule;
  const scaled = !gradientScales ? 'not' : gradientScales.size === 1 ? 'together' : 'each';
  const when = !halt ? 'always' : onlyHalted ? '!=' : '==';
  let index = 0;
  for (const group of grouped(updates, rule)) {
    const [first] = group;
    const last = group[group.length - 1];
    const alone = group.length === 1;
    const bind = (tensor: Tensor): Part =>
      alone ? splitBlocks(tensor) : range(tensor, 0, 4 * blocksOf(tensor));
    const operands: Record<string, Part> = {};
    if (scalars) operands.scalarsOfStep = range(scalars, 0, 4 * blocksOf(scalars));
    if (halt) operands.halt = range(halt, 0, 4);
    if (gradientScales) {
      const each = scaled === 'each';
      const length = each ? SEGMENT_STEP * (group.length - 1) + 4 : 4;
      operands.gradientScales = range(gradientScales, each ? SEGMENT_STEP * index : 0, length);
    }
    const values: Record<string, number> = { ...uniforms };
    let items = 0;
    for (const [i, { parameter, gradient, offset }] of group.entries()) {
      operands[`parameter${i}`] = bind(parameter);
      if (needsGradient) {
        expectTensor(rule.name, 'gradient', gradient!, 'f32', parameter.shape);
        operands[`gradient${i}`] = bind(gradient!);
      }
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
    const kernel = family({ rule, parameters: group.length, when, scaled });
    launch(kernel, operands, { items, uniforms: values, workgroups: turnsOf });
    index += group.length;
  }
}
