import { GpuError } from '../errors.ts';
import { Answers } from './answers.ts';
import { Check, type Doubts } from './checks.ts';
import { planDispatches } from './dispatch.ts';
import { type Kernel, kernel, UNIFORM_SLOT_BYTES } from './kernel.ts';
import { oneLine } from './oneLine.ts';
import { type Binding, operandsOf } from './operands.ts';
import { Pipelines } from './pipelines.ts';
import { Arenas, bind, type Command, type Draft, encode, Recording, type Work } from './plan.ts';
import { BufferPool, type BufferSource, type DeviceBuffer, type GpuBuffer, PoolBuffer } from './pool.ts';
import { Staging } from './staging.ts';
import { timeByCpu, timeByGpu } from './timing.ts';
import { UNIFORM_BLOCK_BYTES, UniformBlock } from './uniforms.ts';

export type { Binding };

export interface Launch {
  readonly kernel: Kernel;
  readonly bindings: Readonly<Record<string, Binding>>;
  readonly uniforms?: Readonly<Record<string, number>>;
  readonly items: number;
  /** Workgroups for a number of items; default: one invocation an item. */
  readonly workgroups?: (items: number) => number;
  readonly work?: Work;
}

/** How many GPU objects were made and how often the CPU waited: what a recorded step must not do. */
export interface GpuCounters {
  buffers: number;
  bindGroups: number;
  pipelines: number;
  readbacks: number;
  dispatches: number;
  submits: number;
}

export interface GpuOptions {
  /** `'adapter'` (default) asks for the adapter's own buffer sizes, `'default'` for WebGPU's guaranteed limits. */
  limits?: 'adapter' | 'default';
  /** Called once when the device closes, or can't be opened, to let go of what keeps it alive. */
  onClose?: () => void;
  /** Called with each answer that comes only when the GPU has done its work. */
  whileWaiting?: (answer: Promise<unknown>) => void;
}

/** Commands are submitted at the latest after this many, so that the GPU has work while the CPU encodes. */
const COMMANDS_PER_SUBMIT = 64;
const EAGER_KEPT_FREE_BYTES = 1 << 30;

/**
 * One WebGPU device with its memory, pipelines and queue of commands. Commands are issued in order and run in order; what is
 * pending is submitted when somebody reads, and at the latest after a few dozen commands.
 *
 * What fails fails those that need it (see `Check`). Only a device that is lost or closed fails everything.
 */
export class Gpu {
  readonly counters: GpuCounters = {
    buffers: 0,
    bindGroups: 0,
    pipelines: 0,
    readbacks: 0,
    dispatches: 0,
    submits: 0,
  };
  readonly limits: GPUSupportedLimits;
  /** The adapter in words, as its driver names it. */
  readonly adapterName: string;
  /** The adapter with its driver's version, as far as the platform says: what was measured on one doesn't hold on another. */
  readonly adapterKey: string;
  readonly isSoftware: boolean;
  /** The width of a subgroup where the adapter promises one and only one; else 0, and subgroup kernels aren't offered. */
  readonly subgroupSize: number;
  /** What times single dispatches: the GPU's own clock where the adapter offers `timestamp-query`, else the CPU's. */
  readonly clock: 'gpu' | 'cpu';
  /** @internal */
  readonly pool: BufferPool;

  private readonly pipelines: Pipelines;
  private readonly staging: Staging;
  private readonly answers: Answers;
  private readonly uniformRing: UniformBlock;
  /** Commands that wait to be submitted, with what they depend on. */
  private pending: { command: Command; doubts: Doubts }[] = [];
  private recording: Recording | undefined;
  /** Why nothing computes here any more. */
  private failure: GpuError | undefined;
  /** What the device complained of without saying whose it is: told once, to whoever reads or syncs next. */
  private stray: GpuError | undefined;
  private closed = false;

