import type { Kernel, KernelSpec, UniformType } from '../../gpu/kernel.ts';
import { inTurns, turnsOf } from '../../tensor/blocks.ts';
import { launch, type Part, range } from '../../tensor/launch.ts';
import { type Shape, sizeOf, stridesOf } from '../../tensor/shape.ts';
import type { Tensor } from '../../tensor/tensor.ts';

/*
 * Broadcasting, transposing and slicing are one walk over an index space, with other strides for each operand:
 *   at = base + sum over axes d of index[d] * stride[d]
 * An item of the launch is one index of the outermost axis, so that tensors beyond the binding limit are bound in parts.
 */

/** An index space in row-major order, and how far each operand moves along its axes, in elements (0: it stands still). */
export interface Walk {
  readonly shape: readonly number[];
  readonly strides: Readonly<Record<string, readonly number[]>>;
}

/** Strides with which an operand of shape `from` is broadcast to `to`, its axes aligned at the right. */
export function broadcastStrides(from: Shape, to: Shape): number[] {
  const strides = stridesOf(from);
  const missing = to.length - from.length;
  return to.map((_, axis) => (axis < missing || from[axis - missing] === 1 ? 0 : strides[axis - missing]));
}

/** A walk with as few axes as do: those of extent 1 are dropped, and neighbours that every operand crosses evenly are merged. */
export function makeWalk(shape: Shape, strides: Readonly<Record<string, readonly number[]>>): Walk {
  const names = Object.keys(strides);
  const merged: number[] = [];
  const mergedStrides: Record<string, number[]> = Object.fromEntries(names.map((name) => [name, []]));
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    if (shape[axis] === 1) continue;
    const extends_ =
      merged.length > 0 && names.every((name) => strides[name][axis] === mergedStrides[name][0] * merged[0]);
    if (extends_) merged[0] *= shape[axis];
    else {
      merged.unshift(shape[axis]);
      for (const name of names) mergedStrides[name].unshift(strides[name][axis]);
    }
  }
  if (merged.length > 0) return { shape: merged, strides: mergedStrides };
  return { shape: [1], strides: Object.fromEntries(names.map((name) => [name, [0]])) };
}

/** Elements of a block. */
export const BLOCK = 4;

/**
 * The same walk by blocks of four elements along its last axis, if every operand allows it: it stands still there, or its blocks begin
 * at multiples of four elements. A walk of one axis may end within a block: a tensor's memory is a multiple of 256 bytes.
 */
export function inBlocks({ shape, strides }: Walk): Walk | undefined {
  const last = shape.length - 1;
  if (last > 0 && shape[last] % BLOCK !== 0) return undefined;
  const blocks: Record<string, readonly number[]> = {};
  for (const [name, own] of Object.entries(strides)) {
    const aligned = own[last] === 1 && own.every((stride, axis) => axis === last || stride % BLOCK === 0);
    if (!aligned && own[last] !== 0) return undefined;
    blocks[name] = own.with(last, own[last] * BLOCK);
  }
  return { shape: shape.with(last, Math.ceil(shape[last] / BLOCK)), strides: blocks };
}

/** The scalars that `walkWgsl` reads. */
export function walkUniforms(rank: number, names: readonly string[]): Record<string, UniformType> {
  const scalars = ['inner'];
  for (let axis = 1; axis < rank; axis++) scalars.push(`extent${axis}`);
  for (const name of names) {
    scalars.push(`${name}Base`, `${name}First`);
    for (let axis = 0; axis < rank; axis++) scalars.push(`${name}Stride${axis}`);
  }
  return Object.fromEntries(scalars.map((name) => [name, 'u32' as const]));
}

/** A body that does `each` for every index of a walk. It finds `at`, the place in the walk, and `<operand>At` for each operand. */
export function walkWgsl(
  rank: number,
  names: readonly string[],
  each: string,
): Pick<KernelSpec, 'lanes' | 'body'> {
  const lines = ['if (item >= u.items * u.inner) { return; }', 'let at = u.first * u.inner + item;'];
  let rest = 'item';
  for (let axis = rank - 1; axis >= 1; axis--) {
    lines.push(
      `let index${axis} = ${rest} % u.extent${axis};`,
      `let rest${axis} = ${rest} / u.extent${axis};`,
    );
    rest = `rest${axis}`;
  }
  lines.push(`let index0 = ${rest};`);
  for (const name of names) {
    const terms = Array.from({ length: rank }, (_, axis) => `index${axis} * u.${name}Stride${axis}`);
    lines.push(`let ${name}At = u.${name}Base + u.first * u.${name}First + ${terms.join(' + ')};`);
  }
  return inTurns([...lines, each].join('\n  '));
}

/** An operand of a walk. */
export interface WalkOperand {
  readonly tensor: Tensor;
  /** The element at which the walk starts; default: the first. */
  readonly base?: number;
  /** Elements that the kernel's binding counts as one: 1 (default), or BLOCK in a walk in blocks. */
  readonly width?: number;
}

/** Launches a kernel that was built with `walkUniforms` and `walkWgsl`. */
export function launchWalk(
  kernel: Kernel,
  walk: Walk,
  operands: Readonly<Record<string, WalkOperand>>,
  uniforms: Readonly<Record<string, number>> = {},
): void {
  const { shape, strides } = walk;
  const inner = sizeOf(shape.slice(1));
  const values: Record<string, number> = { ...uniforms, inner };
  shape.forEach((extent, axis) => {
    values[`extent${axis}`] = extent;
  });
  const parts: Record<string, Part> = {};
  for (const [name, { tensor, base = 0, width = 1 }] of Object.entries(operands)) {
    const bound = bindWalk(tensor, base, width, shape, strides[name]);
    parts[name] = bound.part;
    values[`${name}Base`] = bound.base / width;
    values[`${name}First`] = bound.first / width;
    strides[name].forEach((stride, axis) => {
      values[`${name}Stride${axis}`] = stride / width;
    });
  }
  launch(kernel, parts, {
    items: shape[0],
    workgroups: (items) => turnsOf(items * inner),
    uniforms: values,
  });
}

/**
 * Binds what a walk touches of a tensor. Where each outermost index has a stretch of its own, chunks of a split launch get theirs
 * (`first` is 0); else every chunk gets all of it and starts `first` elements further for each item before it.
 */
function bindWalk(
  tensor: Tensor,
  base: number,
  width: number,
  shape: readonly number[],
  strides: readonly number[],
): { part: Part; base: number; first: number } {
  const [stride] = strides;
  const reach = strides.reduce((sum, s, axis) => (axis === 0 ? sum : sum + s * (shape[axis] - 1)), width - 1);
  const within = stride > 0 ? base % stride : base;
  const start = base - within;
  // Ranges begin at multiples of 64 elements, 256 bytes.
  if (stride > 0 && within + reach < stride && start % 64 === 0) {
    const length = Math.min(shape[0] * stride, width * Math.ceil(tensor.size / width) - start);
    return { part: { tensor, perItem: stride, offset: start, length }, base: within, first: 0 };
  }
  const offset = base - (base % 64);
  const end = base + reach + stride * (shape[0] - 1) + 1;
  return { part: range(tensor, offset, end - offset), base: base - offset, first: stride };
}
