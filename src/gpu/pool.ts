import { GpuError } from '../errors.ts';

/** A stretch of GPU memory that one owner holds until it gives it back to its pool. */
export interface GpuBuffer {
  readonly handle: GPUBuffer;
  /** Bytes of the buffer itself, at least as many as were asked for. */
  readonly capacity: number;
  readonly pool: BufferPool;
}

/** What a pool needs of the device. */
export interface BufferSource {
  createBuffer(bytes: number, usage: GPUBufferUsageFlags): GPUBuffer;
  /** Called before buffers are destroyed: work that was encoded with them must have been submitted. */
  flush(): void;
  readonly maxBufferSize: number;
}

/** Rounds up to a size that others will ask for too: four steps an octave, so at most a quarter is wasted. */
function sizeClass(bytes: number): number {
  if (bytes <= 256) return 256;
  const step = 2 ** (Math.ceil(Math.log2(bytes)) - 3);
  return Math.ceil(bytes / Math.max(step, 256)) * Math.max(step, 256);
}

/**
 * Keeps released buffers for reuse. Reuse is safe without waiting, since commands execute in the order in which they were issued.
 * `liveBytes` is what owners hold, `allocatedBytes` what the device gave.
 */
export class BufferPool {
  liveBytes = 0;
  allocatedBytes = 0;
  peakBytes = 0;
  private readonly free = new Map<number, GpuBuffer[]>();
  private readonly all = new Set<GpuBuffer>();

  /** @param keptFreeBytes free bytes beyond which the pool gives memory back to the device */
  constructor(
    private readonly source: BufferSource,
    private readonly keptFreeBytes: number,
  ) {}

  acquire(bytes: number): GpuBuffer {
    if (bytes > this.source.maxBufferSize)
      throw new GpuError(
        `a buffer of ${bytes} bytes was asked for, maxBufferSize is ${this.source.maxBufferSize}`,
      );
    const capacity = Math.min(sizeClass(bytes), this.source.maxBufferSize);
    let buffer = this.free.get(capacity)?.pop();
    if (!buffer) {
      const usage =
        GPUBufferUsage.STORAGE | GPUBufferUsage.UNIFORM | GPUBufferUsage.COPY_SRC | GPUBufferUsage.COPY_DST;
      buffer = { handle: this.source.createBuffer(capacity, usage), capacity, pool: this };
      this.all.add(buffer);
      this.allocatedBytes += capacity;
    }
    this.liveBytes += capacity;
    this.peakBytes = Math.max(this.peakBytes, this.liveBytes);
    return buffer;
  }

  release(buffer: GpuBuffer): void {
    this.liveBytes -= buffer.capacity;
    const list = this.free.get(buffer.capacity);
    if (list) list.push(buffer);
    else this.free.set(buffer.capacity, [buffer]);
    if (this.allocatedBytes - this.liveBytes > this.keptFreeBytes) this.trim();
  }

  /** Gives all free buffers back to the device. */
  trim(): void {
    this.source.flush();
    for (const list of this.free.values()) {
      for (const buffer of list) {
        buffer.handle.destroy();
        this.all.delete(buffer);
        this.allocatedBytes -= buffer.capacity;
      }
    }
    this.free.clear();
  }

  /** Destroys every buffer, held ones included. */
  destroy(): void {
    this.source.flush();
    for (const buffer of this.all) buffer.handle.destroy();
    this.all.clear();
    this.free.clear();
    this.liveBytes = 0;
    this.allocatedBytes = 0;
  }
}
