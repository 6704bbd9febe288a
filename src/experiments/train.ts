import { randomInt } from 'node:crypto';
import { WeftError } from '../errors.ts';
import type { Model } from '../nn/model.ts';
import { cleaningUp } from '../node/cleanUp.ts';
import { threeDigits } from '../report/numbers.ts';
import { makeChoices } from './choices.ts';
import { type Console, duration } from './console.ts';
import type { Experiment } from './experiment.ts';
import { groupSets } from './experimentSet.ts';
import { findExperiment } from './index.ts';
import type { Choices, Overrides, PresetName } from './manifest.ts';
import { checkStart, describePlan, estimate, inferenceBatch, presetOf, settle } from './presets.ts';
import { type Context, trainRepeat } from './repeat.ts';
import { isClassified, type ReconstructionResult, type RepeatResult, type TestResult } from './results.ts';
import { newRunPath, type RepeatFolder, RunFolder, readManifest } from './run.ts';
import { close, type Data, type OpenGpu, openData, openGpuFor, versions } from './session.ts';
import { withNetworkSettings } from './settings.ts';
import { shellPath } from './shell.ts';
import { Stopped, StopSignal } from './stop.ts';
import {
  encodeTested,
  printReconstruction,
  printResult,
  printSummary,
  summarize,
  type Tested,
  type TestOptions,
  test,
  testReconstruction,
} from './testing.ts';
import { describeKernels } from './tune.ts';

export interface TrainOptions extends Overrides {
  seed?: number;
  /** Seconds after which the run checkpoints and ends. */
  maxTime?: number;
  /** The run's folder. */
  out?: string;
  /** The run's folder in `runs`. */
  name?: string;
  /** A run's folder, to go on with. */
  resume?: string;
  /** A run's folder or manifest, to do again. */
  like?: string;
  data?: string;
  adapter?: string;
  allowOtherAdapter?: boolean;
}

/** Trains an experiment, anew or from where a run was left, and tests it. Resolves with the exit code. */
export async function train(name: string, options: TrainOptions, out: Console): Promise<number> {
  const known = findExperiment(name);
  const resumed = options.resume === undefined ? undefined : await RunFolder.open(options.resume);
  if (resumed && resumed.manifest.experiment !== known.name) {
    throw new WeftError(
      `--resume ${options.resume}: that is a run of ${resumed.manifest.experiment}, not of ${known.name}`,
    );
  }
  if (resumed && (await isFinished(resumed))) {
    out.line(
      `${resumed.path} is finished: its results are in result.json; weft evaluate ${shellPath(resumed.path)} tests it again`,
    );
    return 0;
  }
  const flags = resumed?.manifest.flags;
  const data = groupSets(await openData(options.data ?? flags?.data, out), known.recipe.classes);
  const run = resumed ?? (await startRun(known, options, data, out));
  if (resumed) await run.lock();
  let stop: StopSignal | undefined;
  return cleaningUp(
    async () => {
      try {
        const experiment = withNetworkSettings(known, run.manifest.flags.set);
        const gpu = await openGpuFor(run, resumed === undefined, options, out);
        stop = new StopSignal(options.maxTime, () => out.line('finishing the step; once more ends at once'));
        out.line(`\n${experiment.network(0).summary()}\n`);
        const { plan } = await settleChoices(experiment, run, gpu, data, stop, out);
        await runRepeats({ experiment, run, plan, data, stop, out });
        out.line(`files: ${run.path}`);
        return 0;
      } catch (error) {
        if (!(error instanceof Stopped)) throw error;
        out.line(`${error.reason}; go on: weft train ${known.name} --resume ${shellPath(run.path)}`);
        return error.exitCode;
      }
    },
    () => out.endProgress(),
    () => stop?.dispose(),
    () => run.unlock(),
    close,
  );
}

/** Makes the folder of a new run with its manifest. */
async function startRun(
  known: Experiment,
  options: TrainOptions,
  data: Data,
  out: Console,
): Promise<RunFolder> {
  const { name: experiment } = known;
  const { seed: asked, like, out: folder, name, data: dir, adapter } = options;
  const { preset, epochs, repeats, limit, batchSize, learningRate, noAugment, noTune, fullTest } = options;
  const { unfrozen, weights, set } = options;
  const source = like === undefined ? undefined : await readManifest(like);
  if (source && source.experiment !== experiment)
    throw new WeftError(`--like ${like}: that is a run of ${source.experiment}, not of ${experiment}`);
  if (source && !source.choices)
    throw new WeftError(
      `--like ${like}: that run was stopped before it made its choices: there is nothing to repeat`,
    );
  if (!source) checkStart(known, options);
  const seed = source?.seed ?? asked ?? randomInt(2 ** 32);
  const flags = source?.flags ?? {
    preset,
    epochs,
    repeats,
    limit,
    batchSize,
    learningRate,
    noAugment,
    noTune,
    fullTest,
    unfrozen,
    weights,
    set,
  };
  const run = await RunFolder.create(newRunPath(experiment, seed, { out: folder, name }), {
    format: 1,
    experiment,
    seed,
    created: new Date().toISOString(),
    flags: { ...flags, data: dir ?? flags.data, adapter: adapter ?? flags.adapter },
    versions: versions(),
    like,
    adapter: source?.adapter ?? null,
    dataFrom: data.source,
    choices: source?.choices ?? null,
    resumed: [],
  });
  out.line(`run: ${run.path}, seed ${seed}${asked === undefined && !source ? ' (chosen at random)' : ''}`);
  return run;
}

