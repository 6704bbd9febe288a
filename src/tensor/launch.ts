import { checkNumber } from '../checks.ts';
import { GpuError } from '../errors.ts';
import type { Binding } from '../gpu/gpu.ts';
import type { Kernel } from '../gpu/kernel.ts';
import { showShape } from './shape.ts';
import type { Tensor } from './tensor.ts';
import { currentWork } from './work.ts';

/** A tensor bound in parts: `perItem` elements belong to each item of the launch, or a fixed range serves them all. */
export interface Part {
  readonly tensor: Tensor;
  readonly perItem: number;
  readonly offset: number;
  readonly length: number;
}

/** Binds to each chunk of a split launch the elements of its own items. */
export const split = (tensor: Tensor, perItem: number): Part => ({
  tensor,
  perItem,
  offset: 0,
  length: tensor.size,
});

/** Binds `length` elements from `offset` (a multiple of 64: ranges are aligned to 256 bytes). */
export const range = (tensor: Tensor, offset: number, length: number): Part => ({
  tensor,
  perItem: 0,
  offset,
  length,
});

/** Over how many items a kernel is launched, and with which scalars. */
export interface LaunchOptions {
  uniforms?: Record<string, number>;
  items: number;
  /** Workgroups for a number of items; default: one invocation an item. */
  workgroups?: (items: number) => number;
}

/**
 * Issues a kernel with tensors as its operands, by the names that the kernel gives them.
 * @throws GpuError naming kernel and operand, where one is missing, too small, overlaps another that is written, or lies on another GPU
 */
export function launch(
  kernel: Kernel,
  operands: Record<string, Tensor | Part>,
  options: LaunchOptions,
): void {
  const bindings: Record<string, Binding> = {};
  let gpu: Tensor['storage']['gpu'] | undefined;
  for (const [name, operand] of Object.entries(operands)) {
    const part = 'tensor' in operand ? operand : range(operand, 0, operand.size);
    const { storage } = part.tensor;
    gpu ??= storage.gpu;
    if (storage.gpu !== gpu)
      throw new GpuError(
        `kernel ${kernel.spec.name}: '${name}' (shape ${showShape(part.tensor.shape)}) lies on another GPU than the operands before it${storage.gpu.isLost || gpu.isLost ? ', one that was lost or closed' : ''}`,
      );
    bindings[name] = {
      buffer: storage.buffer,
      offset: part.offset * 4,
      bytes: part.length * 4,
      bytesPerItem: part.perItem * 4,
    };
  }
  const name = `kernel ${kernel.spec.name}`;
  if (!gpu) throw new GpuError(`${name}: it was given no operand`);
  checkNumber(name, 'items', options.items, { from: 0, whole: true });
  gpu.launch({ kernel, bindings, ...options, work: currentWork() });
}
