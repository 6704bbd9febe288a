/*
 * npm run bench -- [NAME...] [--batch N] [--adapter NAME]
 *
 * Effective GFLOP/s (of the direct method) or GB/s of each kernel and variant at v5's shapes. Compilation and warm-up are left out,
 * and every sample waits until the GPU has done its work. NAME... chooses the kernels whose names hold all of these words.
 */
import { parseArgs } from 'node:util';
import b from 'benny';
import '../../src/node/provideDawn.ts';
import type { Gpu } from '../../src/gpu/gpu.ts';
import { close, init } from '../../src/tensor/device.ts';
import { scope } from '../../src/tensor/scope.ts';
import { type Case, cases, Operands } from './cases.ts';

/** A sample runs a kernel so often that it takes about this long: waiting for the queue then weighs little. */
const SAMPLE_SECONDS = 0.03;
const MOST_RUNS = 256;
const SAMPLING = { minSamples: 5, maxTime: 1.5 };

/** Runs issued and waited for. */
async function runs(gpu: Gpu, run: () => void, count: number): Promise<void> {
  for (let i = 0; i < count; i++) scope(run);
  await gpu.sync();
}

/** Compiles, warms up, and says how many runs make a sample. */
async function runsPerSample(gpu: Gpu, run: () => void): Promise<number> {
  await runs(gpu, run, 1);
  const start = performance.now();
  await runs(gpu, run, 1);
  const seconds = (performance.now() - start) / 1000;
  return Math.min(MOST_RUNS, Math.max(1, Math.ceil(SAMPLE_SECONDS / seconds)));
}

async function measure(gpu: Gpu, { name, work, variants }: Case): Promise<void> {
  const counts = new Map<string, number>();
  for (const [variant, run] of Object.entries(variants)) counts.set(variant, await runsPerSample(gpu, run));
  await b.suite(
    name,
    ...Object.entries(variants).map(([variant, run]) =>
      b.add(variant, () => runs(gpu, run, counts.get(variant)!), SAMPLING),
    ),
    b.complete(({ results }) => {
      for (const { name: variant, details, margin } of results) {
        const seconds = details.median / counts.get(variant)!;
        const rate =
          'flops' in work
            ? `${perSecond(work.flops / seconds)} GFLOP/s`
            : `${perSecond(work.bytes / seconds)} GB/s`;
        console.log(
          `  ${variant.padEnd(20)} ${rate.padStart(15)} ${(seconds * 1000).toFixed(3).padStart(11)} ms ${`±${margin.toFixed(1)} %`.padStart(9)}`,
        );
      }
    }),
  );
}

/** Thousands of millions, in three digits. */
const perSecond = (amount: number): string => (amount / 1e9).toPrecision(3);

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { adapter: { type: 'string' }, batch: { type: 'string' } },
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
const batch = Number(values.batch ?? (gpu.isSoftware ? 8 : 64));
if (!Number.isInteger(batch) || batch < 1)
  throw new Error(`--batch must be a whole number of at least 1, got ${values.batch}`);
console.log(`${gpu.adapterName}, batch ${batch}`);
for (const planned of chosen) {
  const operands = new Operands();
  await measure(gpu, planned.prepare(gpu, batch, operands));
  operands.dispose();
}
close();
