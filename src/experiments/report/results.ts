import type { Section } from '../../report/page.ts';
import { duration } from '../console.ts';
import { showReported } from '../measured.ts';
import { countParameters } from '../models.ts';
import { estimate } from '../presets.ts';
import { meanOf } from '../testing.ts';
import { isClassified, type ReportedRepeat, type ReportedRun } from './reportedRun.ts';

/** A column of the table of results: of a repeat, and of several what they come to together. */
interface Column {
  readonly name: string;
  readonly of: (repeat: ReportedRepeat, run: ReportedRun) => string | number | undefined;
  /** Digits after the point, of a number. */
  readonly digits?: number;
}

const COLUMNS: readonly Column[] = [
  { name: 'network', of: (_, { experiment }) => experiment.name },
  {
    name: 'test accuracy',
    of: ({ result }) => (result && isClassified(result.test) ? result.test.accuracy : undefined),
    digits: 4,
  },
  { name: 'test loss', of: ({ result }) => result?.test.loss ?? undefined, digits: 4 },
  {
    name: 'validation accuracy',
    of: ({ result, epochs }) => (result?.tested ?? epochs.at(-1))?.valAccuracy,
    digits: 4,
  },
  {
    name: 'validation loss',
    of: ({ result, epochs }) => (result?.tested ?? epochs.at(-1))?.valLoss,
    digits: 4,
  },
  { name: 'epochs', of: epochsOf },
  { name: 'tested weights', of: ({ result }) => result && `of epoch ${result.tested.epoch}` },
  { name: 'training images', of: (_, { manifest }) => manifest.choices?.plan.trainingImages, digits: 0 },
  { name: 'test images', of: ({ result }) => result?.test.samples, digits: 0 },
  { name: 'parameters', of: (_, { experiment, model }) => countParameters(experiment, model), digits: 0 },
  { name: 'training time', of: timeOf },
  { name: 'published accuracy', of: (_, { experiment }) => showReported(experiment.reported) || undefined },
];

/** What runs came to, side by side; of repeats each, and their mean with its deviation. */
export function resultsSection(runs: readonly ReportedRun[]): Section {
  const rows = runs.flatMap(rowsOf);
  const used = COLUMNS.filter((_, c) => rows.some(({ cells }) => cells[c] !== ''));
  const cellsOf = (cells: readonly string[]) => used.map((column) => cells[COLUMNS.indexOf(column)]);
  const hasRepeats = runs.some(({ repeats }) => repeats.length > 1);
  const notes = [
    hasRepeats && 'Of repeats, the mean ± the sample standard deviation.',
    'The time is what training steps take at the speed that was measured when the run began; a run keeps no clock.',
    runs.some(({ isFinished }) => !isFinished) &&
      'Of a run that isn’t finished, validation figures are those of its last epoch.',
  ].filter((note) => note !== false);
  const [only] = rows;
  return {
    title: 'Results',
    blocks: [
      rows.length === 1
        ? {
            kind: 'facts',
            facts: used
              .map(({ name }, i) => [name, cellsOf(only.cells)[i]] as const)
              .filter(([, value]) => value !== ''),
          }
        : {
            kind: 'table',
            caption: 'Results',
            header: ['run', ...used.map(({ name }) => name)],
            rows: rows.map(({ name, cells }) => [name, ...cellsOf(cells)]),
          },
      { kind: 'text', text: notes.join(' ') },
    ],
  };
}

interface Row {
  readonly name: string;
  readonly cells: readonly string[];
}

function rowsOf(run: ReportedRun): Row[] {
  const { repeats, name } = run;
  const single = (repeat: ReportedRepeat): Row => ({
    name: [name, repeat.name].filter(Boolean).join(', '),
    cells: COLUMNS.map((column) => show(column.of(repeat, run), column)),
  });
  if (repeats.length === 0) return [{ name, cells: COLUMNS.map(() => '') }];
  if (repeats.length === 1) return [single(repeats[0])];
  const together: Row = {
    name: `${name}, ${repeats.length} repeats`,
    cells: COLUMNS.map((column) => {
      const values = repeats.map((repeat) => column.of(repeat, run)).filter((value) => value !== undefined);
      const numbers = values.filter((value) => typeof value === 'number');
      if (numbers.length > 1 && column.digits !== undefined) return spread(numbers, column);
      return new Set(values).size === 1 ? show(values[0], column) : '';
    }),
  };
  return [together, ...repeats.map(single)];
}

function spread(values: readonly number[], column: Column): string {
  const { mean, deviation } = meanOf(values);
  if (values.every((value) => value === values[0])) return show(mean, column);
  return `${show(mean, column)} ± ${show(deviation ?? 0, column)}`;
}

function show(value: string | number | undefined, { digits = 0 }: Column): string {
  if (typeof value !== 'number') return value ?? '';
  return digits > 0 ? value.toFixed(digits) : Math.round(value).toLocaleString('en-US');
}

function epochsOf({ epochs, result }: ReportedRepeat, { manifest }: ReportedRun): string {
  const plan = manifest.choices?.plan;
  const done = epochs.at(-1)?.epoch ?? 0;
  const planned = plan && plan.epochs + (plan.frozenPhase?.epochs ?? 0);
  if (!result) return `${done}${planned === undefined ? '' : ` of ${planned}`}, unfinished`;
  return result.endedEarly === undefined ? String(done) : `${done}, ended early: ${result.endedEarly}`;
}

/** What the training steps of the epochs that are done take. */
function timeOf({ epochs }: ReportedRepeat, { manifest }: ReportedRun): string | undefined {
  const { choices } = manifest;
  const done = epochs.at(-1)?.epoch;
  if (!choices || done === undefined) return undefined;
  const { plan, secondsPerImage } = choices;
  const one = { ...plan, repeats: 1, frozenPhase: undefined, epochs: done };
  return `about ${duration(estimate(one, secondsPerImage).training)}`;
}
