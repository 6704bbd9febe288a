import { GpuError, WeftError } from '../errors.ts';
import { aligned, livePeak, planArenas, type Temporary } from './arena.ts';
import { Check, type Doubts } from './checks.ts';
import {
  type BufferSource,
  type Contents,
  checkSize,
  type DeviceBuffer,
  describeContents,
  type GpuBuffer,
  memoryUsage,
  ownerOf,
  PoolBuffer,
} from './pool.ts';
import type { UniformBlock } from './uniforms.ts';

/** What commands are issued for, as a profile shows it. */
export interface Work {
  /** The op with its size, in words: `conv2d 28x28 64-128`. */
  readonly op: string;
  /** `forward`, `backward`, or which part of it. */
  readonly pass: string;
  /** Floating-point operations of the op in this pass, two a multiply-add, counted as its plain method has them. */
  readonly flops?: number;
}

/** One thing the GPU does. A list of them can be encoded any number of times. */
export type Command = DispatchCommand | CopyCommand;

export interface DispatchCommand {
  readonly kind: 'dispatch';
  /** The kernel's. */
  readonly name: string;
  readonly pipeline: GPUComputePipeline;
  readonly bindGroup: GPUBindGroup;
  readonly x: number;
  readonly y: number;
  /** Bytes of the ranges that are bound, scalars aside. */
  readonly bytes: number;
  readonly work: Work | undefined;
}

export interface CopyCommand {
  readonly kind: 'copy';
  readonly from: GPUBuffer;
  readonly fromOffset: number;
  readonly to: GPUBuffer;
  readonly toOffset: number;
  readonly bytes: number;
}

/** A command whose operands may have no place in memory yet. */
export type Draft =
  | (Omit<DispatchCommand, 'bindGroup'> & {
      readonly layout: GPUBindGroupLayout;
      /** The kernel's scalars. */
      readonly scalars: GPUBufferBinding;
      readonly operands: readonly {
        readonly buffer: GpuBuffer;
        /** In bytes, from the beginning of `buffer`. */
        readonly offset: number;
        readonly size: number;
        readonly writes: boolean;
      }[];
    })
  | {
      readonly kind: 'copy';
      readonly from: GpuBuffer;
      readonly to: GpuBuffer;
      readonly bytes: number;
      /** Bytes from the beginning of each buffer; default 0. */
      readonly at?: { readonly from?: number; readonly to?: number };
    };

/** Binds a draft's operands, where they lie now. */
export function bind(device: GPUDevice, draft: Draft): Command {
  if (draft.kind === 'copy') {
    const { from, to, bytes, at } = draft;
    return {
      kind: 'copy',
      from: from.handle,
      fromOffset: from.offset + (at?.from ?? 0),
      to: to.handle,
      toOffset: to.offset + (at?.to ?? 0),
      bytes,
    };
  }
  const { layout, scalars, operands, ...dispatch } = draft;
  const entries: GPUBindGroupEntry[] = operands.map(({ buffer, offset, size }, i) => ({
    binding: i + 1,
    resource: { buffer: buffer.handle, offset: buffer.offset + offset, size },
  }));
  entries.push({ binding: 0, resource: scalars });
  return { ...dispatch, bindGroup: device.createBindGroup({ label: draft.name, layout, entries }) };
}

/** What changes from step to step: produced on the CPU and written into GPU memory before each replay. */
export interface HostInput {
  readonly buffer: GpuBuffer;
  readonly produce: () => ArrayBufferView;
}

/** The buffers that hold the temporaries of recorded steps which never run at the same time. */
export class Arenas {
  private buffers: DeviceBuffer[] = [];

  constructor(private readonly source: BufferSource) {}

  /** Bytes of each. */
  get sizes(): number[] {
    return this.buffers.map(({ handle }) => handle.size);
  }

  get maxBufferSize(): number {
    return this.source.maxBufferSize;
  }

  /** The arena of that number, made with `bytes` where it is the next. */
  take(arena: number, bytes: number): DeviceBuffer {
    this.buffers[arena] ??= this.source.createBuffer(
      bytes,
      memoryUsage(),
      'the temporaries of a recorded step',
    );
    return this.buffers[arena];
  }

