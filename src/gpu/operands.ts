import { GpuError } from '../errors.ts';
import type { Operand } from './dispatch.ts';
import type { Kernel } from './kernel.ts';
import type { GpuBuffer } from './pool.ts';

/** A byte range of a buffer, bound to a kernel: whole, or split along the items of the launch. */
export interface Binding {
  readonly buffer: GpuBuffer;
  readonly offset: number;
  readonly bytes: number;
  readonly bytesPerItem: number;
}

/**
 * The operands of a launch, in the order of the kernel's bindings. A wrong one would void all that is submitted with it, so it never
 * reaches the device.
 * @throws GpuError naming kernel and operand
 */
export function operandsOf(
  kernel: Kernel,
  bindings: Readonly<Record<string, Binding>>,
  alignment: number,
): Operand[] {
  const { name: kernelName } = kernel.spec;
  const wanted = kernel.bindings.slice(1);
  const operands = wanted.map(({ name, type, leastBytes }) => {
    const binding = bindings[name];
    if (!binding) throw new GpuError(`kernel ${kernelName}: nothing was bound to '${name}'`);
    const { buffer, offset, bytes, bytesPerItem } = binding;
    const { capacity } = buffer;
    if (!(offset >= 0 && offset % alignment === 0 && bytes >= leastBytes && offset + bytes <= capacity))
      throw new GpuError(
        `kernel ${kernelName}: '${name}' is bound to ${bytes} bytes from byte ${offset} of ${capacity}; it takes at least ${leastBytes}, from a multiple of ${alignment} on`,
      );
    return { name, uniform: type === 'uniform', offset, bytes, bytesPerItem };
  });
  const places = wanted.map(({ name, type }) => {
    const { buffer, offset, bytes } = bindings[name];
    const { of, offset: start } = buffer.place;
    return { name, of, from: start + offset, to: start + offset + bytes, writes: type === 'storage' };
  });
  places.forEach((a, i) => {
    for (const b of places.slice(i + 1)) {
      if (a.of !== b.of || !(a.writes || b.writes)) continue;
      if (a.writes && b.writes && (a.to <= b.from || b.to <= a.from)) continue;
      throw new GpuError(
        a.writes && b.writes
          ? `kernel ${kernelName}: '${a.name}' and '${b.name}' overlap, and it writes both`
          : `kernel ${kernelName}: '${a.name}' and '${b.name}' share a buffer, and it writes only one of them`,
      );
    }
  });
  return operands;
}
