import { GpuError } from '../errors.ts';

/** A stretch of GPU memory that one owner holds until it gives it back. */
export interface GpuBuffer {
  readonly handle: GPUBuffer;
  /** Where the stretch begins in `handle`: bytes, a multiple of 256. */
  readonly offset: number;
  /** Bytes of the stretch, at least as many as were asked for. */
  readonly capacity: number;
  /** Gives the memory back to where it came from. */
  release(): void;
}

/** A part of a buffer, which the buffer's owner keeps in place. */
export class BufferView implements GpuBuffer {
  /** @param start bytes from the beginning of `base`, a multiple of 256 */
  constructor(
    readonly base: GpuBuffer,
    private readonly start: number,
    readonly capacity: number,
    readonly release: () => void,
  ) {}

  get handle(): GPUBuffer {
    return this.base.handle;
  }

  get offset(): number {
    return this.base.offset + this.start;
  }
}

/** The buffer that a view looks at, or the buffer itself. */
export const ownerOf = (buffer: GpuBuffer): GpuBuffer =>
  buffer instanceof BufferView ? ownerOf(buffer.base) : buffer;

/** What tensors' memory is used for. */
export const memoryUsage = (): GPUBufferUsageFlags =>
  GPUBufferUsage.STORAGE | GPUBufferUsage.UNIFORM | GPUBufferUsage.COPY_SRC | GPUBufferUsage.COPY_DST;

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
      const handle = this.source.createBuffer(capacity, memoryUsage());
      const made = { handle, offset: 0, capacity, release: () => this.release(made) };
      buffer = made;
      this.allocatedBytes += capacity;
    }
    this.liveBytes += capacity;
    this.peakBytes = Math.max(this.peakBytes, this.liveBytes);
    return buffer;
  }

  private release(buffer: GpuBuffer): void {
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
        this.allocatedBytes -= buffer.capacity;
      }
    }
    this.free.clear();
  }
}
