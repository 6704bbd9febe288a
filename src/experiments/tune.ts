import type { ImageSet } from '../data/batchSource.ts';
import { fileChoices } from '../node/choices.ts';
import { atomicWrite } from '../node/files.ts';
import { threeDigits } from '../report/numbers.ts';
import { table } from '../report/table.ts';
import { tensor } from '../tensor/tensor.ts';
import { type TuneOptions, type TuneRow, tune } from '../tensor/tune.ts';
import { type Console, duration } from './console.ts';
import { SIDE } from './image.ts';
import { findExperiment } from './index.ts';
import { json } from './jsonFile.ts';
import type { Kernels } from './manifest.ts';
import { Rehearsal } from './measure.ts';
import { type BatchSizes, batchSizes, choosePreset, presetOf, withOverrides } from './presets.ts';
import { openGpu } from './session.ts';
import type { StopSignal } from './stop.ts';
import { stoppable } from './stoppable.ts';

export interface TuneCommandOptions {
  batchSize?: number;
  retune?: boolean;
  /** Where the rows are written to. */
  json?: string;
  adapter?: string;
}

/** Decides which kernels an experiment's training, validation and predictions take. Resolves with the exit code. */
export async function tuneExperiment(
  name: string,
  { batchSize, retune, json: file, adapter }: TuneCommandOptions,
  out: Console,
): Promise<number> {
  const experiment = findExperiment(name);
  const work = async (stop: StopSignal) => {
    const { isSoftware } = await openGpu(adapter, out);
    const { preset } = choosePreset(undefined, isSoftware);
    const asked = withOverrides(presetOf(experiment, preset), { batchSize });
    const sizes = batchSizes(asked);
    const { rows, seconds } = await tuneKernels(
      new Rehearsal(experiment, blankImage, asked),
      { ...sizes, inference: [...sizes.inference, 1] },
      { retune },
      stop,
      out,
    );
    out.line(`\n${formatRows(rows)}\n`);
    for (const { key, candidate, error } of rows.filter(({ wrong }) => wrong))
      out.line(`${candidate} computes ${key} wrongly: off by ${error}`);
    out.line(
      rows.some(({ source }) => source === 'timed')
        ? `tuned in ${duration(seconds)}`
        : 'nothing was timed: all of it is from an earlier tuning (--retune times it again)',
    );
    if (file !== undefined) await atomicWrite(file, json(rows));
  };
  return stoppable(out, work, '; what was decided by then is kept');
}

/** What a rehearsal that never runs takes for a data set. */
const blankImage: ImageSet = {
  images: new Uint8Array(SIDE * SIDE),
  labels: new Uint8Array(1),
  count: 1,
  height: SIDE,
  width: SIDE,
  channels: 1,
  classNames: [],
};

/** Tunes what batches of these sizes ask for; decisions are kept in the cache folder. */
export async function tuneKernels(
  rehearsal: Rehearsal,
  { training, inference }: BatchSizes,
  options: Pick<TuneOptions, 'retune' | 'time'>,
  stop: StopSignal,
  out: Console,
): Promise<{ rows: TuneRow[]; seconds: number }> {
  const start = performance.now();
  const work = () => {
    for (const size of training) rehearsal.train(tensor(new Uint32Array(size)));
    for (const size of inference) rehearsal.predict(tensor(new Uint32Array(size)));
  };
  const rows = await tune(work, {
    ...options,
    store: options.time === false ? undefined : fileChoices({ onNote: (line) => out.line(line) }),
    onProgress(done, total, current) {
      out.progress('timing kernels', done, total, current);
      stop.check();
    },
  });
  return { rows, seconds: (performance.now() - start) / 1000 };
}

/** What was decided, by key. */
export const kernelsOf = (rows: readonly TuneRow[]): Kernels =>
  Object.fromEntries(rows.filter(({ chosen }) => chosen).map(({ key, candidate }) => [key, candidate]));

/** Decisions in a line: how many keys of each op and pass (what a key begins with, before sizes) take which candidate. */
export function describeKernels(kernels: Kernels): string {
  const ops = new Map<string, Map<string, number>>();
  for (const [key, candidate] of Object.entries(kernels)) {
    const words = key.split(' ');
    const op = words
      .slice(
        0,
        words.findIndex((word) => /^[\d[]/.test(word)),
      )
      .join(' ');
    const counts = ops.get(op) ?? new Map<string, number>();
    ops.set(op, counts.set(candidate, (counts.get(candidate) ?? 0) + 1));
  }
  return Array.from(
    ops,
    ([op, counts]) => `${op} ${Array.from(counts, ([name, count]) => `${count} ${name}`).join(', ')}`,
  ).join('; ');
}

function formatRows(rows: readonly TuneRow[]): string {
  const orDash = (value: number | undefined, show: (value: number) => string) =>
    value === undefined ? '-' : show(value);
  return table(
    ['op', 'variant', 'ms', 'GFLOP/s', 'error', 'predicted', ''],
    rows.map(({ key, candidate, ms, gflops, error, predicted, chosen, wrong, refused }, i) => [
      rows[i - 1]?.key === key ? '' : key,
      candidate,
      orDash(ms, threeDigits),
      orDash(gflops, (value) => value.toFixed(2)),
      orDash(error, (value) => value.toExponential(1)),
      `x ${predicted.toPrecision(2)}`,
      chosen ? 'chosen' : wrong ? 'wrong' : refused ? "doesn't compile" : '',
    ]),
  );
}
