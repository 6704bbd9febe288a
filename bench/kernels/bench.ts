/*
 * npm run bench -- [NAME...] [--batch N] [--adapter NAME] [--json FILE]
 *
 * Effective GFLOP/s (of the direct method) or GB/s of each kernel and variant at the networks' shapes. Compilation and warm-up are left
 * out, every sample waits until the GPU has done its work, and a kernel's variants take turns, so that whatever else the machine does
 * meets all of them. NAME... chooses the kernels whose names hold all of these words.
 */
import { writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import '../../src/node/provideDawn.ts';
import type { Gpu } from '../../src/gpu/gpu.ts';
import { close, init } from '../../src/tensor/device.ts';
import { scope } from '../../src/tensor/scope.ts';
import { type Case, cases, Operands } from './cases.ts';

/** A sample runs a kernel so often that it takes about this long: waiting for the queue then weighs little. */
const SAMPLE_SECONDS = 0.03;
const MOST_RUNS = 256;
/** Samples of a variant: as many as fit in the time, within these bounds. */
const SAMPLES = { least: 3, most: 15, seconds: 1.5 };

interface Timing {
  /** Of one run. */
  readonly medianMs: number;
  readonly minMs: number;
  readonly maxMs: number;
  /** At the median. */
  readonly rate: number;
  readonly unit: 'GFLOP/s' | 'GB/s';
}

/** Seconds of one of so many runs, issued and waited for together. */
async function seconds(gpu: Gpu, run: () => void, count: number): Promise<number> {
  const start = performance.now();
  for (let i = 0; i < count; i++) scope(run);
  await gpu.sync();
  return (performance.now() - start) / 1000 / count;
}

async function measure(gpu: Gpu, { work, variants }: Case): Promise<Record<string, Timing>> {
  const plans = [];
  for (const [name, run] of Object.entries(variants)) {
    // The first run compiles.
    await seconds(gpu, run, 1);
    const once = await seconds(gpu, run, 1);
    const count = Math.min(MOST_RUNS, Math.max(1, Math.ceil(SAMPLE_SECONDS / once)));
    const { least, most } = SAMPLES;
    const samples = Math.min(most, Math.max(least, Math.floor(SAMPLES.seconds / (once * count))));
    plans.push({ name, run, count, samples, times: count === 1 ? [once] : [] });
  }
  for (let round = 0; round < SAMPLES.most; round++) {
    for (const { run, count, samples, times } of plans)
      if (times.length < samples) times.push(await seconds(gpu, run, count));
  }
  const [amount, unit] = 'flops' in work ? [work.flops, 'GFLOP/s' as const] : [work.bytes, 'GB/s' as const];
  return Object.fromEntries(
    plans.map(({ name, times }) => {
      times.sort((a, b) => a - b);
      const [median, min, max] = [times[times.length >> 1], times[0], times[times.length - 1]];
      const timing = {
        medianMs: 1000 * median,
        minMs: 1000 * min,
        maxMs: 1000 * max,
        rate: amount / median / 1e9,
        unit,
      };
      return [name, timing];
    }),
  );
}

function print(name: string, timings: Record<string, Timing>): void {
  console.log(name);
  for (const [variant, { medianMs, minMs, maxMs, rate, unit }] of Object.entries(timings))
    console.log(
      `  ${variant.padEnd(20)} ${`${rate.toPrecision(3)} ${unit}`.padStart(15)} ${medianMs.toFixed(3).padStart(11)} ms (${minMs.toFixed(3)}-${maxMs.toFixed(3)})`,
    );
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
console.log(`${gpu.adapterName}, batch ${batch}; medians (smallest-largest)`);
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