  owns(buffer: GpuBuffer): boolean {
    return this.buffers.some(({ handle }) => handle === buffer.handle);
  }

  /** Lets go of arenas that there was no memory for. No plan may need them any more. */
  dropFailed(): void {
    this.buffers = this.buffers.filter(({ check }) => !check.error);
  }

  destroy(): void {
    this.source.flush();
    for (const { handle } of this.buffers) handle.destroy();
    this.buffers = [];
  }
}

/** Memory of a recorded step whose place is settled when all of the step's commands are known. */
class PlannedBuffer implements GpuBuffer {
  /** The commands that use it. */
  first = Number.POSITIVE_INFINITY;
  last = Number.NEGATIVE_INFINITY;
  released = false;
  doubts: Doubts;
  readonly conflicts = new Set<PlannedBuffer>();
  /** What each command that uses it is, in words. */
  readonly users = new Set<string>();
  private spot: { handle: GPUBuffer; offset: number } | undefined;
  /** Memory of its own, which outlives the recording. */
  private kept: PoolBuffer | undefined;
  /** Why the memory is no longer its own. */
  private lost: string | undefined;

  constructor(
    readonly recording: Recording,
    readonly capacity: number,
    readonly contents: Contents,
  ) {}

  get handle(): GPUBuffer {
    return this.placed.handle;
  }

  get offset(): number {
    return this.placed.offset;
  }

  get place() {
    return this.spot && !this.lost
      ? { of: this.spot.handle, offset: this.spot.offset }
      : { of: this, offset: 0 };
  }

  /** Whether the recording that it belongs to is gone, and its memory with it. */
  get gone(): boolean {
    return this.lost !== undefined;
  }

  use(command: number, user: string): void {
    this.first = Math.min(this.first, command);
    this.last = Math.max(this.last, command);
    this.users.add(user);
  }

  putAt(handle: GPUBuffer, offset: number): void {
    this.spot = { handle, offset };
  }

  /** Puts it in memory of its own. */
  keepIn(buffer: PoolBuffer): void {
    this.kept = buffer;
    this.putAt(buffer.handle, buffer.offset);
  }

  /** Ends its life with its recording's. */
  lose(why: string): void {
    if (!this.kept) this.lost = why;
  }

  release(): void {
    this.released = true;
    this.kept?.release();
  }

  private get placed() {
    if (this.lost) throw new WeftError(`a result of a recorded step was used ${this.lost}`);
    if (!this.spot)
      throw new GpuError(
        'a tensor that record() made was written, or used by commands that are not recorded, before the step was complete',
      );
    return this.spot;
  }
}

/** What a recorded step's memory comes to. */
export interface RecordedMemory {
  /** The most bytes that are in use at one command: what no placement can do without. */
  readonly livePeakBytes: number;
  /** What the command there is, in words. */
  readonly peakCommand: string;
  /** The temporaries in use there, the largest first, with the commands that use them. */
  readonly atPeak: readonly { readonly bytes: number; readonly users: readonly string[] }[];
}

const inWords = (draft: Draft): string => {
  if (draft.kind === 'copy') return 'copy';
  const { name, work } = draft;
  return work ? `${name} (${work.op}, ${work.pass})` : name;
};

/** The commands of one step with everything they hold on to. */
export class Recording {
  readonly hostInputs: HostInput[] = [];
  /** Scalars of the kernels, written once. */
  readonly uniformBlocks: UniformBlock[] = [];
  /** Ready to be encoded, once the recording is complete. */
  commands: readonly Command[] = [];
  /** Bytes of what the step has neither released nor returned. */
  keptBytes = 0;
  memory: RecordedMemory = { livePeakBytes: 0, peakCommand: '', atPeak: [] };
  /** Whether the device has taken the commands without a complaint. */
  proven = false;
  /** Whether its kernels compile and its memory is there. */
  private checks: Doubts;
  private drafts: Draft[] = [];
  private buffers: PlannedBuffer[] = [];
  private results: readonly PlannedBuffer[] = [];
  /**
   * Buffers of the device's own pool, pinned: of host inputs and constants, which are written before the commands run, so that no
   * command may have them as a temporary; and of what the step keeps.
   */
  private readonly own = new Set<PoolBuffer>();
  /** What the step uses and didn't make. Pinned: its memory can't become another's. */
  private readonly outside = new Set<PoolBuffer | PlannedBuffer>();

