import type { RunContext } from './context.ts';

/** How fast steps follow each other. */
export interface Pace {
  readonly imagesPerSecond: number;
  /** Time between the first and the last of so many steps, for one. */
  readonly stepMs: number;
  readonly steps: number;
}

const MOST_SECONDS = 2;
const LEAST_STEPS = 2;

/**
 * Times steps of so many images, one after the other, once the first has compiled what it needs.
 * @param settle resolves when all steps are done, where a step resolves before that
 */
export async function paceOf(
  context: RunContext,
  batch: number,
  step: () => Promise<unknown>,
  settle: () => Promise<unknown> = async () => {},
): Promise<Pace> {
  await step();
  await settle();
  const seconds = Math.min(MOST_SECONDS, context.secondsLeft / 2);
  const start = performance.now();
  let steps = 0;
  do {
    await step();
    steps++;
  } while (steps < LEAST_STEPS || performance.now() - start < 1000 * seconds);
  await settle();
  const stepMs = (performance.now() - start) / steps;
  return { imagesPerSecond: (1000 * batch) / stepMs, stepMs, steps };
}
