import { randomInt } from 'node:crypto';
import { ImageSource } from '../data/batchSource.ts';
import { replicate } from '../data/replicate.ts';
import { WeftError } from '../errors.ts';
import { BestCheckpoint, type Callback, EarlyStopping, ReduceLROnPlateau } from '../nn/callbacks.ts';
import type { Samples } from '../nn/evaluate.ts';
import { type EpochLogs, fit } from '../nn/fit.ts';
import type { Model } from '../nn/model.ts';
import { loadModel } from '../nn/modelFile.ts';
import { drawCurves } from '../report/curves.ts';
import type { TuneRow } from '../tensor/tune.ts';
import { Display, FreshStatistics, Stretches } from './callbacks.ts';
import { type Console, duration } from './console.ts';
import type { Experiment } from './experiment.ts';
import { groupSets } from './experimentSet.ts';
import { findExperiment } from './index.ts';
import { Rehearsal, secondsPerImage } from './measure.ts';
import { makeOptimizer, type OptimizerPlan } from './optimizer.ts';
import {
  batchSizes,
  choosePreset,
  describePlan,
  estimate,
  inferenceBatch,
  type Overrides,
  type Plan,
  type PresetName,
  presetOf,
  repeatSizes,
  settle,
  stepsPerEpoch,
  withOverrides,
} from './presets.ts';
import { type Choices, type History, newRunPath, type RepeatFolder, RunFolder, readManifest } from './run.ts';
import { close, type Data, type OpenGpu, openData, openGpu, pinKernels, versions } from './session.ts';
import { repeatSeed, splitImages } from './splitting.ts';
import { Stopped, StopSignal } from './stop.ts';
import { objectives } from './task.ts';
import {
  decodeTested,
  encodeTested,
  printReconstruction,
  printResult,
  printSummary,
  type ReconstructionResult,
  summarize,
  type Tested,
  type TestOptions,
  type TestResult,
  test,
  testReconstruction,
} from './testing.ts';
import { describeKernels, kernelsOf, tuneKernels } from './tune.ts';
import { loadWeights } from './weights.ts';

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
export interface RepeatResult<T = TestResult> {
  readonly repeat: number;
  readonly seed: number;
  readonly epochs: number;
  /** Why training ended before its last epoch, if so. */
  readonly endedEarly?: string;
  /** The epoch whose weights were tested. */
  readonly tested: EpochLogs;
  readonly test: T;
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
  if (resumed && resumed.manifest.experiment !== experiment.name) {
    throw new WeftError(
      `--resume ${options.resume}: that is a run of ${resumed.manifest.experiment}, not of ${experiment.name}`,
    );
  }
  if (resumed && (await isFinished(resumed))) {
    out.line(
      `${resumed.path} is finished: its results are in result.json; weft evaluate ${resumed.path} tests it again`,
    );
    return 0;
  }
  const flags = resumed?.manifest.flags;
  const data = groupSets(await openData(options.data ?? flags?.data, out), experiment.recipe.classes);
  const run = resumed ?? (await startRun(experiment, options, data, out));
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
  { name: experiment, recipe: { frozenPhase } }: Experiment,
  options: TrainOptions,
  data: Data,
  out: Console,
): Promise<RunFolder> {
  const { seed: asked, like, out: folder, name, data: dir, adapter } = options;
  const { preset, epochs, repeats, limit, batchSize, learningRate, noAugment, noTune, fullTest } = options;
  const { unfrozen, weights } = options;
  const source = like === undefined ? undefined : await readManifest(like);
  if (source && source.experiment !== experiment)
    throw new WeftError(`--like ${like}: that is a run of ${source.experiment}, not of ${experiment}`);
  if (source && !source.choices)
    throw new WeftError(
      `--like ${like}: that run was stopped before it made its choices: there is nothing to repeat`,
    );
  if (!source && frozenPhase && weights === undefined && !unfrozen)
    throw new WeftError(
      `${experiment} begins with ${frozenPhase.frozenLayers} frozen layers, which must hold weights that were trained before; here they would be random. Give them with --weights FILE, or train all layers from random weights with --unfrozen`,
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
    unfrozen,
    weights,
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
  const asked = withOverrides(presetOf(experiment, preset), flags);
  const sizes = batchSizes(asked, flags.limit);
  const rehearsal = new Rehearsal(experiment, data.train, asked);
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
      await folder.saveResult({ ...outcome, test: tested.result } satisfies RepeatResult);
    }
  }
  if (plan.repeats === 1 || reconstructs) return;
  const summary = summarize(await Promise.all(run.repeats.map(readTested)), data);
  printSummary(summary, data, out);
  const results = await Promise.all(run.repeats.map((folder) => folder.result<RepeatResult>()));
  const winner = lowestLoss(results.map((result) => result!));
  out.line(
    winner
      ? `lowest validation loss: repeat ${winner.repeat}, accuracy ${winner.accuracy.toFixed(4)} on the test images`
      : 'no repeat has validation images: none is named the best',
  );
  await run.saveSummary({ ...summary, winner });
}

/** The repeat whose tested weights have the lowest validation loss, the first of equal ones; undefined where none was validated. */
export function lowestLoss(
  results: readonly RepeatResult[],
): { repeat: number; accuracy: number; valLoss: number } | undefined {
  const validated = results.flatMap(({ repeat, test: { accuracy }, tested: { valLoss } }) =>
    valLoss === undefined ? [] : { repeat, accuracy, valLoss },
  );
  return validated.sort((a, b) => a.valLoss - b.valLoss || a.repeat - b.repeat)[0];
}

