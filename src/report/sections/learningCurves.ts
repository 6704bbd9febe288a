import type { EpochLogs } from '../../nn/fit.ts';
import { type Curve, lineChart } from '../curves.ts';
import type { Section } from '../page.ts';

/** A training, and what its epochs came to: `logs` of what `fit` gives. */
export interface NamedHistory {
  readonly name: string;
  readonly history: readonly EpochLogs[];
}

/** Options of `learningCurvesSection`. */
export interface LearningCurvesOptions {
  /** Default: 'Learning curves'. */
  readonly title?: string;
}

/**
 * Loss and, where it was computed, accuracy of each epoch of several trainings, laid over each other, as a section of a page: a colour for
 * each training; training is dashed, validation solid.
 * @example
 * ```ts
 * import { learningCurvesSection, reportPage } from 'weft-gpu/report';
 *
 * const history = [
 *   { epoch: 1, loss: 0.9, accuracy: 0.7, valLoss: 0.8, valAccuracy: 0.72 },
 *   { epoch: 2, loss: 0.6, accuracy: 0.8, valLoss: 0.65, valAccuracy: 0.79 },
 * ];
 * const html = reportPage({ title: 'My run', sections: [learningCurvesSection([{ name: 'my run', history }])] });
 * ```
 */
export function learningCurvesSection(
  runs: readonly NamedHistory[],
  { title = 'Learning curves' }: LearningCurvesOptions = {},
): Section {
  const charts = [
    draw('Loss', runs, 'loss', 'valLoss'),
    draw('Accuracy', runs, 'accuracy', 'valAccuracy'),
  ].filter((chart) => chart !== undefined);
  if (charts.length === 0)
    return { title, blocks: [{ kind: 'text', text: 'No epoch has come to its end yet.' }] };
  const hasValidation = runs.some(({ history }) => history.some(({ valLoss }) => valLoss !== undefined));
  const lines = hasValidation ? 'Dashed: training. Solid: validation.' : 'There was no validation.';
  const alt = `Line charts of ${charts.map(({ name }) => name.toLowerCase()).join(' and ')} by epoch. ${runs.map(describe).join(' ')}`;
  return {
    title,
    blocks: [
      {
        kind: 'chart',
        caption: `${lines}${runs.length > 1 ? ' A colour for each run.' : ''}`,
        alt,
        svg: charts.map(({ svg }) => svg),
      },
    ],
  };
}

type Figure = 'loss' | 'accuracy' | 'valLoss' | 'valAccuracy';

/** A chart of one figure; undefined where no epoch has it. */
function draw(name: string, runs: readonly NamedHistory[], training: Figure, validation: Figure) {
  const single = runs.length === 1;
  const curves = runs.flatMap(({ name, history }): Curve[] => [
    // The validation first: it gives the legend its line. Curves of one name share a place in the legend.
    { name: single ? 'validation' : name, group: name, points: pointsOf(history, validation) },
    { name: single ? 'training' : name, group: name, dashed: true, points: pointsOf(history, training) },
  ]);
  if (curves.every(({ points }) => points.length === 0)) return undefined;
  return { name, svg: lineChart({ title: name, xName: 'epoch', curves }) };
}

const pointsOf = (history: readonly EpochLogs[], figure: Figure): [number, number][] =>
  history.flatMap((logs): [number, number][] => {
    const value = logs[figure];
    return value === undefined || !Number.isFinite(value) ? [] : [[logs.epoch, value]];
  });

/** Where a training began and ended, for those who can't see the curves. */
function describe({ name, history }: NamedHistory): string {
  const [first, last] = [history.at(0), history.at(-1)];
  if (!first || !last) return `${name} has no epoch yet.`;
  const figures = (logs: EpochLogs) =>
    [
      `loss ${logs.loss.toPrecision(3)}`,
      ...(logs.valLoss === undefined ? [] : [`validation loss ${logs.valLoss.toPrecision(3)}`]),
      ...(logs.valAccuracy === undefined ? [] : [`validation accuracy ${logs.valAccuracy.toPrecision(3)}`]),
    ].join(', ');
  return `${name}: epoch ${first.epoch} ${figures(first)}; epoch ${last.epoch} ${figures(last)}.`;
}