  /** @param arenas where temporaries lie; shared with the recordings that never run at the same time as this one */
  constructor(private readonly arenas: Arenas) {}

  /** Memory for a temporary. It is taken from its first use to its last one, and to the end of the step where it isn't released. */
  acquire(bytes: number, contents: Contents): GpuBuffer {
    const { maxBufferSize } = this.arenas;
    checkSize(bytes, contents, maxBufferSize);
    const buffer = new PlannedBuffer(this, Math.min(aligned(bytes), maxBufferSize), contents);
    this.buffers.push(buffer);
    return buffer;
  }

  /** Memory for an argument, which is written before the commands run. */
  acquireArgument(bytes: number, contents: Contents): GpuBuffer {
    const buffer = this.acquire(bytes, contents) as PlannedBuffer;
    buffer.use(-1, 'argument');
    return buffer;
  }

  /** Makes a buffer of the pool the step's: it stays as long as the step does, whatever its owner does. */
  keep(buffer: PoolBuffer): void {
    buffer.pin();
    this.own.add(buffer);
    this.needs(buffer.check);
  }

  /** Whether a buffer was made in the step. */
  made(buffer: GpuBuffer): boolean {
    const owner = ownerOf(buffer);
    return owner instanceof PlannedBuffer ? owner.recording === this : this.own.has(owner as PoolBuffer);
  }

  /** Notes what must pass before the step can run. */
  needs(check: Check): void {
    this.checks = Check.all([this.checks, check]);
  }

  /**
   * What the step depends on and nobody knows yet, its arguments' values included.
   * @throws WeftError where something that it uses was disposed of
   */
  doubts(args: readonly GpuBuffer[]): Doubts {
    if (this.checks?.passed) this.checks = undefined;
    const found = [this.checks];
    for (const buffer of this.outside) {
      if (buffer instanceof PoolBuffer ? buffer.released : buffer.gone)
        throw new WeftError(
          `a recorded step uses ${describeContents(buffer.contents)}, which was disposed of: record the step again, or dispose of it`,
        );
      if (buffer.doubts) found.push(buffer.doubts);
    }
    for (const buffer of args) if (buffer.doubts) found.push(buffer.doubts);
    return Check.all(found);
  }

  /** Whether it can never run: a kernel doesn't compile, or there is no memory. */
  get failed(): boolean {
    return this.checks?.error !== undefined;
  }

  /** Its results are as new after a replay, whatever was written into them before. */
  renew(): void {
    for (const buffer of this.results) buffer.doubts = undefined;
  }

  add(draft: Draft): void {
    const command = this.drafts.push(draft) - 1;
    const operands =
      draft.kind === 'copy'
        ? [
            { buffer: draft.from, writes: false },
            { buffer: draft.to, writes: true },
          ]
        : draft.operands;
    for (const { buffer } of operands) if (!this.made(buffer)) this.use(ownerOf(buffer));
    const planned = (writes: boolean) =>
      operands
        .filter((operand) => operand.writes === writes)
        .map(({ buffer }) => ownerOf(buffer))
        .filter((buffer) => buffer instanceof PlannedBuffer)
        .filter(({ recording }) => recording === this);
    const [read, written] = [planned(false), planned(true)];
    for (const buffer of [...read, ...written]) buffer.use(command, inWords(draft));
    for (const a of read) {
      for (const b of written) {
        if (a === b) continue;
        a.conflicts.add(b);
        b.conflicts.add(a);
      }
    }
  }

  private use(buffer: GpuBuffer): void {
    const outside = buffer as PoolBuffer | PlannedBuffer;
    if (this.outside.has(outside)) return;
    this.outside.add(outside);
    if (outside instanceof PoolBuffer) outside.pin();
  }