  private constructor(
    private readonly device: GPUDevice,
    adapter: GPUAdapter,
    private readonly onClose: () => void,
    whileWaiting: GpuOptions['whileWaiting'],
  ) {
    this.limits = device.limits;
    const info = adapter.info;
    this.adapterName = adapterName(info);
    const { vendor, architecture, device: name, description } = info;
    this.adapterKey = [vendor, architecture, name, description].filter(Boolean).join(', ');
    this.isSoftware = isSoftwareAdapter(info);
    const fixed = info.subgroupMinSize !== undefined && info.subgroupMinSize === info.subgroupMaxSize;
    this.subgroupSize =
      fixed && device.features.has('subgroups' as GPUFeatureName) ? info.subgroupMinSize : 0;
    this.clock = device.features.has('timestamp-query') ? 'gpu' : 'cpu';
    this.answers = new Answers(whileWaiting);
    this.pipelines = new Pipelines(device, this.answers, () => void this.counters.pipelines++);
    this.pool = new BufferPool(this.bufferSource(), EAGER_KEPT_FREE_BYTES);
    this.staging = new Staging(this.bufferSource());
    this.uniformRing = this.makeUniformBlock();
    this.answers.asked(device.lost).then(({ reason, message }) => {
      this.fail(new GpuError(`the GPU device was lost (${reason}): ${message}; init() opens another`));
    });
    device.onuncapturederror = (event) => {
      this.noteStray(event.error.message);
      (event as Event).preventDefault?.();
    };
  }

  /**
   * @internal Opens a device on `adapter` and checks that it computes.
   * @throws GpuError when the adapter gives no device or a wrong sum.
   */
  static async open(adapter: GPUAdapter, options: GpuOptions = {}): Promise<Gpu> {
    const wanted = ['subgroups', 'timestamp-query'].filter((name) =>
      adapter.features.has(name as GPUFeatureName),
    ) as GPUFeatureName[];
    const { maxBufferSize, maxStorageBufferBindingSize } = adapter.limits;
    const requiredLimits = options.limits === 'default' ? {} : { maxBufferSize, maxStorageBufferBindingSize };
    let device: GPUDevice;
    try {
      device = await adapter.requestDevice({ requiredFeatures: wanted, requiredLimits });
    } catch (error) {
      options.onClose?.();
      throw new GpuError(`${adapterName(adapter.info)} gave no device: ${(error as Error).message}`);
    }
    const gpu = new Gpu(device, adapter, options.onClose ?? (() => {}), options.whileWaiting);
    try {
      await gpu.selfCheck();
      return gpu;
    } catch (error) {
      gpu.close();
      throw error;
    }
  }

  /** Whether the device was lost or closed: nothing computes on it any more, and `init()` opens another. */
  get isLost(): boolean {
    return this.failure !== undefined;
  }

  /** @internal Whether it was lost by `close()`. */
  get isClosed(): boolean {
    return this.closed;
  }

  /** @internal Issues one kernel over its items, in as many dispatches as the limits ask for. */
  launch({ kernel, bindings, uniforms = {}, items, workgroups, work }: Launch): void {
    this.throwIfLost();
    const { spec } = kernel;
    const operands = operandsOf(kernel, bindings, this.limits.minStorageBufferOffsetAlignment);
    const { pipeline, layout, check } = this.pipelines.of(kernel);
    const buffers = operands.map(({ name }) => bindings[name].buffer);
    const doubts = this.doubtsOf(buffers, check);
    const workgroupsOf = workgroups ?? ((count: number) => Math.ceil(count / spec.lanes));
    for (const chunk of planDispatches(spec.name, operands, items, workgroupsOf, this.limits)) {
      const block = this.uniformBlock();
      const values = { ...uniforms, items: chunk.items, first: chunk.first, workgroups: chunk.workgroups };
      const slot = block.push(kernel.uniformSlots, values, spec.name);
      const draft: Draft = {
        kind: 'dispatch',
        name: spec.name,
        pipeline,
        layout,
        scalars: { buffer: block.buffer.handle, offset: slot, size: UNIFORM_SLOT_BYTES },
        operands: buffers.map((buffer, i) => ({
          buffer,
          ...chunk.ranges[i],
          writes: kernel.bindings[i + 1].type === 'storage',
        })),
        x: chunk.grid[0],
        y: chunk.grid[1],
        bytes: chunk.ranges.reduce((total, { size }) => total + size, 0),
        work,
      };
      this.issue(draft, doubts);
    }
  }

