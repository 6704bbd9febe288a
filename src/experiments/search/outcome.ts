import { parallelChart } from '../../report/parallel.ts';
import { table } from '../../report/table.ts';
import type { Dimension, ParameterValue } from '../../search/space.ts';
import { ranked, type Trial } from '../../search/trial.ts';
import { duration } from '../console.ts';
import type { Settings } from '../settings.ts';
import { shellPath, shellWord } from '../shell.ts';
import type { SearchManifest } from './folder.ts';

/** What a search's objective is called. */
export const objectiveName = ({ objective }: Pick<SearchManifest, 'objective'>): string =>
  objective === 'val-loss' ? 'validation loss' : 'validation accuracy';

/** Trials from the best to the worst. */
export const rankedTrials = ({ trials, search: { direction = 'minimize' } }: SearchManifest): Trial[] =>
  ranked(trials, direction);

/** The best trial that didn't fail. */
export const bestTrial = (manifest: SearchManifest): Trial | undefined =>
  rankedTrials(manifest).find(({ state }) => state === 'complete');

/** The trials as a table, the best first: its header and its rows. */
export function trialTable(manifest: SearchManifest): { header: string[]; rows: string[][] } {
  const names = Object.keys(manifest.search.space);
  const rows = rankedTrials(manifest).map(({ number, parameters, value, seconds }) => [
    String(number),
    ...names.map((name) => String(parameters[name])),
    value === undefined ? 'failed' : value.toFixed(4),
    duration(seconds),
  ]);
  return { header: ['trial', ...names, objectiveName(manifest), 'time'], rows };
}

/** What went wrong in each trial that failed. */
export const failuresOf = ({ trials }: SearchManifest): string[] =>
  trials.flatMap(({ number, state, message }) =>
    state === 'failed' ? `trial ${number} failed: ${message}` : [],
  );

export function formatTrials(manifest: SearchManifest): string {
  const { header, rows } = trialTable(manifest);
  return [table(header, rows), ...failuresOf(manifest)].join('\n');
}

/** Parameters in a line. */
export const describeParameters = (parameters: Readonly<Record<string, ParameterValue>>): string =>
  Object.entries(parameters)
    .map(([name, value]) => `${name} ${value}`)
    .join(', ');

/** The command that trains an experiment with the settings of a trial, at the full size of its preset. */
export function trainCommand({ experiment, flags, choices }: SearchManifest, parameters: Settings): string {
  const settings = Object.entries({ ...flags.set, ...parameters }).map(
    ([name, value]) => `--set ${shellWord(`${name}=${value}`)}`,
  );
  const options = [
    ...(choices ? [`--preset ${choices.plan.preset}`] : []),
    ...(flags.noAugment ? ['--no-augment'] : []),
    ...(flags.unfrozen ? ['--unfrozen'] : []),
    ...(flags.weights === undefined ? [] : [`--weights ${shellPath(flags.weights)}`]),
    ...settings,
  ];
  return `weft train ${shellWord(experiment)} ${options.join(' ')}`;
}

/** The trials that didn't fail as parallel coordinates; undefined where there are none. */
export function drawTrials(manifest: SearchManifest): string | undefined {
  const { experiment, trials, search } = manifest;
  const complete = trials.filter(({ state }) => state === 'complete');
  if (complete.length === 0) return undefined;
  const dimensions = Object.entries(search.space);
  return parallelChart({
    title: `${experiment}: ${complete.length} trials by ${search.method}`,
    axes: dimensions.map(([name, dimension]) => ({ name: shortName(name), ...axisOf(dimension) })),
    lines: complete.map(({ parameters, value }) => ({
      values: dimensions.map(([name, { kind }]) => {
        const value = parameters[name];
        return kind === 'choice' ? String(value) : (value as number);
      }),
      score: value!,
    })),
    scoreName: objectiveName(manifest),
    highIsGood: search.direction === 'maximize',
  });
}

/** `optimizer.learningRate` is known without its first part. */
const shortName = (name: string): string => name.replace(/^optimizer\./, '');

function axisOf(dimension: Dimension): { scale: 'linear' | 'log' | 'category'; values?: string[] } {
  if (dimension.kind === 'choice') return { scale: 'category', values: dimension.values.map(String) };
  const isLog = dimension.kind === 'logUniform' || (dimension.kind === 'integer' && dimension.log);
  return { scale: isLog ? 'log' : 'linear' };
}
