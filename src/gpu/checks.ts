import type { GpuError } from '../errors.ts';

/*
 * WebGPU says only later whether a kernel compiles and whether there was memory for a buffer; until then both can be used. So what
 * depends on such an answer carries its check along: a launch hands the open checks of its kernel and operands on to what it writes, and
 * whoever reads that waits for them. What nobody doubts any more costs nothing.
 */

/** A question to the device whose answer may be that it failed. */
export class Check {
  private answered = false;
  /** Why it failed; undefined while it isn't answered. */
  error: GpuError | undefined;
  /** Resolves when it is answered, whatever the answer. */
  readonly done: Promise<void>;

  /** @param outcome resolves with what is wrong; rejects where the device is lost, which is told elsewhere */
  constructor(outcome: Promise<GpuError | undefined>) {
    const answer = (error?: GpuError) => {
      this.answered = true;
      this.error = error;
    };
    this.done = outcome.then(answer, () => answer());
  }

  /** Whether it was answered, and all is well. */
  get passed(): boolean {
    return this.answered && !this.error;
  }
}

/** Checks that something depends on; undefined: none. */
export type Doubts = ReadonlySet<Check> | undefined;

/** The doubts that remain of several: those not answered yet, and those that failed. */
export function remaining(...all: readonly Doubts[]): Doubts {
  let found: Set<Check> | undefined;
  for (const doubts of all) {
    if (!doubts) continue;
    for (const check of doubts) {
      if (check.passed) continue;
      found ??= new Set();
      found.add(check);
    }
  }
  return found;
}

/** What failed, if something did. */
export function failureOf(doubts: Doubts): GpuError | undefined {
  for (const { error } of doubts ?? []) if (error) return error;
  return undefined;
}