  /** @internal Copies bytes between buffers, from and to the bytes that `at` says (multiples of 4), in order with the launches around it. */
  copy(from: GpuBuffer, to: GpuBuffer, bytes: number, at?: { from?: number; to?: number }): void {
    this.throwIfLost();
    this.issue({ kind: 'copy', from, to, bytes, at }, this.doubtsOf([from, to]));
  }

  /** @internal Writes CPU bytes into a buffer, after everything issued so far. */
  write(buffer: GpuBuffer, data: ArrayBufferView): void {
    this.throwIfLost();
    if (data.byteLength > buffer.capacity)
      throw new GpuError(`${data.byteLength} bytes don't go into a buffer of ${buffer.capacity}`);
    if (buffer instanceof PoolBuffer && data.byteLength === buffer.contentBytes) buffer.renew();
    // A queue write overtakes commands that aren't submitted yet, which may still use this buffer for its last owner.
    this.flush();
    const { handle, offset } = buffer;
    const write = () => this.device.queue.writeBuffer(handle, offset, data as ArrayBufferView<ArrayBuffer>);
    const doubts = Check.all([buffer.doubts]);
    if (doubts) this.doubted(doubts, write);
    else write();
  }

  /**
   * @internal Reads `bytes` from a buffer once everything issued so far has run.
   * @param what is read, for the error where what it depends on failed
   */
  async read(buffer: GpuBuffer, bytes: number, what: string): Promise<ArrayBuffer> {
    this.throwIfLost();
    if (this.recording)
      throw new GpuError(
        'a tensor was read inside record(): read what the recorded function returns instead',
      );
    this.counters.readbacks++;
    const { handle: from, offset: fromOffset } = buffer;
    const copied = Math.ceil(bytes / 4) * 4;
    const staging = this.staging.take(copied);
    const { handle: to, check } = staging;
    const doubts = Check.all([buffer.doubts, check]);
    this.enqueue({ kind: 'copy', from, fromOffset, to, toOffset: 0, bytes: copied }, doubts);
    this.flush();
    const map = () => to.mapAsync(GPUMapMode.READ, 0, copied);
    const mapped = this.done(doubts ? this.doubted(doubts, map) : map());
    mapped.catch(() => {});
    try {
      // Where a check fails, its words say more than a failed mapping's.
      if (doubts) await this.settle(doubts, what);
      await mapped;
      return to.getMappedRange(0, copied).slice(0, bytes);
    } finally {
      await mapped.catch(() => {});
      if (!this.failure) {
        to.unmap();
        this.staging.giveBack(staging);
      }
    }
  }

  /** Submits what is pending. */
  flush(): void {
    if (this.pending.length === 0) {
      // Commands that were dropped took slots, too.
      this.uniformRing.used = 0;
      return;
    }
    const { pending } = this;
    this.pending = [];
    this.writeUniforms(this.uniformRing);
    this.uniformRing.used = 0;
    let together: Command[] = [];
    const submitTogether = () => {
      if (together.length > 0) this.submit(together);
      together = [];
    };
    for (const { command, doubts } of pending) {
      if (!doubts || doubts.passed) {
        together.push(command);
        continue;
      }
      // One invalid command voids all that is submitted with it, so what is in doubt goes alone.
      submitTogether();
      this.doubted(doubts, () => this.submit([command]));
    }
    submitTogether();
  }

