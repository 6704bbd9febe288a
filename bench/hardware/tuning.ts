import { fileChoices } from '../../src/node/choices.ts';
import { type TuneRow, tune } from '../../src/tensor/tune.ts';

/** Thrown where the time of a tuning is over. */
class TimeOver extends Error {}

/**
 * Decides the variants that `work` asks for, and keeps the decisions for the runs after this one. What isn't decided in time goes by
 * predicted cost.
 * @returns the decisions, and whether all of them were made in time
 */
export async function tuneWithin(
  seconds: number,
  work: () => unknown,
  { retune = false } = {},
): Promise<{ rows: TuneRow[]; isWhole: boolean }> {
  const store = fileChoices();
  const end = performance.now() + 1000 * seconds;
  const onProgress = () => {
    if (performance.now() > end) throw new TimeOver();
  };
  try {
    return { rows: await tune(work, { store, retune, onProgress }), isWhole: true };
  } catch (error) {
    if (!(error instanceof TimeOver)) throw error;
    return { rows: await tune(work, { store, time: false }), isWhole: false };
  }
}
