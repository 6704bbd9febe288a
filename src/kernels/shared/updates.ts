import { kernelFamily, type UniformType } from '../../gpu/kernel.ts';
import { blocksOf, ITEMS_A_WORKGROUP, inTurns, splitBlocks, turnsOf } from '../../tensor/blocks.ts';
import { launch, type Part, range } from '../../tensor/launch.ts';
import type { Tensor } from '../../tensor/tensor.ts';
import { expectTensor } from './expectTensor.ts';
import { HALTED_BY_UPDATE, HALTED_BY_VALUES, IS_FINITE_WGSL } from './halt.ts';

/*
 * A rule that changes many parameters and what is kept for each of them, in few dispatches: an optimizer's step first of all.
 *
 * The state of all parameters (Adam's m and v) lies in one tensor a kind, each parameter's in a segment that begins at a multiple of 64
 * elements, as bindings must. A dispatch binds the state tensors and as many parameters, with their gradients, as WebGPU's 8 storage
 * buffers leave room for. What all share is bound as uniform: the scalars of the step, the halt, and the factors that clip gradients.
 *
 * Where a halt is given to a rule with gradients, a look goes ahead: it computes what the rule would make of every element and raises the
 * halt where a gradient, a parameter or a state would not be finite. So either all of a step is taken, or nothing.
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
  /** f32, one element for each of the rule's scalars, or [64 * updates]: those of each update, 64 elements from the next one's. */
  readonly scalars?: Tensor;
  readonly uniforms?: Readonly<Record<string, number>>;
  /** u32 [1]: where it isn't 0, nothing changes. A rule with gradients raises it where it would make anything that isn't finite. */
  readonly halt?: Tensor;
  /** The rule is followed only where `halt` isn't 0, instead. */
  readonly onlyHalted?: boolean;
  /** Factors for the gradients: f32 [1], or f32 [64 * updates] where every 64th is one update's own. */
  readonly gradientScales?: Tensor;
}

interface Variant {
  readonly rule: Rule;
  readonly parameters: number;
  /** What the halt must be for the rule to be followed; or the rule is only looked at. */
  readonly when: 'always' | '==' | '!=' | 'look';
  /** Whether gradients have factors: one for all, or each its own. */
  readonly scaled: 'not' | 'together' | 'each';
  /** Whether each update has scalars of its own. */
  readonly ownScalars: boolean;
}

/** Blocks from what one update has of its own, a factor or scalars, to the next one's. */
const OWN_BLOCKS = SEGMENT_STEP / 4;

const family = kernelFamily(({ rule, parameters, when, scaled, ownScalars }: Variant) => {
  const { name, kinds, scalars = [], uniforms, needsGradient = true, body } = rule;
  const looks = when === 'look';
  const indices = Array.from({ length: parameters }, (_, i) => i);
  const ofEach = (prefix: string, type: 'vec4f') => indices.map((i) => [`${prefix}${i}`, type] as const);
  // A single parameter may be split into several dispatches; its blocks are then those of the dispatch.
  const blocks = (i: number) => (parameters === 1 ? 'u.items' : `u.blocks${i}`);
  const scale = (i: number) =>
    scaled === 'not' ? '' : ` * gradientScales[${scaled === 'each' ? OWN_BLOCKS * i : 0}].x`;
  const given = (i: number) => [
    `${ownScalars ? OWN_BLOCKS * i : 0}u`,
    `parameter${i}[at]`,
    ...(needsGradient ? [`gradient${i}[at]${scale(i)}`] : []),
    ...kinds.map((kind) => `${kind}[own]`),
  ];
  const follow = (i: number) => `
        parameter${i}[at] = changed.p;
        ${kinds.map((kind) => `${kind}[own] = changed.${kind};`).join('\n        ')}`;
  const looked = (i: number) => [
    ...(needsGradient ? [`gradient${i}[at]`] : []),
    'changed.p',
    ...kinds.map((kind) => `changed.${kind}`),
  ];
  // Of the last block, only the elements that the parameter has count.
  const look = (i: number) => `
        let beyond = 4u * (u.first + at) + vec4u(0, 1, 2, 3) >= vec4u(u.size${i});
        let fine = ${looked(i)
          .map((values) => `isFinite(${values})`)
          .join(' & ')};
        if (!all(fine | beyond)) { atomicMax(&halt[0], u.code${i}); }`;
  const update = (i: number) => `
      if (item >= u.begin${i} && item < u.begin${i} + ${blocks(i)}) {
        let at = item - u.begin${i};
        let own = u.state${i} + at;
        let changed = updated(${given(i).join(', ')});${looks ? look(i) : follow(i)}
      }`;
  const before = [
    'ownScalars: u32',
    'before: vec4f',
    ...(needsGradient ? ['g: vec4f'] : []),
    ...kinds.map((kind) => `${kind}Before: vec4f`),
  ];
  const changed = [...ofEach('parameter', 'vec4f'), ...kinds.map((kind) => [kind, 'vec4f'] as const)];
  const owned = (length: number, own: boolean) => (own ? OWN_BLOCKS * (parameters - 1) + length : length);
  const ofUpdates = ['begin', 'blocks', 'state', ...(looks ? ['size', 'code'] : [])];
  return {
    name: looks ? `${name}-look` : name,
    read: Object.fromEntries([
      ...(needsGradient ? ofEach('gradient', 'vec4f') : []),
      ...(looks ? changed : []),
    ]),
    write: looks ? { halt: 'atomic<u32>' } : Object.fromEntries(changed),
    uniformArrays: {
      ...(scalars.length > 0 && {
        scalarsOfStep: ['vec4f', owned(Math.ceil(scalars.length / 4), ownScalars)] as const,
      }),
      ...((when === '==' || when === '!=') && { halt: ['vec4u', 1] as const }),
      ...(scaled !== 'not' && { gradientScales: ['vec4f', owned(1, scaled === 'each')] as const }),
    },
    uniforms: {
      ...uniforms,
      ...Object.fromEntries(indices.flatMap((i) => ofUpdates.map((key) => [key + i, 'u32' as const]))),
    },
    declarations: `
${looks ? IS_FINITE_WGSL : ''}
struct Changed { p: vec4f${kinds.map((kind) => `, ${kind}: vec4f`).join('')} }
fn updated(${before.join(', ')}) -> Changed {
  ${scalars.map((scalar, i) => `let ${scalar} = scalarsOfStep[ownScalars + ${Math.floor(i / 4)}u].${'xyzw'[i % 4]};`).join('\n  ')}
  var p = before;
  ${kinds.map((kind) => `var ${kind} = ${kind}Before;`).join('\n  ')}
  ${body}
  return Changed(p${kinds.map((kind) => `, ${kind}`).join('')});
}`,
    ...inTurns(`${when === '==' || when === '!=' ? `if (!(halt[0].x ${when} 0u)) { return; }` : ''}
      ${indices.map(update).join('')}`),
  };
});

