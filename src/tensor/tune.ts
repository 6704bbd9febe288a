import { WeftError } from '../errors.ts';
import type { Gpu } from '../gpu/gpu.ts';
import {
  byCost,
  type Candidate,
  type ChoiceRequest,
  choicesOf,
  listenToChoices,
  type Trial,
} from './choices.ts';
import { currentGpu } from './device.ts';
import { capture } from './record.ts';
import { RepeatedWork } from './repeatedWork.ts';
import { VERSION } from './version.ts';

/*
 * The tuner decides what `choose` answers. For each request it takes the candidates that a model predicts to be cheap, compiles
 * each by running it once, compares its values with the plain candidate's, and times them in turns with nothing else running. One that the
 * adapter's compiler refuses is left out.
 */

/** Candidates that are tried: at least two, then those within a factor of the cheapest, so that a model must be far off to hide the best. */
const LEAST_TRIED = 2;
const MOST_TRIED = 4;
const WITHIN = 5;

/**
 * Rounds of one sample each. A candidate leaves when its fastest sample is clearly slower than the leader's slowest: after the first
 * round that is by a factor that no disturbance explains, later by less.
 */
const LEAST_ROUNDS = 2;
const MOST_ROUNDS = 7;
const CLEARLY_SLOWER = { first: 3, later: 1.1 };
/** Medians this close are a tie, which goes to the cheaper prediction: then tuning again mostly agrees. */
const TIE = 1.05;

/** A decision as it is kept: it holds as long as the same candidates are offered. */
export interface StoredChoice {
  readonly candidate: string;
  readonly among: readonly string[];
  /** Milliseconds of its trial. */
  readonly ms?: number;
  readonly error?: number;
}

/** Where decisions are kept, by adapter, driver and version of this library. A store that can't be used warns, and never fails. */
export interface ChoiceStore {
  /** The decisions that are kept for an adapter, by key. */
  load(adapter: string): Promise<Readonly<Record<string, StoredChoice>>>;
  /** Adds decisions to those that are there. */
  save(adapter: string, choices: Readonly<Record<string, StoredChoice>>): Promise<void>;
}

/** Where `tune` keeps decisions, and what it times. */
export interface TuneOptions {
  /** Where decisions are looked up, and kept: `browserChoices()`, or `fileChoices()` of `weft-gpu/node`. Default: nowhere. */
  store?: ChoiceStore;
  /** Times again what is decided already. */
  retune?: boolean;
  /** `false`: times nothing; what isn't decided or stored goes by predicted cost. */
  time?: boolean;
  /** Called before each thing that is done, of `total`. What it throws ends the tuning; what was decided by then stays. */
  onProgress?: (done: number, total: number, current: string) => void;
}

/** A candidate of a request. */
export interface TuneRow {
  /** What was decided, such as `conv2d forward 28x28 64-128 3x3 same, large`. */
  readonly key: string;
  readonly candidate: string;
  /** Whether ops take it from now on; one of each key is. */
  readonly chosen: boolean;
  /** Milliseconds of a trial, the median of its samples; undefined where it wasn't timed. */
  readonly ms?: number;
  /** 1e9 floating-point operations a second, counted as the direct method's: a method with fewer shows a higher rate. */
  readonly gflops?: number;
  /** Largest difference from the plain candidate's values, as a share of the largest of them. */
  readonly error?: number;
  /** Whether that is more than its arithmetic explains: it is never chosen then. */
  readonly wrong: boolean;
  /** What the compiler says where it refuses the candidate: it is never chosen then. */
  readonly refused?: string;
  /** Predicted time, as a multiple of the cheapest candidate's. */
  readonly predicted: number;
  /** How the key was decided: now by time, by an earlier tuning in the store or in this process, or by predicted cost alone. */
  readonly source: 'timed' | 'stored' | 'decided' | 'predicted';
}

/**
 * Decides which of their variants ops take on the current GPU: what `fn` asks for and isn't decided yet is looked up in the store,
 * else timed.
 *
 * `fn` issues the work that is to be fast: a training step with its backward pass and optimizer, or a prediction, as for `record`.
 * It is called, but nothing that it issues runs: weights, statistics and random streams stay as they are.
 *
 * @returns every key that `fn` asks for, in that order, with its candidate or, timed now, all that were tried
 * @throws WeftError where an op offers no plain candidate to compare with
 * @example
 * ```ts
 * import { matmul, ones, tune } from 'weft-gpu';
 * import { fileChoices } from 'weft-gpu/node';
 *
 * const [a, b] = [ones([8, 16]), ones([16, 8])];
 * const rows = await tune(() => matmul(a, b), { store: fileChoices({ path: 'choices.json' }) });
 * console.log(rows.filter(({ chosen }) => chosen).length); // 1
 * ```
 */
