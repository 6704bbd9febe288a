import { randomInt } from 'node:crypto';
import { WeftError } from '../../errors.ts';
import { cleaningUp } from '../../node/cleanUp.ts';
import { Grid } from '../../search/grid.ts';
import { type SearchMethod, search } from '../../search/search.ts';
import type { Trial } from '../../search/trial.ts';
import { makeChoices } from '../choices.ts';
import { type Console, duration } from '../console.ts';
import type { Experiment } from '../experiment.ts';
import { groupSets } from '../experimentSet.ts';
import { findExperiment } from '../index.ts';
import type { Overrides } from '../manifest.ts';
import type { Plan } from '../plan.ts';
import {
  checkStart,
  choosePreset,
  describePlan,
  estimate,
  presetOf,
  setSizes,
  withOverrides,
} from '../presets.ts';
import { newRunPath } from '../run.ts';
import {
  close,
  type Data,
  type OpenGpu,
  openData,
  openGpu,
  openGpuFor,
  pinKernels,
  versions,
} from '../session.ts';
import { withNetworkSettings } from '../settings.ts';
import { shellPath, shellWord } from '../shell.ts';
import { Stopped, StopSignal } from '../stop.ts';
import { type Objective, SearchFolder, type SearchManifest } from './folder.ts';
import {
  bestTrial,
  describeParameters,
  drawTrials,
  formatTrials,
  objectiveName,
  trainCommand,
} from './outcome.ts';
import { checkSettingsSpace, defaultSpace, readSpace } from './space.ts';
import { runTrial, type TrialContext } from './trial.ts';

type Deciding = Pick<
  Overrides,
  'preset' | 'epochs' | 'limit' | 'noAugment' | 'noTune' | 'unfrozen' | 'weights' | 'set'
>;

export interface SearchCommandOptions extends Deciding {
  method?: SearchMethod;
  trials?: number;
  /** A JSON file with the space. */
  space?: string;
  objective?: Objective;
  seed?: number;
  /** Seconds after which the search is broken off. */
  maxTime?: number;
  out?: string;
  name?: string;
  /** A search's folder, to go on with. */
  resume?: string;
  data?: string;
  adapter?: string;
  allowOtherAdapter?: boolean;
}

const DEFAULT_TRIALS = 20;
/** Of a recipe that has none. */
const VALIDATION_IMAGES = 10_000;

/** Searches for the settings with which an experiment's network validates best. Resolves with the exit code. */
export async function searchExperiment(
  name: string,
  options: SearchCommandOptions,
  out: Console,
): Promise<number> {
  const known = findExperiment(name);
  const resumed = options.resume === undefined ? undefined : await SearchFolder.open(options.resume);
  if (resumed && resumed.manifest.experiment !== known.name)
    throw new WeftError(
      `--resume ${options.resume}: that is a search for ${resumed.manifest.experiment}, not for ${known.name}`,
    );
  if (!resumed) checkStart(known, options);
  const whole = await openData(options.data ?? resumed?.manifest.flags.data, out);
  const data = groupSets(whole, known.recipe.classes);
  let folder = resumed;
  let stop: StopSignal | undefined;
  return cleaningUp(
    async () => {
      try {
        await folder?.lock();
        const gpu = resumed
          ? await openGpuFor(resumed, false, options, out)
          : await openGpu(options.adapter, out);
        folder ??= await startSearch(known, options, gpu, data, out);
        stop = new StopSignal(options.maxTime, () => out.line('finishing the step; once more ends at once'));
        if (options.trials !== undefined)
          await folder.update({ search: { ...folder.manifest.search, trials: options.trials } });
        const experiment = withNetworkSettings(known, folder.manifest.flags.set);
        const plan = await settlePlan(experiment, folder, gpu, data, stop, out);
        await runTrials({ experiment, folder, plan, data, stop, out }, gpu);
        const chart = drawTrials(folder.manifest);
        if (chart) await folder.saveChart(chart);
        printOutcome(folder, out);
        return 0;
      } catch (error) {
        if (!(error instanceof Stopped)) throw error;
        out.line(
          `${error.reason}; go on: weft search ${known.name} --resume ${shellPath(folder?.path ?? '')}`,
        );
        return error.exitCode;
      }
    },
    () => out.endProgress(),
    () => stop?.dispose(),
    () => folder?.unlock(),
    close,
  );
}

