import { GpuError } from '../errors.ts';
import type { Gpu } from '../gpu/gpu.ts';
import { type Recorded, record } from './record.ts';
import { scope } from './scope.ts';
import type { Tensor } from './tensor.ts';

/** A sample takes at least about so long, by repetition: waiting for the GPU would else be part of what is measured. */
const SAMPLE_MS = 10;
/**
 * Runs in one recording at most. A sample of more replays it, and the CPU encodes a replay while the GPU runs the one before: encoded all
 * at once, short kernels would be timed by how fast they are encoded.
 */
const MOST_RECORDED = 32;
const MOST_REPLAYS = 64;

/** Work that is timed: recorded, and repeated as often as a sample needs it. */
export class RepeatedWork {
  /** Milliseconds of one run, a value for each sample that counts. */
  readonly samples: number[] = [];
  private runs = 1;
  private replays = 1;
  private isSettled = false;
  private step: Recorded<[], Tensor | undefined>;

  /** @param issue issues one run; the tensor that it returns is freed, but for that of `once` */
  constructor(
    private readonly gpu: Gpu,
    private readonly issue: () => Tensor | undefined,
  ) {
    this.step = this.recorded(1);
  }

  /** Records the work, which compiles what it needs, and runs nothing. @returns why a kernel doesn't compile, if one doesn't */
  async refused(): Promise<string | undefined> {
    try {
      await this.step.prepare();
      return undefined;
    } catch (error) {
      if (error instanceof GpuError && error.wgsl !== undefined) return (error.cause as GpuError).message;
      throw error;
    }
  }

  /** Runs the work once, as long as no sample was taken. @returns what it computes, until the next run */
  once(): Promise<Tensor | undefined> {
    return this.step();
  }

  /** Takes a sample, of work that ran before: a first run also compiles. The first sample settles how many runs make one. */
  async sample(): Promise<void> {
    const only = this.isSettled ? undefined : await this.settle();
    this.samples.push(only ?? (await this.replay()) / (this.runs * this.replays));
  }

  dispose(): void {
    this.step.dispose();
  }

  /** Settles how often the work runs in a sample. @returns milliseconds of the one run that it was tried with, where that is a sample */
  private async settle(): Promise<number | undefined> {
    this.isSettled = true;
    const fitting = (ms: number) => Math.ceil(SAMPLE_MS / Math.max(ms, SAMPLE_MS / 1000));
    const once = await this.replay();
    if (fitting(once) === 1) return once;
    this.runs = Math.min(MOST_RECORDED, fitting(once));
    this.step.dispose();
    this.step = this.recorded(this.runs);
    await this.step.prepare();
    await this.replay();
    this.replays = Math.min(MOST_REPLAYS, fitting(await this.replay()));
    return undefined;
  }

  /** Milliseconds until the GPU has done all replays of a sample. */
  private async replay(): Promise<number> {
    const start = performance.now();
    for (let i = 0; i < this.replays; i++) (await this.step())?.dispose();
    await this.gpu.sync();
    return performance.now() - start;
  }

  private recorded(runs: number): Recorded<[], Tensor | undefined> {
    return record(() => {
      for (let i = 1; i < runs; i++) scope(() => void this.issue());
      return this.issue();
    });
  }
}
