import { v5 } from '../../../src/experiments/czerny/v5.ts';
import { resNet18 } from '../../../src/experiments/icdss/resNet18.ts';
import { rehearsalOnNoise } from '../../../src/experiments/measure.ts';
import type { Gpu } from '../../../src/gpu/gpu.ts';
import { sub } from '../../../src/kernels/binary.ts';
import { max, sum } from '../../../src/kernels/reduce.ts';
import { abs, rescale } from '../../../src/kernels/unary.ts';
import { full } from '../../../src/tensor/create.ts';
import { close, currentGpu } from '../../../src/tensor/device.ts';
import { scope } from '../../../src/tensor/scope.ts';
import { type Tensor, tensor } from '../../../src/tensor/tensor.ts';
import type { TuneRow } from '../../../src/tensor/tune.ts';
import { networks, Operands, type PlannedCase, type ProductCase } from '../../kernels/cases.ts';
import type { RunContext } from '../context.ts';
import { failureOf, openDevice } from '../device.ts';
import { tuneWithin } from '../tuning.ts';
import { type Times, timeInTurns } from '../turns.ts';
import type { Ceilings } from './ceilings.ts';

/** One variant of one pass of one layer. */
interface KernelRow {
  readonly network: string;
  readonly kernel: string;
  readonly batch: number;
  readonly variant: string;
  /** Time of one run; null where the variant doesn't compile. */
  readonly ms: Times | null;
  /** By the operations of the direct method: a method that has fewer shows a higher rate. */
  readonly teraflops: number | null;
  /** `teraflops` as a share of the adapter's own multiply-adds; null where those weren't measured. */
  readonly shareOfCeiling: number | null;
  /** Largest difference from the values of `plain`, as a share of the largest of those. */
  readonly error: number | 'not finite' | null;
}

/** A pass that ended with an error. */
interface KernelFailure extends Pick<KernelRow, 'network' | 'kernel' | 'batch'> {
  readonly failure: string;
}

const BATCHES = [64, 512] as const;
/** What the tuner may take of the part's time. */
const TUNER_SHARE = 0.35;

/** What the tuner takes on this adapter, then every variant of every pass of v5's and ResNet-18's convolutions and products. */
export async function kernels(context: RunContext): Promise<void> {
  await openDevice(context);
  await tuneNetworks(context);
  const rows: KernelRow[] = [];
  const failures: KernelFailure[] = [];
  for (const [network, batch] of [
    ['v5', BATCHES[0]],
    ['v5', BATCHES[1]],
    ['resNet18', BATCHES[0]],
    ['resNet18', BATCHES[1]],
  ] as const) {
    for (const planned of networks[network]) {
      if (context.secondsLeft < 0) {
        context.cut();
        return close();
      }
      const failure = await failureOf(context, async () => {
        rows.push(...(await measure(network, planned, batch, context)));
      });
      if (failure !== null) failures.push({ network, kernel: planned.name, batch, failure });
      context.set({ rows, failures });
    }
  }
  close();
}

/** Decides every variant anew and keeps the decisions, which the steps after this then take. */
async function tuneNetworks(context: RunContext): Promise<void> {
  const end = (1 - TUNER_SHARE) * context.secondsLeft;
  const start = performance.now();
  const rows: TuneRow[] = [];
  for (const experiment of [v5, resNet18]) {
    const rehearsal = rehearsalOnNoise(experiment, Math.max(...BATCHES));
    const work = () => {
      for (const batch of BATCHES) rehearsal.train(tensor(new Uint32Array(batch)));
      for (const batch of [1, ...BATCHES]) rehearsal.predict(tensor(new Uint32Array(batch)));
    };
    const tuned = await tuneWithin(context.secondsLeft - end, work, { retune: true });
    rows.push(...tuned.rows);
    if (!tuned.isWhole) context.cut();
    rehearsal.dispose();
    context.set({ tuner: { seconds: (performance.now() - start) / 1000, rows } });
  }
}

/** Every variant of one pass, in turns, each held to `plain`. */
async function measure(
  network: string,
  planned: PlannedCase<ProductCase>,
  batch: number,
  context: RunContext,
): Promise<KernelRow[]> {
  const gpu = currentGpu();
  const operands = new Operands();
  try {
    const { work, variants } = planned.prepare(gpu, batch, operands);
    const times = await timeInTurns(gpu, variants, () => context.secondsLeft < 0);
    const { checked } = context.given.report.ceilings as { checked?: Ceilings | null };
    const rows: KernelRow[] = [];
    for (const [variant, run] of Object.entries(variants)) {
      const ms = times[variant] ?? null;
      const teraflops = ms && work.flops / ms.median / 1e9;
      rows.push({
        network,
        kernel: planned.name,
        batch,
        variant,
        ms,
        teraflops,
        shareOfCeiling: teraflops && checked?.teraflops ? teraflops / checked.teraflops : null,
        error: ms && (await errorOf(gpu, run, variants.plain)),
      });
    }
    return rows;
  } finally {
    operands.dispose();
  }
}

/**
 * The largest difference of two results as a share of the largest value of the second, compared on the GPU. A result that holds something
 * that is no number is called so: a maximum may pass it over.
 */
async function errorOf(gpu: Gpu, run: () => Tensor, plain: () => Tensor): Promise<number | 'not finite'> {
  const figures = scope(() => {
    const written = plain();
    const expected = rescale(written, 1);
    // Variants write to the same tensor, or to memory that was just freed: what one leaves unwritten must not be right by chance.
    const nothing = full(written.shape, Number.NaN);
    gpu.copy(nothing.storage.buffer, written.storage.buffer, 4 * written.size);
    nothing.dispose();
    const difference = sub(run(), expected);
    return [max(abs(difference)), max(abs(expected)), sum(difference)];
  });
  const [worst, largest, total] = await Promise.all(figures.map((figure) => figure.item()));
  for (const figure of figures) figure.dispose();
  return Number.isFinite(total) ? worst / largest : 'not finite';
}
