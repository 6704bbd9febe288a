import type { Work } from '../gpu/plan.ts';

export type { Work };

let current: Work | undefined;

/** What the commands that are issued now belong to. */
export const currentWork = (): Work | undefined => current;

/**
 * Names the work that `fn` issues commands for, as a profile shows it. Of names within names the innermost holds. Each call is a
 * piece of work of its own, whose `flops` count once however many dispatches it takes.
 */
export function work<T>(label: Work, fn: () => T): T {
  const before = current;
  current = { ...label };
  try {
    return fn();
  } finally {
    current = before;
  }
}

/** Names the work of `fn` unless it is part of work that has a name: an op within another op's pass is part of that pass. */
export const workUnlessNamed = <T>(label: Work, fn: () => T): T => (current ? fn() : work(label, fn));