const bytesOf = (tensor: Tensor): number => 16 * blocksOf(tensor);

/** Runs of updates that one dispatch can take: their state lies in the same tensors, in this order, and fits one binding. */
function grouped(
  updates: readonly Update[],
  { kinds, needsGradient = true }: Rule,
  looks: boolean,
): Update[][] {
  const shared = kinds.length + (looks ? 1 : 0);
  const most = Math.floor((STORAGE_BUFFERS - shared) / (needsGradient ? 2 : 1));
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
export function launchUpdates(rule: Rule, updates: readonly Update[], options: UpdatesOptions = {}): void {
  const { halt, onlyHalted = false } = options;
  const { needsGradient = true } = rule;
  if (halt && needsGradient && !onlyHalted) issue(rule, updates, options, 'look');
  issue(rule, updates, options, !halt ? 'always' : onlyHalted ? '!=' : '==');
}

const values: Rule = { name: 'values', kinds: [], needsGradient: false, body: '' };

/** Raises `halt` (u32 [1]) where an element of a tensor isn't finite. */
export const haltUnlessFinite = (tensors: readonly Tensor[], halt: Tensor): void =>
  issue(
    values,
    tensors.map((parameter) => ({ parameter, offset: 0 })),
    { halt },
    'look',
  );

function issue(
  rule: Rule,
  updates: readonly Update[],
  { scalars, uniforms, halt, gradientScales }: UpdatesOptions,
  when: Variant['when'],
): void {
  const { needsGradient = true } = rule;
  const scaled = !gradientScales ? 'not' : gradientScales.size === 1 ? 'together' : 'each';
  const ownScalars = scalars !== undefined && scalars.size !== rule.scalars?.length;
  const looks = when === 'look';
  let index = 0;
  for (const group of grouped(updates, rule, looks)) {
    const [first] = group;
    const last = group[group.length - 1];
    const alone = group.length === 1;
    const bind = (tensor: Tensor): Part =>
      alone ? splitBlocks(tensor) : range(tensor, 0, 4 * blocksOf(tensor));
    /** Of a tensor that holds `blocks` blocks for all updates, or for each. */
    const bindOwned = (tensor: Tensor, blocks: number, own: boolean): Part =>
      own
        ? range(tensor, SEGMENT_STEP * index, SEGMENT_STEP * (group.length - 1) + 4 * blocks)
        : range(tensor, 0, 4 * blocks);
    const operands: Record<string, Part> = {};
    if (scalars) operands.scalarsOfStep = bindOwned(scalars, Math.ceil(rule.scalars!.length / 4), ownScalars);
    if (halt) operands.halt = range(halt, 0, looks ? 1 : 4);
    if (gradientScales) operands.gradientScales = bindOwned(gradientScales, 1, scaled === 'each');
    const given: Record<string, number> = { ...uniforms };
    let items = 0;
    for (const [i, { parameter, gradient, offset }] of group.entries()) {
      operands[`parameter${i}`] = bind(parameter);
      if (needsGradient) {
        expectTensor(rule.name, 'gradient', gradient!, 'f32', parameter.shape);
        operands[`gradient${i}`] = bind(gradient!);
      }
      given[`begin${i}`] = items;
      given[`blocks${i}`] = blocksOf(parameter);
      given[`state${i}`] = (offset - first.offset) / 4;
      given[`size${i}`] = parameter.size;
      given[`code${i}`] = needsGradient ? HALTED_BY_UPDATE + index + i : HALTED_BY_VALUES;
      // Each parameter begins with a workgroup of its own.
      items += alone ? blocksOf(parameter) : turnsOf(blocksOf(parameter)) * ITEMS_A_WORKGROUP;
    }
    for (const kind of rule.kinds) {
      const tensor = first.state![kind];
      const length = last.offset - first.offset + 4 * blocksOf(last.parameter);
      operands[kind] = { tensor, perItem: alone ? 4 : 0, offset: first.offset, length };
    }
    const kernel = family({ rule, parameters: group.length, when, scaled, ownScalars });
    launch(kernel, operands, { items, uniforms: given, workgroups: turnsOf });
    index += group.length;
  }
}
