import { randomInt } from 'node:crypto';
import { ImageSource } from '../data/batchSource.ts';
import { randomSplit, stratifiedSplit } from '../data/splits.ts';
import { WeftError } from '../errors.ts';
import { BestCheckpoint, type Callback, EarlyStopping } from '../nn/callbacks.ts';
import { type EpochLogs, fit } from '../nn/fit.ts';
import { loadModel } from '../nn/modelFile.ts';
import { Adam } from '../nn/optimizers/index.ts';
import { drawCurves } from '../report/curves.ts';
import { RandomStream } from '../tensor/random.ts';
import type { TuneRow } from '../tensor/tune.ts';
import { Display, FreshStatistics, Stretches } from './callbacks.ts';
import { type Console, duration } from './console.ts';
import type { Experiment, PresetName } from './experiment.ts';
import { findExperiment } from './index.ts';
import { Rehearsal, secondsPerImage } from './measure.ts';
import {
  batchSizes,
  choosePreset,
  describePlan,
  estimate,
  inferenceBatch,
  type Overrides,
  type Plan,
  settle,
  stepsPerEpoch,
  withOverrides,
} from './presets.ts';
import { type Choices, type History, newRunPath, type RepeatFolder, RunFolder, readManifest } from './run.ts';
import { close, type Data, type OpenGpu, openData, openGpu, pinKernels, versions } from './session.ts';
import { Stopped, StopSignal } from './stop.ts';
import {
  decodeTested,
  encodeTested,
  printResult,
  printSummary,
  summarize,
  type Tested,
  type TestResult,
  test,
} from './testing.ts';
import { describeKernels, kernelsOf, tuneKernels } from './tune.ts';

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

/** A finished repeat. */
interface RepeatResult {
  readonly repeat: number;
  readonly seed: number;
  readonly epochs: number;
  /** Why training ended before its last epoch, if so. */
  readonly endedEarly?: string;
  /** The epoch whose weights were tested. */
  readonly tested: EpochLogs;
  readonly test: TestResult;
}

/** What all repeats of a run have in common. */
interface Context {
  readonly experiment: Experiment;
  readonly run: RunFolder;
  readonly plan: Plan;
  readonly data: Data;
  readonly stop: StopSignal;
  readonly out: Console;
}

/** Trains an experiment, anew or from where a run was left, and tests it. Resolves with the exit code. */
export async function train(name: string, options: TrainOptions, out: Console): Promise<number> {
  const experiment = findExperiment(name);
  const resumed = options.resume === undefined ? undefined : await RunFolder.open(options.resume);
  if (resumed && resumed.manifest.experiment !== name) {
    throw new WeftError(
      `--resume ${options.resume}: that is a run of ${resumed.manifest.experiment}, not of ${name}`,
    );
  }
  if (resumed && (await isFinished(resumed))) {
    out.line(
      `${resumed.path} is finished: its results are in result.json; weft evaluate ${resumed.path} tests it again`,
    );
    return 0;
  }
  const flags = resumed?.manifest.flags;
  const data = await openData(options.data ?? flags?.data, out);
  const run = resumed ?? (await startRun(name, options, data, out));
  if (resumed) await run.lock();
  let stop: StopSignal | undefined;
  try {
    const gpu = await openRunGpu(run, resumed === undefined, options, out);
    stop = new StopSignal(options.maxTime, () => out.line('finishing the step; once more ends at once'));
    out.line(`\n${experiment.network(0).summary()}\n`);
    const { plan } = await settleChoices(experiment, run, gpu, data, stop, out);
    await runRepeats({ experiment, run, plan, data, stop, out });
    out.line(`files: ${run.path}`);
    return 0;
  } catch (error) {
    if (!(error instanceof Stopped)) throw error;
    out.line(`${error.reason}; go on: weft train ${name} --resume ${run.path}`);
    return error.exitCode;
  } finally {
    out.endProgress();
    stop?.dispose();
    await run.unlock();
    close();
  }
}

