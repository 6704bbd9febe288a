/*
 * npm run bench -- [NAME...] [--batch N] [--adapter NAME] [--json FILE]
 *
 * Effective GFLOP/s (of the direct method) or GB/s of each kernel and variant at the networks' shapes. Compilation and warm-up are left
 * out, every time waits until the GPU has done its work, and a kernel's variants take turns, so that whatever else the machine does
 * meets all of them: benny times them in short suites, each of which is one round. NAME... chooses the kernels whose names hold all of
 * these words.
 */
import { writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { add, configure, suite } from 'benny';
import '../../src/node/provideDawn.ts';
import type { Gpu } from '../../src/gpu/gpu.ts';
import { close, init } from '../../src/tensor/device.ts';
import { median } from '../../src/tensor/median.ts';
import { scope } from '../../src/tensor/scope.ts';
import { type Case, cases, Operands } from './cases.ts';

/** In a round, a variant runs so often that it takes about this long: waiting for the queue then weighs little. */
const TURN_SECONDS = 0.03;
const MOST_RUNS = 256;
/** Rounds in which a variant takes part: as many as fit in the time, within these bounds. */
const ROUNDS = { least: 3, most: 15, seconds: 1.5 };

interface Timing {
  /** Of one run. */
  readonly medianMs: number;
  readonly minMs: number;
  readonly maxMs: number;
  /** At the median. */
  readonly rate: number;
  readonly unit: 'GFLOP/s' | 'GB/s';
  /** How many times as long it takes as the fastest variant: the median of the ratios in the rounds that had both. */
  readonly ratioToFastest: number;
}

/** A variant that is measured: so many runs are issued and waited for together, once in each of its rounds. */
interface Contender {
  readonly name: string;
  readonly count: number;
  readonly rounds: number;
  run(): Promise<void>;
}

async function contenderOf(gpu: Gpu, name: string, run: () => void): Promise<Contender> {
  const runs = async (count: number) => {
    for (let i = 0; i < count; i++) scope(run);
    await gpu.sync();
  };
  // The first run compiles.
  await runs(1);
  let [count, seconds] = [0, 0];
  // A short run alone is mostly waiting, so that more of them are needed than it tells.
  while (count < MOST_RUNS && seconds < TURN_SECONDS / 2) {
    count = count === 0 ? 1 : Math.min(MOST_RUNS, Math.ceil((count * TURN_SECONDS) / seconds));
    const start = performance.now();
    await runs(count);
    seconds = (performance.now() - start) / 1000;
  }
  const rounds = Math.min(ROUNDS.most, Math.max(ROUNDS.least, Math.floor(ROUNDS.seconds / seconds)));
  return { name, count, rounds, run: () => runs(count) };
}

/** Seconds of one run by the variant's name, each timed once. */
type Round = ReadonlyMap<string, number>;

/** A round is a benny suite. */
async function roundOf(kernel: string, contenders: readonly Contender[]): Promise<Round> {
  let started = false;
  const { results } = await suite(
    kernel,
    // One sample of one call: benny repeats a call to fill minTime (its own where this is 0), and samples to fill maxTime.
    configure({ cases: { initCount: 1, minSamples: 1, minTime: Number.MIN_VALUE, maxTime: 0, delay: 0 } }),
    // Takes the place of benny's own listener, which prints a line for every suite.
    async () => (events) =>
      events.off('start').on('start', () => {
        started = true;
      }),
    // To learn what a case returns, benny calls each of them twice before it starts.
    ...contenders.map(({ name, run }) => add(name, async () => (started ? run() : undefined))),
  );
  const counts = new Map(contenders.map(({ name, count }) => [name, count]));
  return new Map(results.map(({ name, details }) => [name, details.median / counts.get(name)!]));
}

async function measure(gpu: Gpu, { name: kernel, work, variants }: Case): Promise<Record<string, Timing>> {
  const contenders: Contender[] = [];
  for (const [name, run] of Object.entries(variants)) contenders.push(await contenderOf(gpu, name, run));
  const rounds: Round[] = [];
  for (let i = 0; i < Math.max(...contenders.map((one) => one.rounds)); i++) {
    const order = contenders.filter((one) => i < one.rounds);
    // Every other round goes backwards, so that no variant always comes after the same one.
    rounds.push(await roundOf(kernel, i % 2 === 0 ? order : order.reverse()));
  }
  const ratio = (name: string, to: string) =>
    median(
      rounds
        .filter((round) => round.has(name) && round.has(to))
        .map((round) => round.get(name)! / round.get(to)!),
    );
  // By ratios, as the others are shown beside it: medians of each may come from different whiles.
  const fastest = Object.keys(variants).reduce((best, name) => (ratio(name, best) < 1 ? name : best));
  const [amount, unit] = 'flops' in work ? [work.flops, 'GFLOP/s' as const] : [work.bytes, 'GB/s' as const];
  return Object.fromEntries(
    Object.keys(variants).map((name) => {
      const times = rounds.flatMap((round) => round.get(name) ?? []);
      const timing = {
        medianMs: 1000 * median(times),
        minMs: 1000 * Math.min(...times),
        maxMs: 1000 * Math.max(...times),
        rate: amount / median(times) / 1e9,
        unit,
        ratioToFastest: ratio(name, fastest),
      };
      return [name, timing];
    }),
  );
}

function print(name: string, timings: Record<string, Timing>): void {
  console.log(name);
  for (const [variant, timing] of Object.entries(timings)) {
    const { medianMs, minMs, maxMs, rate, unit, ratioToFastest } = timing;
    const range = `(${minMs.toFixed(3)}-${maxMs.toFixed(3)})`;
    console.log(
      `  ${variant.padEnd(20)} ${`${rate.toPrecision(3)} ${unit}`.padStart(15)} ${medianMs.toFixed(3).padStart(11)} ms ${range.padEnd(20)} ${ratioToFastest.toFixed(2)}x`,
    );
  }
}

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { adapter: { type: 'string' }, batch: { type: 'string' }, json: { type: 'string' } },
});
const wanted = positionals.map((word) => word.toLowerCase());
const chosen = cases.filter(({ name }) => wanted.every((word) => name.toLowerCase().includes(word)));
if (chosen.length === 0) {
  console.error(
    `no kernel's name holds all of: ${positionals.join(' ')}. There are:\n${cases.map(({ name }) => `  ${name}`).join('\n')}`,
  );
  process.exit(1);
}
const gpu = await init({ adapter: values.adapter });
// Enough images that what a kernel does once for all of them weighs as in training.
const batch = Number(values.batch ?? (gpu.isSoftware ? 16 : 64));
if (!Number.isInteger(batch) || batch < 1)
  throw new Error(`--batch must be a whole number of at least 1, got ${values.batch}`);
console.log(
  `${gpu.adapterName}, batch ${batch}; medians (smallest-largest), and times the fastest variant's time in the same round`,
);
const kernels = [];
for (const planned of chosen) {
  const operands = new Operands();
  const { name, work, variants } = planned.prepare(gpu, batch, operands);
  const timings = await measure(gpu, { name, work, variants });
  operands.dispose();
  print(name, timings);
  kernels.push({ name, ...work, variants: timings });
}
if (values.json) {
  const result = { adapter: gpu.adapterName, batch, date: new Date().toISOString(), kernels };
  writeFileSync(values.json, `${JSON.stringify(result, null, 2)}\n`);
}
close();