/** The run's choices: those in its manifest, else made now by timing kernels and then a step. Printed either way. */
async function settleChoices(
  experiment: Experiment,
  run: RunFolder,
  gpu: OpenGpu,
  data: Data,
  stop: StopSignal,
  out: Console,
): Promise<Choices> {
  const choices =
    run.manifest.choices ?? (await makeChoices(experiment, run.manifest.flags, gpu, data, stop, out));
  const { plan, why, secondsPerImage } = choices;
  if (run.manifest.choices) out.line(`kernels (from the manifest): ${describeKernels(run.kernels)}`);
  else await run.update({ choices });
  const flags = run.manifest.flags;
  const other: PresetName = plan.preset === 'quick' ? 'recipe' : 'quick';
  const otherPlan = settle(experiment, other, {}, secondsPerImage);
  const rate = `${threeDigits(1 / secondsPerImage)} images/s`;
  out.line(`preset ${plan.preset} (${why}): ${describePlan(plan)}`);
  if (plan.statisticsImages > 0) {
    out.line(
      `  batch-norm statistics are computed anew over ${Math.min(plan.statisticsImages, plan.trainingImages)} training images after each epoch: moving averages (momentum 0.99) lag behind in so few steps`,
    );
  }
  if (presetOf(experiment, plan.preset).trainingImages === 'measured') {
    out.line(
      `  sized from ${rate}: training takes about ${duration(estimate(plan, secondsPerImage).training)}${flags.limit === undefined ? '' : ` (--limit ${flags.limit})`}`,
    );
  }
  out.line(`  all of it: about ${duration(estimate(plan, secondsPerImage).total)} here, at ${rate}`);
  out.line(
    `the other preset, ${other}: about ${duration(estimate(otherPlan, secondsPerImage).total)} here (${describePlan(otherPlan)})`,
  );
  out.line();
  return choices;
}

async function isFinished(run: RunFolder): Promise<boolean> {
  const results = await Promise.all(run.repeats.map((repeat) => repeat.result()));
  return (
    results.length > 0 &&
    results.every((result) => result !== undefined) &&
    (results.length === 1 || (await run.summary()) !== undefined)
  );
}

/** Goes through the repeats that have no result yet, then brings all results together. */
async function runRepeats(context: Context): Promise<void> {
  const { experiment, run, plan, data, out } = context;
  const reconstructs = experiment.task === 'reconstruct';
  for (const [i, folder] of run.repeats.entries()) {
    const repeat = i + 1;
    const isDone = (await folder.result()) !== undefined;
    if (plan.repeats > 1) out.line(`repeat ${repeat} of ${plan.repeats}${isDone ? ' is done' : ''}`);
    if (isDone) continue;
    const outcome = await trainRepeat(context, repeat, folder);
    const what = `weights of epoch ${outcome.tested.epoch}`;
    if (reconstructs) {
      const result = await testWeights(context, folder, testReconstruction);
      printReconstruction(what, result, out);
      await folder.saveResult({ ...outcome, test: result } satisfies RepeatResult<ReconstructionResult>);
    } else {
      const tested = await testWeights(context, folder, test);
      printResult(what, tested.result, data, out);
      await folder.saveProbabilities(encodeTested(tested));
      await folder.saveResult({ ...outcome, test: tested.result } satisfies RepeatResult<TestResult>);
    }
  }
  if (plan.repeats === 1 || reconstructs) return;
  const summary = summarize(await Promise.all(run.repeats.map(readTested)), data);
  printSummary(summary, data, out);
  const winner = lowestLoss(await Promise.all(run.repeats.map(readResult)));
  out.line(
    winner
      ? `lowest validation loss: repeat ${winner.repeat}, accuracy ${winner.accuracy.toFixed(4)} on the test images`
      : 'no repeat has validation images: none is named the best',
  );
  if (winner) await run.saveWinner((await run.repeat(winner.repeat)[plan.tested]())!);
  await run.saveSummary({ ...summary, winner });
}

/** The repeat whose tested weights have the lowest validation loss, the first of equal ones; undefined where none was validated. */
export function lowestLoss(
  results: readonly RepeatResult<TestResult>[],
): { repeat: number; accuracy: number; valLoss: number } | undefined {
  const validated = results.flatMap(({ repeat, test: { accuracy }, tested: { valLoss } }) =>
    valLoss === undefined || Number.isNaN(valLoss) ? [] : { repeat, accuracy, valLoss },
  );
  return validated.sort((a, b) => a.valLoss - b.valLoss || a.repeat - b.repeat)[0];
}

/** What a finished repeat answered. */
async function readTested(folder: RepeatFolder): Promise<Tested> {
  const { test } = await readResult(folder);
  const tested = await folder.tested(test);
  if (!tested) throw new WeftError(`${folder.path} lacks the probabilities that a finished repeat has`);
  return tested;
}

/** What a finished repeat of a classifier came to. */
async function readResult(folder: RepeatFolder): Promise<RepeatResult<TestResult>> {
  const result = await folder.result();
  if (!result || !isClassified(result.test))
    throw new WeftError(`${folder.path} lacks the result that a finished repeat of a classifier has`);
  return { ...result, test: result.test };
}

/** Tests the weights that the plan says. */
async function testWeights<T>(
  { plan, data, stop, out }: Context,
  folder: RepeatFolder,
  how: (model: Model, data: Data, options: TestOptions) => Promise<T>,
): Promise<T> {
  stop.check();
  const file = await folder[plan.tested]();
  if (!file)
    throw new WeftError(`${folder.path} has no ${plan.tested}.safetensors, though its training is over`);
  const model = folder.load(plan.tested, file);
  try {
    return await how(model, data, {
      images: plan.testImages,
      pixelScale: plan.pixelScale,
      batchSize: inferenceBatch(plan.batchSize),
      onProgress: (done, total) => {
        out.progress('test', done, total);
        stop.checkSignals();
      },
    });
  } finally {
    model.dispose();
  }
}