/** What a finished repeat answered. */
async function readTested(folder: RepeatFolder): Promise<Tested> {
  const [file, result] = [await folder.probabilities(), await folder.result<RepeatResult>()];
  if (!file || !result) throw new WeftError(`${folder.path} lacks a file that a finished repeat has`);
  return decodeTested(file, result.test);
}

/** One stretch of a repeat's training, with one optimizer over the same layers. */
interface Phase {
  readonly optimizer: OptimizerPlan;
  readonly frozenLayers: number;
  /** The last, counted from the first phase's beginning. */
  readonly lastEpoch: number;
}

function phasesOf({ frozenPhase, frozenLayers, optimizer }: Plan, epochs: number): Phase[] {
  const before = frozenPhase?.epochs ?? 0;
  const main = { optimizer, frozenLayers, lastEpoch: before + epochs };
  return frozenPhase ? [{ ...frozenPhase, lastEpoch: before }, main] : [main];
}

/** Trains one repeat to its end, from its checkpoint if there is one. Everything in it depends on the run's seed and its number. */
async function trainRepeat(
  context: Context,
  repeat: number,
  folder: RepeatFolder,
): Promise<Omit<RepeatResult, 'test'>> {
  const { experiment, run, plan, data, stop, out } = context;
  const seed = repeatSeed(run.manifest.seed, repeat);
  const { epochs, trainingImages } = repeatSizes(plan, repeat);
  const [training, validation] = splitImages(run.manifest.seed, plan, data.train, repeat);
  const phases = phasesOf(plan, epochs);
  const allEpochs = phases[phases.length - 1].lastEpoch;
  const model = experiment.network(seed);
  const { weights } = run.manifest.flags;
  const isNew = (await folder.checkpoint()) === undefined;
  if (weights !== undefined && isNew)
    out.line(await loadWeights(model, weights, Math.max(...phases.map((phase) => phase.frozenLayers))));
  const samples = await trainingSamples(context, training, seed);
  const watched = new ImageSource(data.train, { scale: plan.pixelScale });
  const objective = objectives[experiment.task ?? 'classify'];

  const stretches = new Stretches();
  const callbacks: Callback[] = [stretches];
  if (validation.length > 0)
    callbacks.push(new BestCheckpoint({ monitor: 'valLoss', save: folder.saveBest }));
  callbacks.push({ onEpochEnd: async () => folder.saveLast(await model.save()) });
  if (plan.patience !== undefined)
    callbacks.push(new EarlyStopping({ monitor: 'valAccuracy', patience: plan.patience }));
  if (plan.reduceOnPlateau) callbacks.push(new ReduceLROnPlateau(plan.reduceOnPlateau));
  if (plan.statisticsImages > 0) {
    const some = { source: watched, indices: training.slice(0, plan.statisticsImages) };
    callbacks.push(new FreshStatistics(some, plan.batchSize, out));
  }
  callbacks.push(new Display(allEpochs, plan.batchSize, out));

  const history: EpochLogs[] = [];
  const saveHistory = (epochs: readonly EpochLogs[]) =>
    folder.saveHistory({ epochs: [...history, ...epochs], stretches: stretches.stretches });
  let ended: string | undefined;
  try {
    for (const [i, { optimizer: optimizerPlan, frozenLayers, lastEpoch }] of phases.entries()) {
      model.layers.forEach((layer, number) => {
        layer.trainable = number >= frozenLayers;
      });
      if (phases.length > 1)
        out.line(
          `phase ${i + 1} of ${phases.length}: ${frozenLayers} of ${model.layers.length} layers frozen`,
        );
      const optimizer = makeOptimizer(optimizerPlan);
      try {
        const result = await fit(model, {
          train: samples,
          validation: validation.length > 0 ? { source: watched, indices: validation } : undefined,
          optimizer,
          ...objective,
          initialEpoch: history.length,
          epochs: lastEpoch,
          batchSize: plan.batchSize,
          stepsPerEpoch: stepsPerEpoch(plan, trainingImages),
          seed,
          callbacks,
          checkpoint: {
            save: async (file, epochs) => {
              await folder.saveCheckpoint(file, i);
              await saveHistory(epochs);
            },
          },
          resume: await folder.checkpoint(i),
          shouldStop: (during) => (during === 'steps' ? stop.asked : stop.signalled)?.reason,
        });
        if (result.stopped !== undefined) throw stop.asked;
        history.push(...result.history);
        ended = result.finished;
      } finally {
        optimizer.dispose();
      }
    }
    if (ended) out.line(`ended early: ${ended}`);
    await saveHistory([]);
    await folder.saveCurves(
      drawHistory(
        `${experiment.name}, repeat ${repeat}, seed ${run.manifest.seed}`,
        history,
        stretches.stretches,
      ),
    );
    const last = history[history.length - 1];
    const best = history.reduce((lowest, logs) =>
      (logs.valLoss ?? 0) < (lowest.valLoss ?? 0) ? logs : lowest,
    );
    return {
      repeat,
      seed,
      epochs: history.length,
      endedEarly: ended,
      tested: plan.tested === 'best' ? best : last,
    };
  } finally {
    samples.source.dispose();
    watched.dispose();
    model.dispose();
  }
}

/** What is trained on: the images as the plan has them augmented, or together with copies that were made once. */
async function trainingSamples(
  { plan, data }: Context,
  training: Uint32Array,
  seed: number,
): Promise<Samples> {
  const { augment, pixelScale: scale, replicate: copies } = plan;
  if (!copies) return { source: new ImageSource(data.train, { augment, seed, scale }), indices: training };
  const set = await replicate(data.train, training, copies, { seed });
  const indices = Uint32Array.from({ length: set.count }, (_, i) => i);
  return { source: new ImageSource(set, { augment, seed, scale }), indices };
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
  const model = loadModel(file);
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
