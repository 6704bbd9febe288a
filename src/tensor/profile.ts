import type { Gpu } from '../gpu/gpu.ts';
import type { Command, Recording, Work } from '../gpu/plan.ts';
import { median } from './median.ts';

/** One dispatch of a recorded step, with what it took. */
export interface ProfiledDispatch {
  readonly kernel: string;
  /** The op that it is part of, with its size where the op tells it; the kernel's name where none was given. */
  readonly op: string;
  /** `forward`, `backward` or which part of it; empty where no op was given. */
  readonly pass: string;
  /** Median over the repetitions, in milliseconds. */
  readonly ms: number;
  /** Bytes of the ranges that it binds, read or written. */
  readonly bytes: number;
  readonly workgroups: number;
  /** Dispatches with the same number are one piece of work. */
  readonly work: number;
  /** Floating-point operations of that piece of work as a whole, two a multiply-add, counted as its plain method has them. */
  readonly flops?: number;
}

/** What each dispatch of a recorded step took. */
export interface Profile {
  /** `gpu`: timestamps of the GPU; `cpu`: each dispatch submitted and waited for alone, which is part of its time. */
  readonly clock: 'gpu' | 'cpu';
  readonly repetitions: number;
  /** In the order in which they run. */
  readonly dispatches: readonly ProfiledDispatch[];
}

/** Times a step at least so often, and on until it has taken so long, or so often. */
const MIN_REPETITIONS = 3;
const MAX_REPETITIONS = 9;
const ENOUGH_MS = 5000;

/**
 * Runs a recording several times with each dispatch timed; the first time doesn't count.
 * @param prepare called before each repetition
 */
export async function profileRecording(
  gpu: Gpu,
  recording: Recording,
  prepare: () => Promise<void> | undefined,
): Promise<Profile> {
  const runs: number[][] = [];
  const once = async () => {
    await prepare();
    return gpu.replayTimed(recording);
  };
  await once();
  const start = performance.now();
  do runs.push(await once());
  while (
    runs.length < MIN_REPETITIONS ||
    (runs.length < MAX_REPETITIONS && performance.now() - start < ENOUGH_MS)
  );
  const numbers = new Map<Work | Command, number>();
  const dispatches = recording.commands
    .filter((command) => command.kind === 'dispatch')
    .map((command, i) => {
      const { name, work, bytes, x, y } = command;
      const piece = work ?? command;
      if (!numbers.has(piece)) numbers.set(piece, numbers.size);
      return {
        kernel: name,
        op: work?.op ?? name,
        pass: work?.pass ?? '',
        ms: median(runs.map((times) => times[i])),
        bytes,
        workgroups: x * y,
        work: numbers.get(piece)!,
        ...(work?.flops !== undefined && { flops: work.flops }),
      };
    });
  return { clock: gpu.clock, repetitions: runs.length, dispatches };
}

/** All dispatches of one op and pass. */
export interface ProfiledOp {
  readonly op: string;
  readonly pass: string;
  readonly dispatches: number;
  readonly ms: number;
  readonly bytes: number;
  readonly flops?: number;
}

/** Sums dispatches by op and pass, in the order in which they first run. */
export function byOp(dispatches: readonly ProfiledDispatch[]): ProfiledOp[] {
  const groups = new Map<string, ProfiledDispatch[]>();
  for (const dispatch of dispatches) {
    const key = JSON.stringify([dispatch.op, dispatch.pass]);
    const group = groups.get(key);
    if (group) group.push(dispatch);
    else groups.set(key, [dispatch]);
  }
  return [...groups.values()].map((group) => {
    const sum = (of: (dispatch: ProfiledDispatch) => number) =>
      group.reduce((total, dispatch) => total + of(dispatch), 0);
    const pieces = new Map(group.map(({ work, flops }) => [work, flops]));
    const counted = [...pieces.values()].filter((flops) => flops !== undefined);
    return {
      op: group[0].op,
      pass: group[0].pass,
      dispatches: group.length,
      ms: sum(({ ms }) => ms),
      bytes: sum(({ bytes }) => bytes),
      ...(counted.length > 0 && { flops: counted.reduce((total, flops) => total + flops, 0) }),
    };
  });
}
