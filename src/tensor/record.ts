import { checkFunction } from '../checks.ts';
import { WeftError } from '../errors.ts';
import { Check } from '../gpu/checks.ts';
import type { Gpu } from '../gpu/gpu.ts';
import type { Arenas, RecordedMemory, Recording } from '../gpu/plan.ts';
import type { GpuBuffer } from '../gpu/pool.ts';
import { currentGpu } from './device.ts';
import { type Profile, profileRecording } from './profile.ts';
import { collect, keep, mapTensors, scope } from './scope.ts';
import { expectIsTensor, Storage, Tensor } from './tensor.ts';

/** Replays that may wait on the GPU at a time: one runs while the CPU prepares the next. */
const STEPS_IN_FLIGHT = 2;
/** Plans that are kept, those used last: each holds some 150 KB beside what the plans share. */
const MOST_PLANS = 32;

interface Plan<R> {
  readonly recording: Recording;
  /** Where the arguments are copied to. */
  readonly inputs: readonly GpuBuffer[];
  /** What the function returned; callers get handles of their own on its tensors, to dispose of or not. */
  readonly result: R;
  /** Frees what the plan holds. @param when its results were lost, in words */
  release(when: string): void;
}

/** What `record` makes: a function that runs the step. */
export interface Recorded<A extends readonly Tensor[], R> {
  /**
   * Runs the step. Resolves with what the function returned, its tensors holding this step's values until the next call, as soon
   * as the step is submitted and at most one earlier step is still running.
   * @throws WeftError after `dispose()`, and where something from outside that the step uses was disposed of (a tensor, a model, an
   * optimizer); GpuError where a kernel doesn't compile or there is no memory. A later call may succeed.
   */
  (...args: A): Promise<R>;
  /** Records the step for arguments of these shapes, if it isn't yet, and runs nothing. */
  prepare(...args: A): Promise<void>;
  /**
   * Runs the step several times with each dispatch timed, and tells what each took. Copies aren't timed. What the step changes, it
   * changes each time.
   */
  profile(...args: A): Promise<Profile>;
  /** Bytes of GPU memory that the recorded steps hold for themselves. */
  readonly allocatedBytes: number;
  /** Bytes of each buffer that the steps' temporaries share, and what was in use at the peak of the step that needs most. */
  readonly memory: RecordedMemory & { readonly arenas: readonly number[] };
  /** Frees the plans and their memory, results included. */
  dispose(): void;
}

/**
 * Records a step: `fn` runs once for each set of argument shapes, and its commands are kept; every call then only encodes them
 * again. No buffer, bind group or pipeline is made, and no shape or tape logic runs. Arguments are copied in; weights and other
 * tensors from outside are used in place. What changes otherwise comes from `hostTensor`. The 32 sets of shapes that were used last are
 * kept.
 *
 * @example
 * ```ts
 * import { Adam, layers, record, sequential, softmaxCrossEntropy, tensor } from 'weft-gpu';
 *
 * const model = sequential([layers.dense({ units: 2 })], { inputShape: [2] });
 * const optimizer = new Adam({ learningRate: 0.1 });
 * const step = record((x, labels) => {
 *   const loss = softmaxCrossEntropy(model.logits(x, { training: true }), labels);
 *   optimizer.minimize(loss, model.trainableParameters);
 *   return loss;
 * });
 * const [x, labels] = [tensor([[1, 0], [0, 1]]), tensor(Int32Array.of(1, 0))];
 * const first = await (await step(x, labels)).item();
 * for (let i = 0; i < 9; i++) await step(x, labels);
 * console.log((await (await step(x, labels)).item()) < first); // true
 * ```
 */