/** Makes the folder of a new search, once all that it was told makes sense. */
async function startSearch(
  known: Experiment,
  options: SearchCommandOptions,
  gpu: OpenGpu,
  data: Data,
  out: Console,
): Promise<SearchFolder> {
  const { preset, epochs, limit, noAugment, noTune, unfrozen, weights, set, adapter } = options;
  const { method = 'tpe', trials = DEFAULT_TRIALS, seed = randomInt(2 ** 32) } = options;
  const flags = { preset, epochs, limit, noAugment, noTune, unfrozen, weights, set, repeats: 1 };
  const classifies = known.task !== 'reconstruct';
  const objective = options.objective ?? (classifies ? 'val-accuracy' : 'val-loss');
  if (!classifies && objective === 'val-accuracy')
    throw new WeftError(`${known.name} classifies nothing: it has a validation loss only`);
  const experiment = withNetworkSettings(known, set);
  const open = withOverrides(presetOf(experiment, choosePreset(preset, gpu.isSoftware).preset), flags);
  const space =
    options.space === undefined ? defaultSpace(experiment, open, limit) : await readSpace(options.space);
  checkSettingsSpace(experiment, open, space);
  if (objective === 'val-loss' && Object.hasOwn(space, 'l2'))
    out.line(
      'the validation loss includes the L2 penalty, so a smaller l2 looks better than it is: --objective val-accuracy compares them fairly',
    );
  const path = newRunPath(`search-${known.name}`, seed, options);
  const folder = await SearchFolder.create(path, {
    format: 1,
    experiment: known.name,
    seed,
    created: new Date().toISOString(),
    flags: { ...flags, data: options.data, adapter },
    versions: versions(),
    adapter: gpu.name,
    dataFrom: data.source,
    choices: null,
    objective,
    search: {
      method,
      space,
      trials: method === 'grid' ? Math.min(new Grid(space, seed).size, options.trials ?? Infinity) : trials,
      direction: objective === 'val-loss' ? 'minimize' : 'maximize',
      // Said here, so that more trials later don't change which stage the first ones are of.
      ...(method === 'coarse-to-fine' ? { coarseTrials: Math.ceil(trials / 2) } : {}),
    },
    trials: [],
    resumed: [],
  });
  out.line(`search: ${path}, seed ${seed}${options.seed === undefined ? ' (chosen at random)' : ''}`);
  return folder;
}

/** The plan of all trials, but for their parameters: that of the folder, else made now. Kernels are chosen with it, once for all. */
async function settlePlan(
  experiment: Experiment,
  folder: SearchFolder,
  gpu: OpenGpu,
  data: Data,
  stop: StopSignal,
  out: Console,
): Promise<Plan> {
  if (!folder.manifest.choices) {
    const made = await makeChoices(experiment, folder.manifest.flags, gpu, data, stop, out);
    await folder.update({ choices: { ...made, plan: validated(made.plan, folder.manifest.flags.limit) } });
  }
  const { plan, why, secondsPerImage, kernels } = folder.manifest.choices!;
  // What isn't among them, as in networks of another width, goes by predicted cost: timing it would make trials depend on the clock.
  pinKernels(gpu, kernels, out);
  const { method, trials = 0, space } = folder.manifest.search;
  out.line(`preset ${plan.preset} (${why}): ${describePlan(plan)}`);
  out.line(
    `${trials} trials by ${method} over ${Object.keys(space).join(', ')}; compared on validation images, none sees the test images`,
  );
  out.line(`  all of it: about ${duration(trials * estimate(plan, secondsPerImage).total)} here\n`);
  return plan;
}

/** A plan with validation images, which the objective needs, and one repeat; its test images are never looked at. */
function validated({ nested, ...plan }: Plan, limit = Number.POSITIVE_INFINITY): Plan {
  const validationImages = plan.validationImages || Math.min(VALIDATION_IMAGES, limit);
  const trainingImages = Math.min(plan.trainingImages, setSizes(plan.classes).training - validationImages);
  return { ...plan, validationImages, trainingImages };
}

async function runTrials(context: TrialContext, { gpu }: OpenGpu): Promise<void> {
  const { folder, stop, out } = context;
  const { search: plan, seed, trials: history } = folder.manifest;
  const ending = new AbortController();
  await search({
    ...plan,
    seed,
    history,
    signal: ending.signal,
    async objective(parameters, { number }) {
      out.line(`trial ${number} of ${plan.trials}: ${describeParameters(parameters)}`);
      try {
        stop.checkSignals();
        return await runTrial(context, number, parameters);
      } catch (error) {
        // Asked to stop, or left without a device: no trial after this one would fare better.
        if (error instanceof Stopped) ending.abort(error);
        else gpu.throwIfLost();
        throw error;
      }
    },
    async onTrial(trial, trials) {
      await folder.update({ trials });
      out.line(`trial ${trial.number}: ${describeTrial(trial, folder.manifest)}\n`);
    },
  });
}

function describeTrial({ value, message }: Trial, manifest: SearchManifest): string {
  const best = bestTrial(manifest);
  const now = value === undefined ? `failed: ${message}` : `${objectiveName(manifest)} ${value.toFixed(4)}`;
  return best ? `${now}; the best so far is trial ${best.number} with ${best.value!.toFixed(4)}` : now;
}

function printOutcome(folder: SearchFolder, out: Console): void {
  const { manifest } = folder;
  out.line(`${formatTrials(manifest)}\n`);
  const best = bestTrial(manifest);
  if (best) {
    out.line(`best: trial ${best.number}, ${objectiveName(manifest)} ${best.value!.toFixed(4)}`);
    for (const [name, value] of Object.entries(best.parameters)) out.line(`  ${name} ${value}`);
    out.line(`train with these settings: ${trainCommand(manifest, best.parameters)}`);
    out.line(
      `test this trial's network: weft train ${shellWord(manifest.experiment)} --resume ${shellPath(folder.trialPath(best.number))}`,
    );
  } else out.line('every trial failed: there is no best one');
  out.line(`files: ${folder.path}`);
}
