import type { Kernel, UniformType } from '../../gpu/kernel.ts';
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

/** Ends invocations past the last index and gives the others `at`, their place in the walk, and `<operand>At` for each operand. */
export function walkWgsl(rank: number, names: readonly string[]): string {
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
  return lines.join('\n  ');
}

/** An operand of a walk: a tensor, and the element at which the walk starts in it (default: the first). */
export interface WalkOperand {
  readonly tensor: Tensor;
  readonly base?: number;
}

/** Launches a kernel that was built with `walkUniforms` and `walkWgsl`, one invocation an index of the walk. */
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
  for (const [name, { tensor, base = 0 }] of Object.entries(operands)) {
    const bound = bindWalk(tensor, base, shape, strides[name]);
    parts[name] = bound.part;
    values[`${name}Base`] = bound.base;
    values[`${name}First`] = bound.first;
    strides[name].forEach((stride, axis) => {
      values[`${name}Stride${axis}`] = stride;
    });
  }
  launch(kernel, parts, {
    items: shape[0],
    workgroups: (items) => Math.ceil((items * inner) / kernel.spec.lanes),
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
  shape: readonly number[],
  strides: readonly number[],
): { part: Part; base: number; first: number } {
  const [stride] = strides;
  const reach = strides.reduce((sum, s, axis) => (axis === 0 ? sum : sum + s * (shape[axis] - 1)), 0);
  const within = stride > 0 ? base % stride : base;
  const start = base - within;
  // Ranges begin at multiples of 64 elements, 256 bytes.
  if (stride > 0 && within + reach < stride && start % 64 === 0) {
    const length = Math.min(shape[0] * stride, tensor.size - start);
    return { part: { tensor, perItem: stride, offset: start, length }, base: within, first: 0 };
  }
  const offset = base - (base % 64);
  const end = base + reach + stride * (shape[0] - 1) + 1;
  return { part: range(tensor, offset, end - offset), base: base - offset, first: stride };
}