export async function tune(fn: () => unknown, options: TuneOptions = {}): Promise<TuneRow[]> {
  const { store, retune = false, time = true, onProgress } = options;
  const gpu = currentGpu();
  const choices = choicesOf(gpu);
  const requests = requestsOf(gpu, fn);
  const adapter = `${gpu.adapterKey}, weft ${VERSION}`;
  const stored = retune ? {} : ((await store?.load(adapter)) ?? {});

  const rows = new Map<string, TuneRow[]>();
  const undecided: { request: ChoiceRequest; tried: Candidate[] }[] = [];
  for (const request of requests) {
    const { key, candidates } = request;
    const ranked = byCost(candidates);
    const offers = (name: string | undefined) => candidates.some((candidate) => candidate.name === name);
    const take = (
      candidate: string,
      source: TuneRow['source'],
      { ms, error }: Partial<StoredChoice> = {},
    ) => {
      choices.set(key, candidate);
      rows.set(key, [rowOf(request, { candidate, ms, error, chosen: true, source })]);
    };
    const found = stored[key];
    if (candidates.length === 1) take(ranked[0].name, 'predicted');
    else if (!retune && offers(choices.get(key))) take(choices.get(key)!, 'decided');
    else if (offers(found?.candidate) && sameNames(found.among, candidates))
      take(found.candidate, 'stored', found);
    else if (!time) take(ranked[0].name, 'predicted');
    else undecided.push({ request, tried: worthTrying(ranked) });
  }

  const total = undecided.reduce((sum, { tried }) => sum + tried.length + 1, 0);
  const measured: Record<string, StoredChoice> = {};
  let done = 0;
  try {
    for (const { request, tried } of undecided) {
      const found = await decide(gpu, request, tried, (doing) =>
        onProgress?.(done++, total, `${request.key}: ${doing}`),
      );
      rows.set(request.key, found);
      const { candidate, ms, error } = found.find(({ chosen }) => chosen)!;
      choices.set(request.key, candidate);
      measured[request.key] = { candidate, among: request.candidates.map(({ name }) => name), ms, error };
    }
    onProgress?.(total, total, '');
  } finally {
    if (undecided.length > 0) {
      gpu.pool.trim();
      await store?.save(adapter, measured);
    }
  }
  return requests.flatMap(({ key }) => rows.get(key)!);
}

/**
 * What `fn` asks for, each key once. Its commands are kept in a recording, which is thrown away before anybody waits for it: what doesn't
 * compile of the candidates that are taken until others are decided on does no harm.
 */
function requestsOf(gpu: Gpu, fn: () => unknown): ChoiceRequest[] {
  const found = new Map<string, ChoiceRequest>();
  const listen = (request: ChoiceRequest) => {
    if (!found.has(request.key)) found.set(request.key, request);
  };
  const arenas = gpu.makeArenas();
  try {
    listenToChoices(listen, () => capture(gpu, arenas, fn, [])).release('after tune()');
  } finally {
    arenas.destroy();
  }
  return [...found.values()];
}

const worthTrying = (ranked: readonly Candidate[]): Candidate[] =>
  ranked.filter(
    ({ cost }, rank) => rank < LEAST_TRIED || (rank < MOST_TRIED && cost <= WITHIN * ranked[0].cost),
  );

function sameNames(names: unknown, candidates: readonly Candidate[]): boolean {
  const sorted = (list: readonly unknown[]) => JSON.stringify([...list].sort());
  return Array.isArray(names) && sorted(names) === sorted(candidates.map(({ name }) => name));
}

function rowOf(
  { key, candidates, flops }: ChoiceRequest,
  row: Pick<TuneRow, 'candidate' | 'ms' | 'error' | 'chosen' | 'source' | 'refused'> & { wrong?: boolean },
): TuneRow {
  const lowest = byCost(candidates)[0].cost;
  const cost = candidates.find(({ name }) => name === row.candidate)!.cost;
  const gflops = row.ms === undefined ? undefined : flops / row.ms / 1e6;
  return { key, wrong: false, ...row, gflops, predicted: lowest > 0 ? cost / lowest : 1 };
}