  /** Submits what is pending and waits until the GPU has done it. */
  async sync(): Promise<void> {
    this.flush();
    await this.done(this.device.queue.onSubmittedWorkDone());
  }

  /**
   * @internal Keeps the commands that `fn` issues, unexecuted, and gives them memory.
   * @param fn is given the recording; returns the buffers that are read after the step
   */
  record(arenas: Arenas, fn: (recording: Recording) => ReadonlySet<GpuBuffer>): Recording {
    if (this.recording)
      throw new GpuError(
        'record() inside record(): call the inner function plainly, its commands are kept by the outer one',
      );
    this.flush();
    const recording = new Recording(arenas);
    this.recording = recording;
    try {
      const results = fn(recording);
      const complete = () =>
        recording.complete(this.device, results, (bytes, contents) => this.pool.acquire(bytes, contents));
      // What is wrong with a command is told when the step runs first.
      this.inScope(complete);
      this.counters.bindGroups += recording.commands.filter(({ kind }) => kind === 'dispatch').length;
      for (const block of recording.uniformBlocks) this.writeUniforms(block);
      return recording;
    } catch (error) {
      recording.release('after the recording of its step failed');
      throw error;
    } finally {
      this.recording = undefined;
    }
  }

  /** @internal Runs `fn` with its commands issued at once and left out of the recording in progress, if there is one. */
  unrecorded<T>(fn: () => T): T {
    const { recording } = this;
    this.recording = undefined;
    try {
      return fn();
    } finally {
      if (recording) this.flush();
      this.recording = recording;
    }
  }

  /** @internal The recording in progress. */
  get activeRecording(): Recording | undefined {
    return this.recording;
  }

  /**
   * @internal Writes a recording's host inputs, encodes its commands and submits them.
   * @returns the first time, what resolves when the device has taken the commands
   * @throws what a host input's callback throws; GpuError, by the promise, where the device refuses the commands
   */
  replay(recording: Recording): Promise<void> | undefined {
    this.writeHostInputs(recording);
    this.counters.dispatches += recording.commands.length;
    recording.renew();
    if (recording.proven) {
      this.submit(recording.commands);
      return undefined;
    }
    const [, complaint] = this.inScope(() => this.submit(recording.commands));
    return this.answers.orLost(complaint).then((error) => {
      if (error)
        throw new GpuError(`the GPU refuses the commands of a recorded step: ${oneLine(error.message)}`);
      recording.proven = true;
    });
  }

  /** @internal Runs a recording as `replay` does, with each dispatch timed on `clock`. Milliseconds of each, in order. */
  async replayTimed(recording: Recording): Promise<number[]> {
    this.writeHostInputs(recording);
    // What came before isn't part of the first dispatch.
    await this.submittedWorkDone();
    this.counters.dispatches += recording.commands.length;
    recording.renew();
    const time = this.clock === 'gpu' ? timeByGpu : timeByCpu;
    const host = {
      device: this.device,
      makeBuffer: (bytes: number, usage: GPUBufferUsageFlags) =>
        this.makeBuffer(bytes, usage, 'timing').handle,
      settled: <T>(promise: Promise<T>) => this.done(promise),
    };
    return time(host, recording.commands);
  }

  private writeHostInputs({ hostInputs }: Recording): void {
    this.throwIfLost();
    this.flush();
    for (const { buffer, produce } of hostInputs) {
      const { handle, offset } = buffer;
      this.device.queue.writeBuffer(handle, offset, produce() as ArrayBufferView<ArrayBuffer>);
    }
  }

  /** @internal Resolves when what was submitted so far is done. What the device complained of is left to who reads or syncs next. */
  submittedWorkDone(): Promise<undefined> {
    return this.answers.workDone(this.device.queue.onSubmittedWorkDone());
  }

