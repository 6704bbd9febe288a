import type { BufferPool, GpuBuffer } from './pool.ts';

/** One thing the GPU does. A list of them can be encoded any number of times. */
export type Command =
  | {
      readonly kind: 'dispatch';
      readonly name: string;
      readonly pipeline: GPUComputePipeline;
      readonly bindGroup: GPUBindGroup;
      readonly x: number;
      readonly y: number;
    }
  | { readonly kind: 'copy'; readonly from: GPUBuffer; readonly to: GPUBuffer; readonly bytes: number };

/** What changes from step to step: produced on the CPU and written into GPU memory before each replay. */
export interface HostInput {
  readonly buffer: GpuBuffer;
  readonly produce: () => ArrayBufferView;
}

/** The commands of one step with everything they hold on to. */
export interface Recording {
  readonly commands: Command[];
  readonly hostInputs: HostInput[];
  /**
   * Buffers of host inputs and constants, from the device's own pool: they are written before the commands run, so no command may
   * have them as a temporary.
   */
  readonly pinned: GpuBuffer[];
  /** Scalars of the kernels, written once. */
  readonly uniformBlocks: {
    readonly buffer: GPUBuffer;
    readonly shadow: DataView<ArrayBuffer>;
    used: number;
  }[];
  /** Memory of the step's temporaries. */
  readonly pool: BufferPool;
}

/** Encodes commands into as few compute passes as the copies between them allow. */
export function encode(encoder: GPUCommandEncoder, commands: readonly Command[]): void {
  let pass: GPUComputePassEncoder | undefined;
  let pipeline: GPUComputePipeline | undefined;
  for (const command of commands) {
    if (command.kind === 'copy') {
      pass?.end();
      pass = undefined;
      encoder.copyBufferToBuffer(command.from, 0, command.to, 0, command.bytes);
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

/** Gives back what a recording holds besides its pool, which recordings of one step share. */
export function releaseRecording({ pinned, uniformBlocks }: Recording): void {
  for (const buffer of pinned) buffer.pool.release(buffer);
  for (const { buffer } of uniformBlocks) buffer.destroy();
}
