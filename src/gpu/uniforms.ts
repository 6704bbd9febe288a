import { GpuError } from '../errors.ts';
import { type Kernel, UNIFORM_SLOT_BYTES } from './kernel.ts';
import type { DeviceBuffer } from './pool.ts';

/** Bytes of the eager uniform ring and of each block that a recording takes. */
export const UNIFORM_BLOCK_BYTES = 1 << 16;

/** Uniform slots in one buffer, written in one go before the commands that read them. */
export class UniformBlock {
  readonly shadow = new DataView(new ArrayBuffer(UNIFORM_BLOCK_BYTES));
  used = 0;
  constructor(readonly buffer: DeviceBuffer) {}

  get full(): boolean {
    return this.used + UNIFORM_SLOT_BYTES > UNIFORM_BLOCK_BYTES;
  }

  push(slots: Kernel['uniformSlots'], values: Readonly<Record<string, number>>, kernelName: string): number {
    const start = this.used;
    slots.forEach(([name, type], i) => {
      const value = values[name];
      if (value === undefined) throw new GpuError(`kernel ${kernelName}: uniform '${name}' was not given`);
      if (type === 'f32') this.shadow.setFloat32(start + 4 * i, value, true);
      else if (type === 'i32') this.shadow.setInt32(start + 4 * i, value, true);
      else this.shadow.setUint32(start + 4 * i, value, true);
    });
    this.used += UNIFORM_SLOT_BYTES;
    return start;
  }
}
