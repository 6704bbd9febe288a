import type { Command, DispatchCommand } from './plan.ts';
import { encode, encodeCopy } from './plan.ts';

/** Queries in a set: WebGPU's limit. Each dispatch takes two. */
const QUERIES = 4096;

/** What timing needs of the device. */
export interface TimingHost {
  readonly device: GPUDevice;
  makeBuffer(bytes: number, usage: GPUBufferUsageFlags): GPUBuffer;
  /** Resolves as `promise` does, or rejects when the device is lost. */
  settled<T>(promise: Promise<T>): Promise<T>;
}

const isDispatch = (command: Command): command is DispatchCommand => command.kind === 'dispatch';

/** Runs commands with a pass of its own for each dispatch, timed by the GPU's clock. Milliseconds of each dispatch. */
export async function timeByGpu(host: TimingHost, commands: readonly Command[]): Promise<number[]> {
  const times: number[] = [];
  let part: Command[] = [];
  const flush = async () => {
    if (part.length > 0) times.push(...(await timePart(host, part)));
    part = [];
  };
  for (const command of commands) {
    part.push(command);
    if (part.length === QUERIES / 2) await flush();
  }
  await flush();
  return times;
}

async function timePart({ device, makeBuffer, settled }: TimingHost, commands: readonly Command[]) {
  const count = 2 * commands.filter(isDispatch).length;
  const encoder = device.createCommandEncoder();
  if (count === 0) {
    encode(encoder, commands);
    device.queue.submit([encoder.finish()]);
    return [];
  }
  const querySet = device.createQuerySet({ type: 'timestamp', count });
  const resolved = makeBuffer(count * 8, GPUBufferUsage.QUERY_RESOLVE | GPUBufferUsage.COPY_SRC);
  const staging = makeBuffer(count * 8, GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST);
  try {
    let query = 0;
    for (const command of commands) {
      if (command.kind === 'copy') {
        encodeCopy(encoder, command);
        continue;
      }
      const timestampWrites = {
        querySet,
        beginningOfPassWriteIndex: query++,
        endOfPassWriteIndex: query++,
      };
      const pass = encoder.beginComputePass({ timestampWrites });
      pass.setPipeline(command.pipeline);
      pass.setBindGroup(0, command.bindGroup);
      pass.dispatchWorkgroups(command.x, command.y);
      pass.end();
    }
    encoder.resolveQuerySet(querySet, 0, count, resolved, 0);
    encoder.copyBufferToBuffer(resolved, 0, staging, 0, count * 8);
    device.queue.submit([encoder.finish()]);
    await settled(staging.mapAsync(GPUMapMode.READ));
    const nanoseconds = new BigUint64Array(staging.getMappedRange());
    return Array.from({ length: count / 2 }, (_, i) =>
      // A clock may be set back between the two (WebGPU grants it).
      Math.max(0, Number(nanoseconds[2 * i + 1] - nanoseconds[2 * i]) / 1e6),
    );
  } finally {
    querySet.destroy();
    resolved.destroy();
    staging.destroy();
  }
}

/** Runs commands one by one, each submitted and waited for by itself. Milliseconds of each dispatch, with what that takes. */
export async function timeByCpu(
  { device, settled }: TimingHost,
  commands: readonly Command[],
): Promise<number[]> {
  const times: number[] = [];
  for (const command of commands) {
    const encoder = device.createCommandEncoder();
    encode(encoder, [command]);
    const buffer = encoder.finish();
    const start = performance.now();
    device.queue.submit([buffer]);
    await settled(device.queue.onSubmittedWorkDone());
    if (command.kind === 'dispatch') times.push(performance.now() - start);
  }
  return times;
}