/** Opens the run's adapter. Of a new run that hasn't got one, nothing stays. */
async function openRunGpu(
  run: RunFolder,
  isNew: boolean,
  options: TrainOptions,
  out: Console,
): Promise<OpenGpu> {
  try {
    const gpu = await openGpu(options.adapter ?? run.manifest.flags.adapter, out);
    await settleAdapter(run, gpu, options.allowOtherAdapter ?? false, !isNew, out);
    pinKernels(gpu, run.kernels, out);
    return gpu;
  } catch (error) {
    if (isNew) await run.discard();
    throw error;
  }
}

/** Makes the folder of a new run with its manifest. */
async function startRun(
  experiment: string,
  options: TrainOptions,
  data: Data,
  out: Console,
): Promise<RunFolder> {
  const { seed: asked, like, out: folder, name, data: dir, adapter } = options;
  const { preset, epochs, repeats, limit, batchSize, learningRate, noAugment, noTune, fullTest } = options;
  const source = like === undefined ? undefined : await readManifest(like);
  if (source && source.experiment !== experiment)
    throw new WeftError(`--like ${like}: that is a run of ${source.experiment}, not of ${experiment}`);
  if (source && !source.choices)
    throw new WeftError(
      `--like ${like}: that run was stopped before it made its choices: there is nothing to repeat`,
    );
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

/** Keeps a run on the adapter that it was begun on, and writes down which. */
async function settleAdapter(
  run: RunFolder,
  { name }: OpenGpu,
  mayDiffer: boolean,
  isResumed: boolean,
  out: Console,
): Promise<void> {
  const { adapter, resumed, versions: begunWith } = run.manifest;
  const now = versions();
  if (adapter !== null && adapter !== name) {
    if (!mayDiffer)
      throw new WeftError(
        `this run belongs to the adapter ${adapter}, and this is ${name}: its bits would be others. --allow-other-adapter goes on all the same`,
      );
    out.line(`another adapter than ${adapter}: from here on, the bits are others`);
  }
  if (JSON.stringify(now) !== JSON.stringify(begunWith)) {
    out.line(
      `begun with ${describeVersions(begunWith)}, now ${describeVersions(now)}: from here on, the bits may be others`,
    );
  }
  const again = isResumed ? [{ at: new Date().toISOString(), adapter: name, versions: now }] : [];
  await run.update({ adapter: name, resumed: [...resumed, ...again] });
}

const describeVersions = ({ weft, node, webgpu }: ReturnType<typeof versions>) =>
  `weft ${weft}, Node ${node}, webgpu ${webgpu}`;

/** The run's choices: those in its manifest, else made now by timing kernels and then a step. Printed either way. */
async function settleChoices(
  experiment: Experiment,
  run: RunFolder,
  gpu: OpenGpu,
  data: Data,
  stop: StopSignal,
  out: Console,
): Promise<Choices> {
  const choices = run.manifest.choices ?? (await makeChoices(experiment, run, gpu, data, stop, out));
  const { plan, why, secondsPerImage } = choices;
  if (run.manifest.choices) out.line(`kernels (from the manifest): ${describeKernels(run.kernels)}`);
  else await run.update({ choices });
  const flags = run.manifest.flags;
  const other: PresetName = plan.preset === 'quick' ? 'recipe' : 'quick';
  const otherPlan = settle(experiment, other, {}, secondsPerImage);
  const rate = `${(1 / secondsPerImage).toPrecision(3)} images/s`;
  out.line(`preset ${plan.preset} (${why}): ${describePlan(plan)}`);
  if (plan.statisticsImages > 0) {
    out.line(
      `  batch-norm statistics are computed anew over ${Math.min(plan.statisticsImages, plan.trainingImages)} training images after each epoch: moving averages (momentum 0.99) lag behind in so few steps`,
    );
  }
  if (experiment.presets[plan.preset].trainingImages === 'measured') {
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

async function makeChoices(
  experiment: Experiment,
  { manifest }: RunFolder,
  gpu: OpenGpu,
  data: Data,
  stop: StopSignal,
  out: Console,
): Promise<Choices> {
  const { flags } = manifest;
  const { preset, why } = choosePreset(flags.preset, gpu.isSoftware);
  const sizes = batchSizes(withOverrides(experiment.presets[preset], flags), flags.limit);
  const rehearsal = new Rehearsal(experiment, data.train);
  try {
    const { rows, seconds } = await tuneKernels(rehearsal, sizes, { time: !flags.noTune }, stop, out);
    const kernels = kernelsOf(rows);
    out.line(`kernels (${howDecided(rows, seconds)}): ${describeKernels(kernels)}`);
    const [batchSize] = sizes.training;
    let steps = 0;
    const perImage = await secondsPerImage(rehearsal, batchSize, () => {
      out.progress(`timing a step of ${batchSize} images`, ++steps, 0);
      stop.check();
    });
    return { plan: settle(experiment, preset, flags, perImage), why, secondsPerImage: perImage, kernels };
  } finally {
    rehearsal.dispose();
  }
}

/** On what grounds kernels were chosen. */
function howDecided(rows: readonly TuneRow[], seconds: number): string {
  const from = (source: TuneRow['source']) =>
    rows.filter((row) => row.chosen && row.source === source).length;
  const parts = [
    from('timed') > 0 && `${from('timed')} timed here in ${duration(seconds)}`,
    from('stored') > 0 && `${from('stored')} from an earlier tuning`,
    from('predicted') > 0 && `${from('predicted')} by predicted cost`,
  ];
  return parts.filter(Boolean).join(', ');
}

async function isFinished(run: RunFolder): Promise<boolean> {
  const results = await Promise.all(run.repeats.map((repeat) => repeat.result()));
  return (
    results.length > 0 &&
    results.every((result) => result !== undefined) &&
    (await run.summary()) !== undefined
  );
}

/** Goes through the repeats that have no result yet, then brings all results together. */
async function runRepeats(context: Context): Promise<void> {
  const { run, plan, data, out } = context;
  for (const [i, folder] of run.repeats.entries()) {
    const repeat = i + 1;
    const isDone = (await folder.result()) !== undefined;
    if (plan.repeats > 1) out.line(`repeat ${repeat} of ${plan.repeats}${isDone ? ' is done' : ''}`);
    if (isDone) continue;
    const outcome = await trainRepeat(context, repeat, folder);
    const tested = await testWeights(context, folder);
    printResult(`weights of epoch ${outcome.tested.epoch}`, tested.result, data, out);
    await folder.saveProbabilities(encodeTested(tested));
    await folder.saveResult({ ...outcome, test: tested.result } satisfies RepeatResult);
  }
  if (plan.repeats === 1) return;
  const summary = summarize(await Promise.all(run.repeats.map(readTested)), data);
  printSummary(summary, data, out);
  await run.saveSummary(summary);
}

/** What a finished repeat answered. */
async function readTested(folder: RepeatFolder): Promise<Tested> {
  const [file, result] = [await folder.probabilities(), await folder.result<RepeatResult>()];
  if (!file || !result) throw new WeftError(`${folder.path} lacks a file that a finished repeat has`);
  return decodeTested(file, result.test);
}

/** Trains one repeat to its end, from its checkpoint if there is one. Everything in it depends on the run's seed and its number. */
async function trainRepeat(
  context: Context,
  repeat: number,
  folder: RepeatFolder,
): Promise<Omit<RepeatResult, 'test'>> {
  const { experiment, run, plan, data, stop, out } = context;
  const seed = new RandomStream(run.manifest.seed, `repeat ${repeat}`).words(1)[0];
  const model = experiment.network(seed);
  const source = new ImageSource(data.train, { augment: plan.augment ?? undefined, seed });
  const optimizer = new Adam({ learningRate: plan.learningRate });
  const [training, validation] = splitImages(plan, data.train.labels, seed);

  const stretches = new Stretches();
  const callbacks: Callback[] = [
    stretches,
    new BestCheckpoint({ monitor: 'valLoss', save: folder.saveBest }),
  ];
  callbacks.push({ onEpochEnd: async () => folder.saveLast(await model.save()) });
  if (plan.patience !== null)
    callbacks.push(new EarlyStopping({ monitor: 'valAccuracy', patience: plan.patience }));
  if (plan.statisticsImages > 0) {
    const samples = { source, indices: training.slice(0, plan.statisticsImages) };
    callbacks.push(new FreshStatistics(samples, plan.batchSize, out));
  }
  callbacks.push(new Display(plan.epochs, plan.batchSize, out));

  const saveHistory = (epochs: readonly EpochLogs[]) =>
    folder.saveHistory({ epochs, stretches: stretches.stretches });
  try {
    const { history, finished, stopped } = await fit(model, {
      train: { source, indices: training },
      validation: { source, indices: validation },
      optimizer,
      epochs: plan.epochs,
      batchSize: plan.batchSize,
      stepsPerEpoch: stepsPerEpoch(plan),
      seed,
      callbacks,
      checkpoint: {
        save: async (file, epochs) => {
          await folder.saveCheckpoint(file);
          await saveHistory(epochs);
        },
      },
      resume: await folder.checkpoint(),
      shouldStop: (during) => (during === 'steps' ? stop.asked : stop.signalled)?.reason,
    });
    if (stopped !== undefined) throw stop.asked;
    if (finished) out.line(`ended early: ${finished}`);
    await saveHistory(history);
    await folder.saveCurves(
      drawHistory(
        `${experiment.name}, repeat ${repeat}, seed ${run.manifest.seed}`,
        history,
        stretches.stretches,
      ),
    );
    const best = history.reduce((lowest, logs) =>
      (logs.valLoss ?? 0) < (lowest.valLoss ?? 0) ? logs : lowest,
    );
    const tested = plan.tested === 'best' ? best : history[history.length - 1];
    return { repeat, seed, epochs: history.length, endedEarly: finished, tested };
  } finally {
    source.dispose();
    optimizer.dispose();
    model.dispose();
  }
}

function splitImages(plan: Plan, labels: Uint8Array, seed: number): Uint32Array[] {
  const sizes = [plan.trainingImages, plan.validationImages];
  const stream = new RandomStream(seed, 'split');
  return plan.stratified ? stratifiedSplit(labels, sizes, stream) : randomSplit(labels.length, sizes, stream);
}

/** Tests the weights that the plan says. */
async function testWeights({ plan, data, stop, out }: Context, folder: RepeatFolder): Promise<Tested> {
  stop.check();
  const file = await folder[plan.tested]();
  if (!file)
    throw new WeftError(`${folder.path} has no ${plan.tested}.safetensors, though its training is over`);
  const model = loadModel(file);
  try {
    return await test(model, data, {
      images: plan.testImages,
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

function drawHistory(title: string, epochs: readonly EpochLogs[], stretches: History['stretches']): string {
  const panel = (title: string, training: 'loss' | 'accuracy', validation: 'valLoss' | 'valAccuracy') => ({
    title,
    curves: [
      {
        name: 'training',
        points: stretches.map((stretch) => [stretch.epoch, stretch[training] ?? Number.NaN] as const),
      },
      {
        name: 'validation',
        points: epochs.map((logs) => [logs.epoch, logs[validation] ?? Number.NaN] as const),
      },
    ],
  });
  const panels = [panel('loss', 'loss', 'valLoss')];
  if (epochs.every(({ accuracy }) => accuracy !== undefined))
    panels.push(panel('accuracy', 'accuracy', 'valAccuracy'));
  return drawCurves(panels, { title, xName: 'epoch' });
}