export function record<A extends readonly Tensor[], R>(fn: (...args: A) => R): Recorded<A, R> {
  checkFunction('record', 'its first argument', fn, '(x) => relu(x)');
  const plans = new Map<string, Plan<R>>();
  const inFlight: Promise<unknown>[] = [];
  /** The GPU that it is recorded on. */
  let owner: Gpu | undefined;
  let arenas: Arenas | undefined;
  let running = 0;
  let turn: Promise<unknown> = Promise.resolve();
  let disposed = false;

  const planFor = (gpu: Gpu, args: A): Plan<R> => {
    if (disposed) throw new WeftError('a recorded step was called after its dispose()');
    gpu.throwIfLost();
    if (owner && owner !== gpu)
      throw new WeftError(
        `a recorded step was called with tensors of another GPU than it was recorded on${owner.isLost ? ', which was lost or closed' : ''}: record it again`,
      );
    owner = gpu;
    arenas ??= gpu.makeArenas();
    const key = args.map(({ shape, dtype }) => `${dtype}${shape.join('x')}`).join(' ');
    const found = plans.get(key);
    plans.delete(key);
    const plan = found ?? capture(gpu, arenas, fn, args);
    // The plans are in the order of their last use.
    plans.set(key, plan);
    for (const [oldest, { release }] of plans) {
      if (plans.size <= MOST_PLANS) break;
      release(`after calls with ${MOST_PLANS} other sets of shapes: results last until the next call`);
      plans.delete(oldest);
    }
    return plan;
  };

  /** The plan, once all that it depends on is known to be there. */
  const ready = async (gpu: Gpu, args: A): Promise<Plan<R>> => {
    for (;;) {
      const plan = planFor(gpu, args);
      const { recording } = plan;
      const doubts = recording.doubts(args.map(({ storage }) => storage.buffer));
      if (!doubts) return plan;
      await gpu.settle(doubts, 'a recorded step').catch((error) => {
        if (recording.failed) drop(plan);
        throw error;
      });
    }
  };

  /** Forgets a plan that can't run, with what it took: the next call records it anew. */
  const drop = (plan: Plan<R>): void => {
    for (const [key, other] of plans) if (other === plan) plans.delete(key);
    plan.release('after its step failed');
    arenas?.dropFailed();
  };

  const run = async (gpu: Gpu, args: A): Promise<R> => {
    while (inFlight.length >= STEPS_IN_FLIGHT) await inFlight.shift();
    const plan = await ready(gpu, args);
    const copied = copyIn(gpu, args, plan.inputs, arenas!);
    if (copied) await copied;
    const taken = gpu.replay(plan.recording);
    const done = gpu.submittedWorkDone();
    done.catch(() => {});
    inFlight.push(done);
    await taken?.catch((error) => {
      drop(plan);
      throw error;
    });
    return mapTensors(plan.result, (tensor) => tensor.alias());
  };

  const free = (): void => {
    arenas?.destroy();
    for (const { release } of plans.values()) release("after the step's dispose()");
    plans.clear();
  };

  /** Calls that weren't awaited still run in order. */
  const inTurn = <T>(args: A, what: (gpu: Gpu, args: A) => T | Promise<T>): Promise<T> => {
    const begin = async (): Promise<T> => {
      args.forEach((arg, i) => {
        expectIsTensor('a recorded step', `argument ${i}`, arg);
      });
      const gpu = args[0]?.storage.gpu ?? currentGpu();
      gpu.throwIfLost();
      if (gpu.activeRecording)
        throw new WeftError(
          'a recorded step was called inside record(): call its function plainly, the outer record() keeps its commands',
        );
      const result = turn.then(async () => {
        running++;
        try {
          return await what(gpu, args);
        } finally {
          running--;
          if (disposed) free();
        }
      });
      turn = result.catch(() => {
        // close() cuts off calls that may be awaited by nobody, which is no mistake: a rejection that nobody hears of would end Node.
        if (gpu.isClosed) call.catch(() => {});
      });
      return result;
    };
    const call = begin();
    return call;
  };

  const recordings = () => [...plans.values()].map(({ recording }) => recording);
  return Object.defineProperties((...args: A) => inTurn(args, run), {
    prepare: {
      value: (...args: A) =>
        inTurn(args, async (gpu) => {
          await ready(gpu, args);
        }),
    },
    profile: {
      value: (...args: A) =>
        inTurn(args, async (gpu) => {
          const { recording, inputs } = await ready(gpu, args);
          return profileRecording(gpu, recording, () => copyIn(gpu, args, inputs, arenas!));
        }),
    },
    allocatedBytes: {
      get: () =>
        recordings().reduce(
          (total, { keptBytes }) => total + keptBytes,
          (arenas?.sizes ?? []).reduce((total, bytes) => total + bytes, 0),
        ),
    },
    memory: {
      get: () => ({
        ...recordings()
          .map(({ memory }) => memory)
          .reduce((most, memory) => (memory.livePeakBytes > most.livePeakBytes ? memory : most), NO_MEMORY),
        arenas: arenas?.sizes ?? [],
      }),
    },
    dispose: {
      value: () => {
        disposed = true;
        // A call that is under way still uses the memory.
        if (running === 0) free();
      },
    },
  }) as Recorded<A, R>;
}

const NO_MEMORY: RecordedMemory = { livePeakBytes: 0, peakCommand: '', atPeak: [] };

/**
 * Copies arguments to where the step reads them.
 * @returns where it isn't known at once that there is memory for it, what resolves when it is
 * @throws GpuError, by the promise, where there is none
 */
function copyIn(
  gpu: Gpu,
  args: readonly Tensor[],
  inputs: readonly GpuBuffer[],
  arenas: Arenas,
): Promise<void> | undefined {
  // An argument may be a result of the step before. Its memory is the step's own, where the copy of another argument may go.
  const sources = args.map(({ size, storage: { buffer } }) => {
    if (!arenas.owns(buffer)) return buffer;
    const outside = gpu.pool.acquire(size * 4, { shape: [size] });
    gpu.copy(buffer, outside, size * 4);
    return outside;
  });
  inputs.forEach((input, i) => {
    // It is written whole: what earlier values depended on doesn't matter.
    input.doubts = undefined;
    gpu.copy(sources[i], input, args[i].size * 4);
    if (sources[i] !== args[i].storage.buffer) sources[i].release();
  });
  const doubts = Check.all(inputs.map((input) => input.doubts));
  return doubts && gpu.settle(doubts, 'a recorded step');
}

/** Calls `fn` and keeps its commands, unexecuted. */
export function capture<A extends readonly Tensor[], R>(
  gpu: Gpu,
  arenas: Arenas,
  fn: (...args: A) => R,
  args: A,
): Plan<R> {
  let captured: { inputs: GpuBuffer[]; result: R } | undefined;
  const found = new Set<Tensor>();
  const recording = gpu.record(arenas, (made) => {
    const inputs = args.map(
      ({ shape, dtype, size }) =>
        new Tensor(shape, dtype, new Storage(gpu, made.acquireArgument(size * 4, { shape }))),
    );
    const buffers = inputs.map(({ storage }) => storage.buffer);
    const result = scope(() => fn(...(inputs as unknown as A)));
    collect(result, found);
    // Results outlive the step, which ends the tape: it would hold the activations' memory, too.
    for (const tensor of found) {
      keep(tensor);
      tensor.node?.release();
      tensor.node = undefined;
    }
    for (const input of inputs) if (!found.has(input)) input.dispose();
    captured = { inputs: buffers, result };
    return new Set([...found].map(({ storage }) => storage.buffer));
  });
  const release = (when: string) => {
    for (const tensor of found)
      if (!tensor.disposed && recording.made(tensor.storage.buffer)) tensor.dispose();
    recording.release(when);
  };
  return { recording, release, ...captured! };
}
