import type { Gpu } from '../../src/gpu/gpu.ts';
import { RepeatedWork } from '../../src/tensor/repeatedWork.ts';
import type { Tensor } from '../../src/tensor/tensor.ts';
import { spreadOf } from '../shared/statistics.mjs';

/** Milliseconds of one run. */
export interface Times {
  readonly median: number;
  readonly min: number;
  readonly max: number;
}

const ROUNDS = 5;
/** A work that has taken so long sits out the later rounds: on a slow adapter, others need the time. */
const ENOUGH_MS = 1000;

/**
 * Times works in turns, so that what disturbs one disturbs the others.
 * @param works by their names; each issues one run
 * @param shouldStop asked between samples; at least one of each is taken
 * @returns by name, undefined where a work doesn't compile
 */
export async function timeInTurns(
  gpu: Gpu,
  works: Readonly<Record<string, () => Tensor | undefined>>,
  shouldStop: () => boolean,
): Promise<Record<string, Times | undefined>> {
  const compiled = new Map<string, RepeatedWork>();
  try {
    for (const [name, issue] of Object.entries(works)) {
      const work = new RepeatedWork(gpu, issue);
      if ((await work.refused()) !== undefined) {
        work.dispose();
        continue;
      }
      compiled.set(name, work);
      // The first run compiles, some adapters as late as when it runs.
      (await work.once())?.dispose();
      await gpu.sync();
    }
    const spent = new Map<RepeatedWork, number>();
    for (let round = 0; round < ROUNDS; round++) {
      for (const work of compiled.values()) {
        const before = spent.get(work) ?? 0;
        if (round > 0 && (before > ENOUGH_MS || shouldStop())) continue;
        const start = performance.now();
        await work.sample();
        spent.set(work, before + performance.now() - start);
      }
    }
    return Object.fromEntries(
      Object.keys(works).map((name) => {
        const work = compiled.get(name);
        if (!work) return [name, undefined];
        const { median, min, max } = spreadOf(work.samples);
        return [name, { median, min, max }];
      }),
    );
  } finally {
    for (const work of compiled.values()) work.dispose();
  }
}