  /**
   * @internal Waits until each of these checks is answered.
   * @param what depends on them
   * @throws GpuError for the first that failed
   */
  async settle(doubts: Doubts, what: string): Promise<void> {
    if (doubts) await this.answers.orLost(doubts.done);
    const cause = doubts?.error;
    if (cause) throw new GpuError(`${what}: ${cause.message}`, { cause, wgsl: cause.wgsl });
  }

  /** @internal Memory for recordings that never run at the same time. */
  makeArenas(): Arenas {
    return new Arenas(this.bufferSource());
  }

  /** Rejects everything that waits and releases the device and the adapter; the process can then end by itself. */
  close(): void {
    if (this.closed) return;
    this.closed = true;
    this.pending = [];
    this.fail(new GpuError('the GPU device was closed'));
    this.device.destroy();
    // Dawn still works through what it was asked. Letting go of it before its last answer crashes or hangs the process.
    this.answers.settled().then(() => this.onClose());
  }

  /** Resolves as `answer` does, which comes when the GPU has done its work. */
  private async done<T>(answer: Promise<T>): Promise<T> {
    const value = await this.answers.workDone(answer);
    const { stray } = this;
    this.stray = undefined;
    if (stray) throw stray;
    return value;
  }

  /** What commands on these buffers depend on. Of recorded ones, the recording keeps account. */
  private doubtsOf(buffers: readonly GpuBuffer[], check?: Check): Doubts {
    if (this.recording) {
      if (check) this.recording.needs(check);
      return undefined;
    }
    if (check?.passed && buffers.every(({ doubts }) => !doubts)) return undefined;
    return Check.all([check, ...buffers.map(({ doubts }) => doubts)]);
  }

  private issue(draft: Draft, doubts: Doubts): void {
    if (this.recording) {
      this.recording.add(draft);
      return;
    }
    if (draft.kind === 'dispatch') this.counters.bindGroups++;
    if (!doubts) {
      this.enqueue(bind(this.device, draft), undefined);
      return;
    }
    const written =
      draft.kind === 'copy'
        ? [draft.to]
        : draft.operands.filter(({ writes }) => writes).map(({ buffer }) => buffer);
    for (const buffer of written) buffer.doubts = doubts;
    if (!doubts.error)
      this.enqueue(
        this.doubted(doubts, () => bind(this.device, draft)),
        doubts,
      );
  }

  private enqueue(command: Command, doubts: Doubts): void {
    this.counters.dispatches++;
    this.pending.push({ command, doubts });
    if (this.pending.length >= COMMANDS_PER_SUBMIT) this.flush();
  }

  private submit(commands: readonly Command[]): void {
    const encoder = this.device.createCommandEncoder();
    encode(encoder, commands);
    this.counters.submits++;
    this.device.queue.submit([encoder.finish()]);
  }

  /** Calls `fn`, and hears of what the device complains of in it. */
  private inScope<T>(fn: () => T): readonly [T, Promise<GPUError | null>] {
    this.device.pushErrorScope('validation');
    try {
      return [fn(), this.answers.asked(this.device.popErrorScope())];
    } catch (error) {
      this.answers.asked(this.device.popErrorScope()).catch(() => {});
      throw error;
    }
  }

  /** Calls `fn`, which the device may complain of where one of the checks fails. */
  private doubted<T>(doubts: NonNullable<Doubts>, fn: () => T): T {
    const [result, complaint] = this.inScope(fn);
    const explain = async () => {
      const error = await complaint;
      if (!error) return;
      await doubts.done;
      if (!doubts.error) this.noteStray(error.message);
    };
    explain().catch(() => {});
    return result;
  }

  private noteStray(message: string): void {
    this.stray ??= new GpuError(`the GPU refused a command: ${oneLine(message)}`);
  }

