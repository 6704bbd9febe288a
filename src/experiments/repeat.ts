import { ImageSource } from '../data/batchSource.ts';
import { replicate } from '../data/replicate.ts';
import { BestCheckpoint, type Callback, EarlyStopping, ReduceLROnPlateau } from '../nn/callbacks.ts';
import { type EpochLogs, fit } from '../nn/fit.ts';
import type { Samples } from '../nn/samples.ts';
import { drawCurves } from '../report/curves.ts';
import { Display, FreshStatistics, Stretches } from './callbacks.ts';
import type { Console } from './console.ts';
import type { Experiment } from './experiment.ts';
import { makeOptimizer, type OptimizerPlan } from './optimizer.ts';
import type { Plan } from './plan.ts';
import { repeatSizes, stepsPerEpoch } from './presets.ts';
import type { AnyTest, History, RepeatResult } from './results.ts';
import type { RepeatFolder, RunFolder } from './run.ts';
import type { Data } from './session.ts';
import { repeatSeed, splitImages } from './splitting.ts';
import type { StopSignal } from './stop.ts';
import { objectives } from './task.ts';
import { loadWeights } from './weights.ts';

/** What all repeats of a run have in common. */
export interface Context {
  readonly experiment: Experiment;
  readonly run: RunFolder;
  readonly plan: Plan;
  readonly data: Data;
  readonly stop: StopSignal;
  readonly out: Console;
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
export async function trainRepeat(
  context: Context,
  repeat: number,
  folder: RepeatFolder,
): Promise<Omit<RepeatResult<AnyTest>, 'test'>> {
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

  const history: EpochLogs[] = [];
  const stretches = new Stretches();
  const display = new Display(allEpochs, plan.batchSize, out);
  /** Those of a phase: what they know ends with it, but for the best weights, which are those of all phases. */
  const callbacksOfPhase = (): Callback[] => {
    const callbacks: Callback[] = [stretches];
    const losses = history.flatMap(({ valLoss }) => (Number.isFinite(valLoss) ? valLoss! : []));
    const initialBest = losses.length > 0 ? Math.min(...losses) : undefined;
    if (validation.length > 0)
      callbacks.push(new BestCheckpoint({ monitor: 'valLoss', save: folder.saveBest, initialBest }));
    callbacks.push({ onEpochEnd: async () => folder.saveLast(await model.save()) });
    if (plan.patience !== undefined)
      callbacks.push(new EarlyStopping({ monitor: 'valAccuracy', patience: plan.patience }));
    if (plan.reduceOnPlateau) callbacks.push(new ReduceLROnPlateau(plan.reduceOnPlateau));
    if (plan.statisticsImages > 0) {
      const some = { source: watched, indices: training.slice(0, plan.statisticsImages) };
      callbacks.push(new FreshStatistics(some, plan.batchSize, out));
    }
    callbacks.push(display);
    return callbacks;
  };

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
          callbacks: callbacksOfPhase(),
          checkpoint: {
            name: folder.checkpointPath(i),
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
