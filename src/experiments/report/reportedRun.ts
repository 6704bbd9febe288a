import type { EpochLogs } from '../../nn/fit.ts';
import type { Model } from '../../nn/model.ts';
import { type Evaluation, readEvaluation } from '../evaluation.ts';
import type { Experiment } from '../experiment.ts';
import { findExperiment } from '../index.ts';
import type { Manifest } from '../manifest.ts';
import type { AnyTest, RepeatResult, Summary } from '../results.ts';
import { type RepeatFolder, RunFolder } from '../run.ts';
import { withNetworkSettings } from '../settings.ts';

/** One repeat of a run, as far as it has come. */
export interface ReportedRepeat {
  /** Empty for the only one of a run. */
  readonly name: string;
  readonly folder: RepeatFolder;
  readonly epochs: readonly EpochLogs[];
  /** Undefined: it isn't finished. */
  readonly result: RepeatResult | undefined;
  /** What `weft evaluate` found. */
  readonly evaluation: Evaluation | undefined;
  /** Its test on the most images: that at its end, or that of `weft evaluate`. */
  readonly test: AnyTest | undefined;
}

/** A run's folder, read for a report. */
export interface ReportedRun {
  readonly path: string;
  /** What a report calls it. */
  readonly name: string;
  readonly manifest: Manifest;
  readonly experiment: Experiment;
  readonly repeats: readonly ReportedRepeat[];
  /** Of several repeats that are all done. */
  readonly summary: Summary | undefined;
  readonly isFinished: boolean;
  /** As it was trained, or as it would be where there are no weights yet. */
  readonly model: Model;
}

/** @throws WeftError where there is no run, or a file of it is damaged */
export async function readRun(path: string, name: string): Promise<ReportedRun> {
  const run = await RunFolder.open(path);
  const { manifest } = run;
  const experiment = findExperiment(manifest.experiment);
  const several = run.repeats.length > 1;
  const repeats = await Promise.all(
    run.repeats.map((folder, i) => readRepeat(folder, several ? `repeat ${i + 1}` : '')),
  );
  const allDone = repeats.length > 0 && repeats.every(({ result }) => result !== undefined);
  const together = allDone && repeats.length > 1 ? await run.summary() : undefined;
  return {
    path,
    name,
    manifest,
    experiment,
    repeats,
    summary: together,
    isFinished: allDone,
    model: await readModel(repeats, withNetworkSettings(experiment, manifest.flags.set)),
  };
}

async function readRepeat(folder: RepeatFolder, name: string): Promise<ReportedRepeat> {
  const [history, result, evaluation] = await Promise.all([
    folder.history(),
    folder.result(),
    readEvaluation(folder.path),
  ]);
  const tests = [evaluation?.test, result?.test].filter((test) => test !== undefined);
  const test = tests.length > 1 && tests[1].samples > tests[0].samples ? tests[1] : tests[0];
  return { name, folder, epochs: history?.epochs ?? [], result, evaluation, test };
}

async function readModel(repeats: readonly ReportedRepeat[], experiment: Experiment): Promise<Model> {
  for (const { folder } of repeats) {
    for (const which of ['best', 'last'] as const) {
      const file = await folder[which]();
      if (file) return folder.load(which, file);
    }
  }
  return experiment.network(0);
}

/** The repeat with the lowest validation loss, of those that were tested; without validation the first. */
export function bestRepeat({ repeats }: ReportedRun): ReportedRepeat | undefined {
  const loss = ({ result }: ReportedRepeat) => {
    const { valLoss } = result?.tested ?? {};
    return valLoss === undefined || Number.isNaN(valLoss) ? Number.POSITIVE_INFINITY : valLoss;
  };
  const [first, ...others] = repeats.filter(({ test }) => test !== undefined);
  return first && others.reduce((best, repeat) => (loss(repeat) < loss(best) ? repeat : best), first);
}