  private uniformBlock(): UniformBlock {
    if (!this.recording) {
      if (this.uniformRing.full) this.flush();
      return this.uniformRing;
    }
    const { uniformBlocks } = this.recording;
    let block = uniformBlocks[uniformBlocks.length - 1];
    if (!block || block.full) {
      block = this.makeUniformBlock();
      this.recording.needs(block.buffer.check);
      uniformBlocks.push(block);
    }
    return block;
  }

  private writeUniforms({ buffer: { handle }, shadow, used }: UniformBlock): void {
    if (used > 0) this.device.queue.writeBuffer(handle, 0, shadow.buffer, 0, used);
  }

  private makeUniformBlock(): UniformBlock {
    const usage = GPUBufferUsage.UNIFORM | GPUBufferUsage.COPY_DST;
    return new UniformBlock(this.makeBuffer(UNIFORM_BLOCK_BYTES, usage, "kernels' scalars"));
  }

  private bufferSource(): BufferSource {
    return {
      createBuffer: (bytes, usage, what) => this.makeBuffer(bytes, usage, what),
      flush: () => this.flush(),
      maxBufferSize: this.limits.maxBufferSize,
    };
  }

  private makeBuffer(size: number, usage: GPUBufferUsageFlags, what: string): DeviceBuffer {
    this.throwIfLost();
    this.counters.buffers++;
    this.device.pushErrorScope('validation');
    this.device.pushErrorScope('out-of-memory');
    const handle = this.device.createBuffer({ size, usage });
    const errors = Promise.all([this.device.popErrorScope(), this.device.popErrorScope()]);
    const outcome = this.answers.asked(errors).then((found) => {
      const error = found.find((error) => error !== null);
      if (!error) return undefined;
      const { allocatedBytes } = this.pool;
      // The next attempt may find what is kept free here.
      this.pool.trim();
      return new GpuError(
        `the GPU has no memory for ${what}: ${size} bytes, with ${allocatedBytes} allocated (${oneLine(error.message)})`,
      );
    });
    return { handle, check: Check.of(outcome) };
  }

  private fail(error: GpuError): void {
    if (this.failure) return;
    this.failure = error;
    this.answers.lose(error);
  }

  /** @throws GpuError where the device was lost or closed: nothing computes on it any more. */
  throwIfLost(): void {
    if (this.failure) throw this.failure;
  }

  /** An adapter that executes nothing must not pass: the GPU adds the numbers 0 to 1023 and the CPU knows the sum. */
  private async selfCheck(): Promise<void> {
    const result = this.pool.acquire(4, { shape: [1] });
    const binding = { buffer: result, offset: 0, bytes: 4, bytesPerItem: 0 };
    this.launch({ kernel: selfCheckKernel, bindings: { sum: binding }, items: 1, workgroups: () => 1 });
    const [sum] = new Uint32Array(await this.read(result, 4, 'the sum of 0..1023'));
    result.release();
    if (sum !== (1023 * 1024) / 2)
      throw new GpuError(`${this.adapterName} computes wrongly: the sum of 0..1023 came out as ${sum}`);
  }
}

const selfCheckKernel = kernel({
  name: 'self-check',
  lanes: 64,
  write: { sum: 'u32' },
  declarations: 'var<workgroup> partial: array<u32, 64>;',
  body: `
    var s = 0u;
    for (var i = lane; i < 1024u; i += 64u) { s += i; }
    partial[lane] = s;
    workgroupBarrier();
    if (lane == 0u) {
      var total = 0u;
      for (var i = 0u; i < 64u; i++) { total += partial[i]; }
      sum[0] = total;
    }`,
});

export function adapterName(info: GPUAdapterInfo): string {
  return (
    info.description ||
    info.device ||
    [info.vendor, info.architecture].filter(Boolean).join(' ') ||
    'unnamed adapter'
  );
}

export function isSoftwareAdapter(info: GPUAdapterInfo): boolean {
  return (
    info.isFallbackAdapter ||
    /llvmpipe|lavapipe|swiftshader|software/i.test(`${info.description} ${info.device} ${info.architecture}`)
  );
}
