import type { Block, Section } from '../../report/page.ts';
import { duration } from '../console.ts';
import { showReported } from '../measured.ts';
import { countParameters } from '../models.ts';
import { estimate } from '../presets.ts';
import { isClassified } from '../results.ts';
import { meanOf } from '../testing.ts';
import type { ReportedRepeat, ReportedRun } from './reportedRun.ts';

/** A column of the table of results: of a repeat, and of several what they come to together. */
interface Column {
  readonly name: string;
  readonly of: (repeat: ReportedRepeat, run: ReportedRun) => string | number | undefined;
  /** Digits after the point, of a number. */
  readonly digits?: number;
}

const FIGURES: readonly Column[] = [
  {
    name: 'test accuracy',
    of: ({ test }) => (isClassified(test) ? test.accuracy : undefined),
    digits: 4,
  },
  { name: 'test loss', of: ({ test }) => test?.loss ?? undefined, digits: 4 },
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
  { name: 'published accuracy', of: (_, { experiment }) => showReported(experiment.reported) || undefined },
];

const SIZES: readonly Column[] = [
  { name: 'network', of: (_, { experiment }) => experiment.name },
  { name: 'parameters', of: (_, { experiment, model }) => countParameters(experiment, model), digits: 0 },
  { name: 'epochs', of: epochsOf },
  { name: 'tested', of: ({ result }) => result && `epoch ${result.tested.epoch}` },
  { name: 'training images', of: (_, { manifest }) => manifest.choices?.plan.trainingImages, digits: 0 },
  { name: 'test images', of: ({ test }) => test?.samples, digits: 0 },
  { name: 'training time', of: timeOf },
];

/** What runs came to, side by side; of repeats each, and their mean with its deviation. */
export function resultsSection(runs: readonly ReportedRun[]): Section {
  const notes = [
    runs.some(({ repeats }) => repeats.length > 1) && 'Of repeats, the mean ± the sample standard deviation.',
    'The time is what training steps take at the speed that was measured when the run began; a run keeps no clock.',
    runs.some(({ isFinished }) => !isFinished) &&
      'Of a run that isn’t finished, validation figures are those of its last epoch.',
  ].filter((note) => note !== false);
  const figures = tableOf('Accuracy and loss', FIGURES, runs);
  const sizes = tableOf('Size and time', SIZES, runs);
  const blocks: Block[] =
    figures.rows.length === 1
      ? [factsOf([figures, sizes])]
      : [figures, sizes].filter(({ header }) => header.length > 1);
  return { title: 'Results', blocks: [...blocks, { kind: 'text', text: notes.join(' ') }] };
}

type Table = Extract<Block, { kind: 'table' }>;

/** A table of columns that any row has something in. */
function tableOf(caption: string, columns: readonly Column[], runs: readonly ReportedRun[]): Table {
  const rows = runs.flatMap((run) => rowsOf(run, columns));
  const used = ['run', ...columns.map(({ name }) => name)].map(
    (_, c) => c === 0 || rows.some((row) => row[c] !== ''),
  );
  const kept = (row: readonly string[]) => row.filter((_, c) => used[c]);
  return {
    kind: 'table',
    caption,
    header: kept(['run', ...columns.map(({ name }) => name)]),
    rows: rows.map(kept),
  };
}

/** The one row of tables, each cell by its column's name. */
const factsOf = (tables: readonly Table[]): Block => ({
  kind: 'facts',
  facts: tables.flatMap(({ header, rows: [row] }) =>
    header.map((name, c) => [name, row[c]] as const).slice(1),
  ),
});

function rowsOf(run: ReportedRun, columns: readonly Column[]): string[][] {
  const { repeats, name } = run;
  const single = (repeat: ReportedRepeat) => [
    [name, repeat.name].filter(Boolean).join(', '),
    ...columns.map((column) => show(column.of(repeat, run), column)),
  ];
  if (repeats.length === 0) return [[name, ...columns.map(() => '')]];
  if (repeats.length === 1) return repeats.map(single);
  const together = columns.map((column) => {
    const values = repeats.map((repeat) => column.of(repeat, run)).filter((value) => value !== undefined);
    const numbers = values.filter((value) => typeof value === 'number');
    if (new Set(values).size === 1) return show(values[0], column);
    return numbers.length > 1 ? spread(numbers, column) : '';
  });
  return [[`${name}, ${repeats.length} repeats`, ...together], ...repeats.map(single)];
}

function spread(values: readonly number[], column: Column): string {
  const { mean, deviation } = meanOf(values);
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
  if (!result && done === planned) return `${done}, without a test`;
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
