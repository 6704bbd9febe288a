import { WeftError } from '../errors.ts';
import type { Gpu } from '../gpu/gpu.ts';
import { type Recording, releaseRecording } from '../gpu/plan.ts';
import type { BufferPool } from '../gpu/pool.ts';
import { currentGpu } from './device.ts';
import { collect, keep, mapTensors, scope } from './scope.ts';
import { Storage, Tensor } from './tensor.ts';

/** Replays that may wait on the GPU at a time: one runs while the CPU prepares the next. */
const STEPS_IN_FLIGHT = 2;

interface Plan<R> {
  readonly recording: Recording;
  readonly inputs: readonly Tensor[];
  /** What the function returned; callers get handles of their own on its tensors, to dispose of or not. */
  readonly result: R;
}

export interface Recorded<A extends readonly Tensor[], R> {
  /**
   * Runs the step. Resolves with what the function returned, its tensors holding this step's values until the next call, as soon
   * as the step is submitted and at most one earlier step is still running.
   */
  (...args: A): Promise<R>;
  /** Bytes of GPU memory that the recorded steps hold for themselves. */
  readonly allocatedBytes: number;
  /** Frees the plans and their memory, results included. */
  dispose(): void;
}

/**
 * Records a step: `fn` runs once for each set of argument shapes, and its commands are kept; every call then only encodes them
 * again. No buffer, bind group or pipeline is made, and no shape or tape logic runs. Arguments are copied in; weights and other
 * tensors from outside are used in place. What changes otherwise comes from `hostTensor`.
 */
export function record<A extends readonly Tensor[], R>(fn: (...args: A) => R): Recorded<A, R> {
  const plans = new Map<string, Plan<R>>();
  const inFlight: Promise<unknown>[] = [];
  let pool: BufferPool | undefined;
  let turn: Promise<unknown> = Promise.resolve();
  let disposed = false;

  const run = async (gpu: Gpu, args: A): Promise<R> => {
    if (disposed) throw new WeftError('a recorded step was called after its dispose()');
    pool ??= gpu.makeRecordingPool();
    const key = args.map(({ shape, dtype }) => `${dtype}${shape.join('x')}`).join(' ');
    let plan = plans.get(key);
    if (!plan) {
      plan = capture(gpu, pool, fn, args);
      plans.set(key, plan);
    }
    while (inFlight.length >= STEPS_IN_FLIGHT) await inFlight.shift();
    plan.inputs.forEach((input, i) => {
      gpu.copy(args[i].storage.buffer, input.storage.buffer, input.size * 4);
    });
    gpu.replay(plan.recording);
    const done = gpu.submittedWorkDone();
    done.catch(() => {});
    inFlight.push(done);
    return mapTensors(plan.result, (tensor) => tensor.alias());
  };

  const recorded = async (...args: A): Promise<R> => {
    const gpu = args[0]?.storage.gpu ?? currentGpu();
    if (gpu.activeRecording)
      throw new WeftError(
        'a recorded step was called inside record(): call its function plainly, the outer record() keeps its commands',
      );
    // Calls that weren't awaited still run in order.
    const result = turn.then(() => run(gpu, args));
    turn = result.catch(() => {});
    return result;
  };
  return Object.defineProperties(recorded, {
    allocatedBytes: { get: () => pool?.allocatedBytes ?? 0 },
    dispose: {
      value: () => {
        disposed = true;
        for (const { recording } of plans.values()) releaseRecording(recording);
        plans.clear();
        pool?.destroy();
      },
    },
  }) as Recorded<A, R>;
}

function capture<A extends readonly Tensor[], R>(
  gpu: Gpu,
  pool: BufferPool,
  fn: (...args: A) => R,
  args: A,
): Plan<R> {
  const recording: Recording = { commands: [], hostInputs: [], pinned: [], uniformBlocks: [], pool };
  const inputs = args.map(
    ({ shape, dtype, size }) => new Tensor(shape, dtype, new Storage(gpu, pool.acquire(size * 4), true)),
  );
  gpu.startRecording(recording);
  try {
    const result = scope(() => fn(...(inputs as unknown as A)));
    const found = new Set<Tensor>();
    collect(result, found);
    // Results outlive the step, which ends the tape: it would hold the activations' memory, too.
    for (const tensor of found) {
      keep(tensor);
      tensor.node?.release();
      tensor.node = undefined;
    }
    return { recording, inputs, result };
  } finally {
    gpu.stopRecording();
  }
}