  /**
   * Gives every temporary its place and every command its bind group.
   * @param results buffers that are read after the step, until its next replay
   * @param acquire memory for what the step has neither released nor returned: it stays as the step left it
   */
  complete(
    device: GPUDevice,
    results: ReadonlySet<GpuBuffer>,
    acquire: (bytes: number, contents: Contents) => PoolBuffer,
  ): readonly Command[] {
    const owned = new Set([...results].map(ownerOf));
    const placed: PlannedBuffer[] = [];
    for (const buffer of this.buffers) {
      if (owned.has(buffer)) {
        buffer.use(this.drafts.length, 'result');
        buffer.last = Number.POSITIVE_INFINITY;
      } else if (!buffer.released) {
        const kept = acquire(buffer.capacity, buffer.contents);
        this.keep(kept);
        this.keptBytes += kept.capacity;
        buffer.keepIn(kept);
        continue;
      }
      if (buffer.users.size > 0) placed.push(buffer);
    }
    const index = new Map(placed.map((buffer, i) => [buffer, i]));
    const temporaries: Temporary[] = placed.map(({ capacity: bytes, first, last, conflicts }) => ({
      bytes,
      first,
      last,
      conflicts: [...conflicts].flatMap((other) => index.get(other) ?? []),
    }));
    const { maxBufferSize, sizes: existing } = this.arenas;
    const { spots, arenas } = planArenas(temporaries, { maxBufferSize, existing });
    arenas.forEach((bytes, arena) => {
      this.needs(this.arenas.take(arena, bytes).check);
    });
    placed.forEach((buffer, i) => {
      const { arena, offset } = spots[i];
      buffer.putAt(this.arenas.take(arena, arenas[arena]).handle, offset);
    });
    this.commands = this.drafts.map((draft) => bind(device, draft));
    const peak = livePeak(temporaries);
    const atPeak = placed
      .filter(({ first, last }) => first <= peak.command && last >= peak.command)
      .sort((a, b) => b.capacity - a.capacity)
      .map(({ capacity, users }) => ({ bytes: capacity, users: [...users] }));
    const draft = this.drafts[peak.command];
    const peakCommand = draft ? inWords(draft) : peak.command < 0 ? 'arguments' : 'results';
    this.memory = { livePeakBytes: peak.bytes, peakCommand, atPeak };
    this.drafts = [];
    this.results = this.buffers.filter((buffer) => owned.has(buffer));
    this.buffers = [];
    return this.commands;
  }

  /**
   * Gives back what the recording holds besides its arenas. What waits to be submitted with its results must have been.
   * @param when its results were lost, for whoever uses them: `after the step's dispose()`
   */
  release(when: string): void {
    for (const buffer of [...this.buffers, ...this.results]) buffer.lose(when);
    for (const buffer of [...this.own, ...this.outside]) if (buffer instanceof PoolBuffer) buffer.unpin();
    this.own.clear();
    this.outside.clear();
    for (const { buffer } of this.uniformBlocks) buffer.handle.destroy();
    this.uniformBlocks.length = 0;
  }
}

/** Encodes commands into as few compute passes as the copies between them allow. */
export function encode(encoder: GPUCommandEncoder, commands: readonly Command[]): void {
  let pass: GPUComputePassEncoder | undefined;
  let pipeline: GPUComputePipeline | undefined;
  for (const command of commands) {
    if (command.kind === 'copy') {
      pass?.end();
      pass = undefined;
      encodeCopy(encoder, command);
      continue;
    }
    if (!pass) {
      pass = encoder.beginComputePass();
      pipeline = undefined;
    }
    if (command.pipeline !== pipeline) pass.setPipeline(command.pipeline);
    pipeline = command.pipeline;
    pass.setBindGroup(0, command.bindGroup);
    pass.dispatchWorkgroups(command.x, command.y);
  }
  pass?.end();
}

export function encodeCopy(
  encoder: GPUCommandEncoder,
  { from, fromOffset, to, toOffset, bytes }: CopyCommand,
): void {
  encoder.copyBufferToBuffer(from, fromOffset, to, toOffset, bytes);
}
