import { GpuError } from '../errors.ts';
import { type Operand, planDispatches } from './dispatch.ts';
import { type Kernel, kernel, UNIFORM_SLOT_BYTES } from './kernel.ts';
import { Arenas, bind, type Command, type Draft, encode, Recording, type Work } from './plan.ts';
import { BufferPool, type GpuBuffer } from './pool.ts';
import { timeByCpu, timeByGpu } from './timing.ts';

/** A byte range of a buffer, bound to a kernel: whole, or split along the items of the launch. */
export interface Binding {
  readonly buffer: GpuBuffer;
  readonly offset: number;
  readonly bytes: number;
  readonly bytesPerItem: number;
}

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
  /** Called once when the device closes, to let go of what keeps it alive. */
  onClose?: () => void;
  /** Called with each answer that comes only when the GPU has done its work. */
  whileWaiting?: (answer: Promise<unknown>) => void;
}

/** Bytes of the eager uniform ring and of each block that a recording takes. */
const UNIFORM_BLOCK_BYTES = 1 << 16;
/** Commands are submitted at the latest after this many, so that the GPU has work while the CPU encodes. */
const COMMANDS_PER_SUBMIT = 64;
const EAGER_KEPT_FREE_BYTES = 1 << 30;

/** Uniform slots in one buffer, written in one go before the commands that read them. */
class UniformBlock {
  readonly shadow = new DataView(new ArrayBuffer(UNIFORM_BLOCK_BYTES));
  used = 0;
  constructor(readonly buffer: GPUBuffer) {}

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

/**
 * One WebGPU device with its memory, pipelines and queue of commands. Commands are issued in order and run in order; what is
 * pending is submitted when somebody reads, and at the latest after a few dozen commands.
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

  private readonly pipelines = new Map<
    string,
    { pipeline: GPUComputePipeline; layout: GPUBindGroupLayout }
  >();
  private readonly staging = new Map<number, GPUBuffer[]>();
  private readonly uniformRing: UniformBlock;
  private pending: Command[] = [];
  private recording: Recording | undefined;
  private failure: GpuError | undefined;
  /** Compilations whose outcome isn't known yet. */
  private readonly pipelineChecks = new Set<Promise<void>>();
  /** Where kernels that don't compile are noted while some are tried. */
  private refused: GpuError[] | undefined;
  /** Questions to the device that it hasn't answered yet. */
  private readonly unanswered = new Set<Promise<unknown>>();
  private closed = false;
  private rejectLost: (error: GpuError) => void = () => {};
  private readonly lost: Promise<never>;

  private constructor(
    private readonly device: GPUDevice,
    adapter: GPUAdapter,
    private readonly onClose: () => void,
    private readonly whileWaiting: GpuOptions['whileWaiting'],
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
    this.pool = new BufferPool(this.bufferSource(), EAGER_KEPT_FREE_BYTES);
    this.uniformRing = new UniformBlock(this.makeUniformBuffer());
    this.lost = new Promise<never>((_, reject) => {
      this.rejectLost = reject;
    });
    this.lost.catch(() => {});
    this.asked(device.lost).then((info) => {
      if (!this.closed) this.fail(new GpuError(`the GPU device was lost (${info.reason}): ${info.message}`));
    });
    device.onuncapturederror = (event) => {
      const error = new GpuError(event.error.message);
      // Where a pipeline didn't compile, its own check says why; this error only says that it was used.
      Promise.all(this.pipelineChecks).then(() => this.fail(error));
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
      throw new GpuError(`${adapterName(adapter.info)} gave no device: ${(error as Error).message}`);
    }
    const gpu = new Gpu(device, adapter, options.onClose ?? (() => {}), options.whileWaiting);
    await gpu.selfCheck();
    return gpu;
  }

