import type { GpuError } from '../errors.ts';

/*
 * WebGPU says only later whether a kernel compiles and whether there was memory for a buffer; until then both can be used. So what
 * depends on such an answer carries its check along: a launch hands the open checks of its kernel and operands, as one, on to what it
 * writes, and whoever reads that waits for it. What nobody doubts any more costs nothing.
 */

/** A question to the device whose answer may be that something failed, or several such: the first that fails is their answer. */
export class Check {
  /** Why it failed; undefined while it isn't answered. */
  error: GpuError | undefined;
  private answered = false;
  /** How many parts must still pass. */
  private open = 0;
  /** What this is a part of. */
  private readonly wholes: Check[] = [];
  private resolve: (() => void) | undefined;
  private promise: Promise<void> | undefined;

  /** @param outcome resolves with what is wrong; rejects where the device is lost, which is told elsewhere */
  static of(outcome: Promise<GpuError | undefined>): Check {
    const check = new Check();
    outcome.then(
      (error) => check.answer(error),
      () => check.answer(undefined),
    );
    return check;
  }

  /** Several as one; undefined where all have passed. */
  static all(checks: Iterable<Check | undefined>): Check | undefined {
    const open = new Set<Check>();
    for (const check of checks) {
      if (!check || check.passed) continue;
      if (check.error) return check;
      open.add(check);
    }
    if (open.size < 2) return [...open][0];
    const whole = new Check();
    whole.open = open.size;
    for (const check of open) check.wholes.push(whole);
    return whole;
  }

  /** Whether it was answered, and all is well. */
  get passed(): boolean {
    return this.answered && !this.error;
  }

  /** Resolves when it is answered, whatever the answer. */
  get done(): Promise<void> {
    this.promise ??= new Promise((resolve) => {
      if (this.answered) resolve();
      else this.resolve = resolve;
    });
    return this.promise;
  }

  private answer(error: GpuError | undefined): void {
    // A list and no recursion: a whole is often part of another, thousands of times.
    const answered: Check[] = [this];
    for (const check of answered) {
      if (check.answered) continue;
      check.answered = true;
      check.error = error;
      check.resolve?.();
      for (const whole of check.wholes) if (error || --whole.open === 0) answered.push(whole);
      check.wholes.length = 0;
    }
  }
}

/** What something depends on that isn't known to be well; undefined: nothing. */
export type Doubts = Check | undefined;