/** One candidate of a trial, as far as it was measured. */
interface Runner extends Candidate {
  readonly error: number;
  readonly wrong: boolean;
  readonly work: RepeatedWork;
}

/** Tries candidates of one request. @param onStep told what comes next: each candidate's first run, then the timing */
async function decide(
  gpu: Gpu,
  request: ChoiceRequest,
  tried: readonly Candidate[],
  onStep: (doing: string) => void,
): Promise<TuneRow[]> {
  const plain = request.candidates.find(({ name }) => name === 'plain');
  if (!plain) throw new WeftError(`${request.key}: there is no candidate 'plain' to compare the others with`);
  const trial = request.prepare();
  const runners: Runner[] = [];
  const refusals: TuneRow[] = [];
  try {
    const expected = await valuesOf(trial, plain.name);
    for (const candidate of tried) {
      onStep(candidate.name);
      const work = new RepeatedWork(gpu, () => trial.run(candidate.name));
      const refused = await work.refused();
      if (refused !== undefined) {
        work.dispose();
        refusals.push(rowOf(request, { candidate: candidate.name, refused, chosen: false, source: 'timed' }));
        continue;
      }
      const runner = { ...candidate, error: 0, wrong: false, work };
      runners.push(runner);
      // The first run compiles.
      const y = (await work.once())!;
      const error = differenceOf(await y.data(), expected);
      y.dispose();
      Object.assign(runner, { error, wrong: !(error <= candidate.tolerance + plain.tolerance) });
    }
    onStep('timing');
    const right = runners.filter(({ wrong }) => !wrong);
    if (right.length > 0) await timeInTurns(right);
    const best = right.length > 0 ? winner(right) : plain;
    const rows = runners.map(({ name, work: { samples }, error, wrong }) => {
      const ms = samples.length > 0 ? lowerMedian(samples) : undefined;
      return rowOf(request, {
        candidate: name,
        ms,
        error,
        wrong,
        chosen: name === best.name,
        source: 'timed',
      });
    });
    rows.push(...refusals);
    if (rows.some(({ chosen }) => chosen)) return rows;
    return [...rows, rowOf(request, { candidate: plain.name, chosen: true, source: 'timed' })];
  } finally {
    for (const { work } of runners) work.dispose();
    trial.dispose();
  }
}

async function valuesOf(trial: Trial, candidate: string): Promise<ArrayLike<number>> {
  const y = trial.run(candidate);
  try {
    return await y.data();
  } finally {
    y.dispose();
  }
}

/** Samples all in turns, so that what disturbs one disturbs the others, until the order is clear. */
async function timeInTurns(runners: readonly Runner[]): Promise<void> {
  let racing = runners;
  for (let round = 1; round <= MOST_ROUNDS && (racing.length > 1 || round <= LEAST_ROUNDS); round++) {
    for (const { work } of racing) await work.sample();
    const slowest = Math.max(...fastest(racing).work.samples);
    const limit = slowest * (round === 1 ? CLEARLY_SLOWER.first : CLEARLY_SLOWER.later);
    racing = racing.filter(({ work }) => Math.min(...work.samples) <= limit);
  }
}

const fastest = (runners: readonly Runner[]): Runner =>
  runners.reduce((best, runner) =>
    lowerMedian(runner.work.samples) < lowerMedian(best.work.samples) ? runner : best,
  );

function winner(runners: readonly Runner[]): Candidate {
  const limit = TIE * lowerMedian(fastest(runners).work.samples);
  return byCost(runners.filter(({ work }) => lowerMedian(work.samples) <= limit))[0];
}

/** The middle of an odd number of values; of an even one, the lower of the two: noise only ever adds. */
function lowerMedian(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[(values.length - 1) >> 1];
}

/** The largest difference as a share of the largest expected value; infinite where a value is no number. */
function differenceOf(values: ArrayLike<number>, expected: ArrayLike<number>): number {
  let worst = 0;
  let largest = 0;
  for (let i = 0; i < expected.length; i++) {
    const difference = Math.abs(values[i] - expected[i]);
    if (!Number.isFinite(difference)) return Number.POSITIVE_INFINITY;
    worst = Math.max(worst, difference);
    largest = Math.max(largest, Math.abs(expected[i]));
  }
  return worst === 0 ? 0 : worst / largest;
}