  /** @internal Issues one kernel over its items, in as many dispatches as the limits ask for. */
  launch({ kernel, bindings, uniforms = {}, items, workgroups, work }: Launch): void {
    this.throwIfFailed();
    const { spec } = kernel;
    const operands: Operand[] = kernel.bindings.slice(1).map(({ name, type }) => {
      const binding = bindings[name];
      if (!binding) throw new GpuError(`kernel ${spec.name}: nothing was bound to '${name}'`);
      return {
        name,
        uniform: type === 'uniform',
        offset: binding.offset,
        bytes: binding.bytes,
        bytesPerItem: binding.bytesPerItem,
      };
    });
    const { pipeline, layout } = this.pipelineOf(kernel);
    const workgroupsOf = workgroups ?? ((count: number) => Math.ceil(count / spec.lanes));
    for (const chunk of planDispatches(spec.name, operands, items, workgroupsOf, this.limits)) {
      const block = this.uniformBlock();
      const values = { ...uniforms, items: chunk.items, first: chunk.first, workgroups: chunk.workgroups };
      const slot = block.push(kernel.uniformSlots, values, spec.name);
      this.issue({
        kind: 'dispatch',
        name: spec.name,
        pipeline,
        layout,
        scalars: { buffer: block.buffer, offset: slot, size: UNIFORM_SLOT_BYTES },
        operands: operands.map(({ name }, i) => ({
          buffer: bindings[name].buffer,
          ...chunk.ranges[i],
          writes: kernel.bindings[i + 1].type === 'storage',
        })),
        x: chunk.grid[0],
        y: chunk.grid[1],
        bytes: chunk.ranges.reduce((total, { size }) => total + size, 0),
        work,
      });
    }
  }

  /** @internal Copies bytes between buffers, from and to the bytes that `at` says (multiples of 4), in order with the launches around it. */
  copy(from: GpuBuffer, to: GpuBuffer, bytes: number, at?: { from?: number; to?: number }): void {
    this.throwIfFailed();
    this.issue({ kind: 'copy', from, to, bytes, at });
  }

  /** @internal Writes CPU bytes into a buffer, after everything issued so far. */
  write(buffer: GpuBuffer, data: ArrayBufferView): void {
    this.throwIfFailed();
    // A queue write overtakes commands that aren't submitted yet, which may still use this buffer for its last owner.
    this.flush();
    const { handle, offset } = buffer;
    this.device.queue.writeBuffer(handle, offset, data as ArrayBufferView<ArrayBuffer>);
  }

  /** @internal Reads `bytes` from a buffer once everything issued so far has run. */
  async read(buffer: GpuBuffer, bytes: number): Promise<ArrayBuffer> {
    this.throwIfFailed();
    if (this.recording)
      throw new GpuError(
        'a tensor was read inside record(): read what the recorded function returns instead',
      );
    this.counters.readbacks++;
    const capacity = Math.max(256, 2 ** Math.ceil(Math.log2(bytes)));
    const staging =
      this.staging.get(capacity)?.pop() ??
      this.makeBuffer(capacity, GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST);
    const { handle: from, offset: fromOffset } = buffer;
    const copied = Math.ceil(bytes / 4) * 4;
    this.enqueue({ kind: 'copy', from, fromOffset, to: staging, toOffset: 0, bytes: copied });
    this.flush();
    await this.workDone(staging.mapAsync(GPUMapMode.READ, 0, copied));
    const data = staging.getMappedRange(0, copied).slice(0, bytes);
    staging.unmap();
    const free = this.staging.get(capacity);
    if (free) free.push(staging);
    else this.staging.set(capacity, [staging]);
    this.throwIfFailed();
    return data;
  }

  /** Submits what is pending. */
  flush(): void {
    if (this.pending.length === 0) return;
    this.writeUniforms(this.uniformRing);
    this.uniformRing.used = 0;
    const encoder = this.device.createCommandEncoder();
    encode(encoder, this.pending);
    this.counters.submits++;
    this.device.queue.submit([encoder.finish()]);
    this.pending = [];
  }

