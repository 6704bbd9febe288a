import type { Gpu } from '../../src/gpu/gpu.ts';
import { type Recorded, record } from '../../src/tensor/record.ts';
import { scope } from '../../src/tensor/scope.ts';
import { spreadOf } from '../shared/statistics.mjs';

/** Milliseconds of one run. */
export interface Times {
  readonly median: number;
  readonly min: number;
  readonly max: number;
}

/** A sample runs its work so often that it takes about this long: waiting for the GPU then weighs little. */
const SAMPLE_MS = 10;
const MOST_RUNS = 1000;
const ROUNDS = 5;

/** Work that is recorded as often as a sample needs it. */
class Runner {
  readonly samples: number[] = [];
  private runs = 1;
  private step: Recorded<[], unknown>;

  constructor(
    private readonly gpu: Gpu,
    private readonly issue: () => unknown,
  ) {
    this.step = this.repeated(1);
  }

  prepare(): Promise<void> {
    return this.step.prepare();
  }

  /** The first run compiles; by the second, it is settled how many make a sample. */
  async warmUp(): Promise<void> {
    await this.sample();
    const once = await this.sample();
    this.runs = Math.min(MOST_RUNS, Math.max(1, Math.ceil(SAMPLE_MS / once)));
    if (this.runs === 1) return;
    this.step.dispose();
    this.step = this.repeated(this.runs);
    await this.sample();
  }

  async sample(): Promise<number> {
    const start = performance.now();
    await this.step();
    await this.gpu.sync();
    return (performance.now() - start) / this.runs;
  }

  dispose(): void {
    this.step.dispose();
  }

  private repeated(runs: number): Recorded<[], unknown> {
    return record(() => {
      for (let i = 0; i < runs; i++) scope(() => void this.issue());
    });
  }
}

/**
 * Times works in turns, so that what disturbs one disturbs the others.
 * @param works by their names; each issues one run
 * @param shouldStop asked between samples; at least one of each is taken
 * @returns by name, undefined where a work doesn't compile
 */
export async function timeInTurns(
  gpu: Gpu,
  works: Readonly<Record<string, () => unknown>>,
  shouldStop: () => boolean = () => false,
): Promise<Record<string, Times | undefined>> {
  const runners = new Map<string, Runner>();
  try {
    for (const [name, issue] of Object.entries(works)) {
      const runner = new Runner(gpu, issue);
      const refused = await gpu.tryKernels(() => runner.prepare());
      if (refused.length > 0) {
        runner.dispose();
        continue;
      }
      runners.set(name, runner);
      await runner.warmUp();
    }
    for (let round = 0; round < ROUNDS; round++) {
      for (const runner of runners.values())
        if (round === 0 || !shouldStop()) runner.samples.push(await runner.sample());
    }
    return Object.fromEntries(
      Object.keys(works).map((name) => {
        const samples = runners.get(name)?.samples;
        if (!samples) return [name, undefined];
        const { median, min, max } = spreadOf(samples);
        return [name, { median, min, max }];
      }),
    );
  } finally {
    for (const runner of runners.values()) runner.dispose();
  }
}
