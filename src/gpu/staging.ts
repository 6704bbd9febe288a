import type { BufferSource, DeviceBuffer } from './pool.ts';

/** Bytes of free buffers that are kept: parallel reads of a large tensor would else hold its memory many times for ever. */
const KEPT_BYTES = 1 << 28;

/** The buffers through which values come to the CPU. */
export class Staging {
  private readonly free = new Map<number, DeviceBuffer[]>();
  private freeBytes = 0;

  constructor(private readonly source: BufferSource) {}

  /** A buffer that at least so many bytes can be copied to. */
  take(bytes: number): DeviceBuffer {
    const capacity = Math.min(Math.max(256, 2 ** Math.ceil(Math.log2(bytes))), this.source.maxBufferSize);
    const found = this.free.get(capacity)?.pop();
    if (found) this.freeBytes -= capacity;
    const usage = GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST;
    return found ?? this.source.createBuffer(capacity, usage, 'reading');
  }

  /** Keeps an unmapped buffer for the next read. */
  giveBack(buffer: DeviceBuffer): void {
    const { handle, check } = buffer;
    if (check.error || this.freeBytes + handle.size > KEPT_BYTES) {
      handle.destroy();
      return;
    }
    this.freeBytes += handle.size;
    const list = this.free.get(handle.size);
    if (list) list.push(buffer);
    else this.free.set(handle.size, [buffer]);
  }
}