  /** Submits what is pending and waits until the GPU has done it. */
  async sync(): Promise<void> {
    this.flush();
    await this.submittedWorkDone();
    this.throwIfFailed();
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
      recording.complete(this.device, results, (bytes) => this.pool.acquire(bytes));
      this.counters.bindGroups += recording.commands.filter(({ kind }) => kind === 'dispatch').length;
      for (const block of recording.uniformBlocks) this.writeUniforms(block);
      return recording;
    } catch (error) {
      recording.release();
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

  /** @internal Writes a recording's host inputs, encodes its commands and submits them. */
  replay(recording: Recording): void {
    this.writeHostInputs(recording);
    const encoder = this.device.createCommandEncoder();
    encode(encoder, recording.commands);
    this.counters.dispatches += recording.commands.length;
    this.counters.submits++;
    this.device.queue.submit([encoder.finish()]);
  }

  /** @internal Runs a recording as `replay` does, with each dispatch timed on `clock`. Milliseconds of each, in order. */
  async replayTimed(recording: Recording): Promise<number[]> {
    this.writeHostInputs(recording);
    // What came before isn't part of the first dispatch.
    await this.submittedWorkDone();
    this.counters.dispatches += recording.commands.length;
    const time = this.clock === 'gpu' ? timeByGpu : timeByCpu;
    const host = {
      device: this.device,
      makeBuffer: (bytes: number, usage: GPUBufferUsageFlags) => this.makeBuffer(bytes, usage),
      settled: <T>(promise: Promise<T>) => this.workDone(promise),
    };
    return time(host, recording.commands);
  }

  private writeHostInputs({ hostInputs }: Recording): void {
    this.throwIfFailed();
    this.flush();
    for (const { buffer, produce } of hostInputs) {
      const { handle, offset } = buffer;
      this.device.queue.writeBuffer(handle, offset, produce() as ArrayBufferView<ArrayBuffer>);
    }
  }

  /** Resolves when what was submitted so far is done. */
  submittedWorkDone(): Promise<undefined> {
    return this.workDone(this.device.queue.onSubmittedWorkDone());
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
    Promise.allSettled(this.unanswered).then(() => this.onClose());
  }

  private workDone<T>(answer: Promise<T>): Promise<T> {
    this.whileWaiting?.(answer);
    return this.orLost(this.asked(answer));
  }

  private asked<T>(answer: Promise<T>): Promise<T> {
    this.unanswered.add(answer);
    const answered = () => void this.unanswered.delete(answer);
    answer.then(answered, answered);
    return answer;
  }

  private issue(draft: Draft): void {
    if (this.recording) {
      this.recording.add(draft);
      return;
    }
    if (draft.kind === 'dispatch') this.counters.bindGroups++;
    this.enqueue(bind(this.device, draft));
  }

  private enqueue(command: Command): void {
    this.counters.dispatches++;
    this.pending.push(command);
    if (this.pending.length >= COMMANDS_PER_SUBMIT) this.flush();
  }

  private uniformBlock(): UniformBlock {
    if (!this.recording) {
      if (this.uniformRing.full) this.flush();
      return this.uniformRing;
    }
    const blocks = this.recording.uniformBlocks as UniformBlock[];
    let block = blocks[blocks.length - 1];
    if (!block || block.full) {
      block = new UniformBlock(this.makeUniformBuffer());
      blocks.push(block);
    }
    return block;
  }

  private writeUniforms({
    buffer,
    shadow,
    used,
  }: {
    buffer: GPUBuffer;
    shadow: DataView<ArrayBuffer>;
    used: number;
  }): void {
    if (used > 0) this.device.queue.writeBuffer(buffer, 0, shadow.buffer, 0, used);
  }

  /**
   * Resolves with what the compiler says of the kernels that `issue` is the first to use and that don't compile, which fails the device
   * otherwise. `issue` may only record them. Such a kernel is compiled again when it is used again.
   */
  async tryKernels(issue: () => void | Promise<void>): Promise<GpuError[]> {
    const refused: GpuError[] = [];
    this.refused = refused;
    try {
      await issue();
    } finally {
      this.refused = undefined;
    }
    await Promise.all(this.pipelineChecks);
    return refused;
  }

  private pipelineOf(kernel: Kernel): { pipeline: GPUComputePipeline; layout: GPUBindGroupLayout } {
    const found = this.pipelines.get(kernel.code);
    if (found) return found;
    const { name } = kernel.spec;
    this.counters.pipelines++;
    const { refused } = this;
    // What a driver's own compiler refuses is an internal error.
    this.device.pushErrorScope('internal');
    this.device.pushErrorScope('validation');
    const layout = this.device.createBindGroupLayout({
      label: name,
      entries: kernel.bindings.map(({ type }, binding) => ({
        binding,
        visibility: GPUShaderStage.COMPUTE,
        buffer: { type },
      })),
    });
    const module = this.device.createShaderModule({ label: name, code: kernel.code });
    const pipeline = this.device.createComputePipeline({
      label: name,
      layout: this.device.createPipelineLayout({ bindGroupLayouts: [layout] }),
      compute: { module, entryPoint: 'main' },
    });
    const errors = [this.device.popErrorScope(), this.device.popErrorScope()];
    const check = this.asked(Promise.all(errors)).then(
      async (found) => {
        const error = found.find((error) => error !== null);
        if (!error) return;
        const failure = new GpuError(await describeShaderError(name, kernel.code, module, error.message));
        if (!refused) return this.fail(failure);
        this.pipelines.delete(kernel.code);
        refused.push(failure);
      },
      () => {},
    );
    this.pipelineChecks.add(check);
    check.then(() => this.pipelineChecks.delete(check));
    const made = { pipeline, layout };
    this.pipelines.set(kernel.code, made);
    return made;
  }

  private bufferSource() {
    return {
      createBuffer: (bytes: number, usage: GPUBufferUsageFlags) => this.makeBuffer(bytes, usage),
      flush: () => this.flush(),
      maxBufferSize: this.limits.maxBufferSize,
    };
  }

  private makeUniformBuffer(): GPUBuffer {
    return this.makeBuffer(UNIFORM_BLOCK_BYTES, GPUBufferUsage.UNIFORM | GPUBufferUsage.COPY_DST);
  }

  private makeBuffer(size: number, usage: GPUBufferUsageFlags): GPUBuffer {
    this.counters.buffers++;
    this.device.pushErrorScope('out-of-memory');
    const buffer = this.device.createBuffer({ size, usage });
    this.asked(this.device.popErrorScope()).then(
      (error) => {
        if (error)
          this.fail(
            new GpuError(
              `the GPU has no memory for a buffer of ${size} bytes (${this.pool.allocatedBytes} are allocated)`,
            ),
          );
      },
      () => {},
    );
    return buffer;
  }

  private fail(error: GpuError): void {
    this.failure ??= error;
    this.rejectLost(this.failure);
  }

  /** @throws GpuError where the device was lost, or refused something: nothing computes on it any more. */
  throwIfFailed(): void {
    if (this.failure) throw this.failure;
  }

  private async orLost<T>(promise: Promise<T>): Promise<T> {
    const result = await Promise.race([promise, this.lost]);
    await Promise.all(this.pipelineChecks);
    this.throwIfFailed();
    return result;
  }

  /** An adapter that executes nothing must not pass: the GPU adds the numbers 0 to 1023 and the CPU knows the sum. */
  private async selfCheck(): Promise<void> {
    const result = this.pool.acquire(4);
    const binding = { buffer: result, offset: 0, bytes: 4, bytesPerItem: 0 };
    this.launch({ kernel: selfCheckKernel, bindings: { sum: binding }, items: 1, workgroups: () => 1 });
    const [sum] = new Uint32Array(await this.read(result, 4));
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

/** The compiler's messages, each with its line of WGSL, or the device's own words where it has none. */
async function describeShaderError(
  name: string,
  code: string,
  module: GPUShaderModule,
  message: string,
): Promise<string> {
  const info = await module.getCompilationInfo();
  const errors = info.messages.filter(({ type }) => type === 'error');
  const lines = code.split('\n');
  const details = errors.map(
    ({ lineNum, message }) => `  line ${lineNum}: ${message}\n    ${lines[lineNum - 1]?.trim() ?? ''}`,
  );
  const listing = lines.map((line, i) => `${String(i + 1).padStart(4)} ${line}`).join('\n');
  return `kernel ${name} doesn't compile:\n${details.length > 0 ? details.join('\n') : message}\n${listing}`;
}
