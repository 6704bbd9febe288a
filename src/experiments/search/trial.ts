import { join, relative } from 'node:path';
import { WeftError } from '../../errors.ts';
import { cleaningUp } from '../../node/cleanUp.ts';
import { readIfThere } from '../jsonFile.ts';
import { MANIFEST } from '../manifest.ts';
import { pathInside } from '../pathInside.ts';
import { type Context, trainRepeat } from '../repeat.ts';
import type { History } from '../results.ts';
import { RunFolder } from '../run.ts';
import { type Settings, withNetworkSettings, withRecipeSettings } from '../settings.ts';
import type { Objective, SearchFolder } from './folder.ts';

/** What all trials of a search have in common; its plan and experiment are without their parameters. */
export interface TrialContext extends Omit<Context, 'run'> {
  readonly folder: SearchFolder;
}

/**
 * Trains one trial, from its checkpoint where it was broken off, and resolves with its objective: the lowest validation loss of its epochs,
 * or the highest validation accuracy. All trials have the same images and initial random numbers, and none sees the test images.
 */
export async function runTrial(context: TrialContext, number: number, parameters: Settings): Promise<number> {
  const { folder, stop, data, out } = context;
  const plan = withRecipeSettings(context.plan, parameters);
  const experiment = withNetworkSettings(context.experiment, parameters);
  const run = await openTrial(folder, number, parameters);
  return cleaningUp(
    async () => {
      const repeat = run.repeat(1);
      await trainRepeat({ experiment, run, plan, data, stop, out }, 1, repeat);
      const history = await repeat.history();
      if (!history) throw new WeftError(`${repeat.path} has no history, though its training is over`);
      return figureOf(folder.manifest.objective, history.epochs);
    },
    () => run.unlock(),
  );
}

/** The run of a trial: as it was left, or a new one. */
async function openTrial(folder: SearchFolder, number: number, parameters: Settings): Promise<RunFolder> {
  const path = folder.trialPath(number);
  await pathInside(folder.path, relative(folder.path, path));
  if (await readIfThere(join(path, MANIFEST))) {
    const run = await RunFolder.open(path);
    await run.lock();
    return run;
  }
  const { search, objective, trials, choices, flags, ...common } = folder.manifest;
  return RunFolder.create(path, {
    ...common,
    created: new Date().toISOString(),
    flags: { ...flags, set: { ...flags.set, ...parameters } },
    choices: choices && {
      ...choices,
      plan: withRecipeSettings(choices.plan, parameters),
      why: `trial ${number} of ${folder.path}`,
    },
    resumed: [],
  });
}

/**
 * The best figure of a trial's epochs. Where the validation loss is no finite number, which JSON writes as null, nothing of an epoch counts.
 * @throws WeftError where that is so in all of them
 */
export function figureOf(objective: Objective, epochs: History['epochs']): number {
  const finite = epochs.filter(({ valLoss }) => Number.isFinite(valLoss));
  if (finite.length === 0) throw new WeftError('the validation loss is no finite number after any epoch');
  return objective === 'val-loss'
    ? Math.min(...finite.map(({ valLoss }) => valLoss!))
    : Math.max(...finite.map(({ valAccuracy }) => valAccuracy!));
}
