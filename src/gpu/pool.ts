import { GpuError } from '../errors.ts';
import type { Check, Doubts } from './checks.ts';

/** A stretch of GPU memory that one owner holds until it gives it back. */
export interface GpuBuffer {
  readonly handle: GPUBuffer;
  /** Where the stretch begins in `handle`: bytes, a multiple of 256. */
  readonly offset: number;
  /** Bytes of the stretch, at least as many as were asked for. */
  readonly capacity: number;
  /** What the values in it depend on. */
  doubts: Doubts;
  /** Where it lies: what two stretches have in common is one thing here, and the bytes before this one in it. */
  readonly place: { readonly of: object; readonly offset: number };
  /** Gives the memory back to where it came from. */
  release(): void;
}

/** What lies in a buffer, for messages. */
export interface Contents {
  readonly shape: readonly number[];
  /** Default: a tensor. */
  readonly name?: string;
}

export const describeContents = ({ name = 'a tensor', shape }: Contents): string =>
  `${name} of shape [${shape.join(', ')}]`;

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

  get doubts(): Doubts {
    return this.base.doubts;
  }

  set doubts(doubts: Doubts) {
    this.base.doubts = doubts;
  }

  get place() {
    const { of, offset } = this.base.place;
    return { of, offset: offset + this.start };
  }
}

/** The buffer that a view looks at, or the buffer itself. */
export const ownerOf = (buffer: GpuBuffer): GpuBuffer =>
  buffer instanceof BufferView ? ownerOf(buffer.base) : buffer;

/** What tensors' memory is used for. */
export const memoryUsage = (): GPUBufferUsageFlags =>
  GPUBufferUsage.STORAGE | GPUBufferUsage.UNIFORM | GPUBufferUsage.COPY_SRC | GPUBufferUsage.COPY_DST;

/** A buffer of the device, and whether there was memory for it. */
export interface DeviceBuffer {
  readonly handle: GPUBuffer;
  readonly check: Check;
}

/** What a pool needs of the device. */
export interface BufferSource {
  /** @param what it is for, where there is no memory for it */
  createBuffer(bytes: number, usage: GPUBufferUsageFlags, what: string): DeviceBuffer;
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

/** A buffer of the pool. Its owner gives it back by `release`; recorded steps that use it keep it from others until they let go, too. */
export class PoolBuffer implements GpuBuffer {
  readonly offset = 0;
  doubts: Doubts;
  contents: Contents = { shape: [] };
  /** Whether its owner gave it back. */
  released = false;
  private pins = 0;

  constructor(
    readonly handle: GPUBuffer,
    readonly capacity: number,
    /** Whether there was memory for it. */
    readonly check: Check,
    private readonly giveBack: (buffer: PoolBuffer) => void,
  ) {}

  get place() {
    return { of: this.handle, offset: 0 };
  }

  /** Bytes of what lies in it. */
  get contentBytes(): number {
    return this.contents.shape.reduce((product, n) => product * n, 4);
  }

  /** Gives it to an owner. */
  take(contents: Contents): this {
    this.contents = contents;
    this.released = false;
    this.renew();
    return this;
  }

  /** Forgets what its values depended on: they are written anew. */
  renew(): void {
    this.doubts = this.check.passed ? undefined : this.check;
  }

  pin(): void {
    this.pins++;
  }

  unpin(): void {
    if (--this.pins === 0 && this.released) this.giveBack(this);
  }

  release(): void {
    this.released = true;
    if (this.pins === 0) this.giveBack(this);
  }
}

/**
 * Keeps released buffers for reuse. Reuse is safe without waiting, since commands execute in the order in which they were issued.
 * `liveBytes` is what owners hold, `allocatedBytes` what the device gave.
 */
export class BufferPool {
  liveBytes = 0;
  allocatedBytes = 0;
  peakBytes = 0;
  private readonly free = new Map<number, PoolBuffer[]>();

  /** @param keptFreeBytes free bytes beyond which the pool gives memory back to the device */
  constructor(
    private readonly source: BufferSource,
    private readonly keptFreeBytes: number,
  ) {}

  /** @throws GpuError where no buffer may be so large. */
  acquire(bytes: number, contents: Contents): PoolBuffer {
    checkSize(bytes, contents, this.source.maxBufferSize);
    const capacity = Math.min(sizeClass(bytes), this.source.maxBufferSize);
    const buffer = this.freeOf(capacity) ?? this.make(capacity, contents);
    this.liveBytes += capacity;
    this.peakBytes = Math.max(this.peakBytes, this.liveBytes);
    return buffer.take(contents);
  }

  private freeOf(capacity: number): PoolBuffer | undefined {
    const list = this.free.get(capacity);
    for (let buffer = list?.pop(); buffer; buffer = list!.pop()) {
      if (!buffer.check.error) return buffer;
      this.destroy(buffer);
    }
    return undefined;
  }

  private make(capacity: number, contents: Contents): PoolBuffer {
    const what = describeContents(contents);
    const { handle, check } = this.source.createBuffer(capacity, memoryUsage(), what);
    this.allocatedBytes += capacity;
    return new PoolBuffer(handle, capacity, check, (buffer) => this.giveBack(buffer));
  }

  private giveBack(buffer: PoolBuffer): void {
    this.liveBytes -= buffer.capacity;
    const list = this.free.get(buffer.capacity);
    if (list) list.push(buffer);
    else this.free.set(buffer.capacity, [buffer]);
    if (this.allocatedBytes - this.liveBytes > this.keptFreeBytes) this.trim();
  }

  /** Gives all free buffers back to the device. */
  trim(): void {
    this.source.flush();
    for (const list of this.free.values()) for (const buffer of list) this.destroy(buffer);
    this.free.clear();
  }

  private destroy(buffer: PoolBuffer): void {
    buffer.handle.destroy();
    this.allocatedBytes -= buffer.capacity;
  }
}

/** @throws GpuError where no buffer may be so large. */
export function checkSize(bytes: number, contents: Contents, maxBufferSize: number): void {
  if (bytes > maxBufferSize)
    throw new GpuError(
      `${describeContents(contents)} needs a buffer of ${bytes} bytes, maxBufferSize is ${maxBufferSize}`,
    );
}
