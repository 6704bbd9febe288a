import {
  type ClassificationReport,
  type ClassScores,
  normalizeConfusion,
} from '../../analysis/classification.ts';
import type { Block, Section } from '../page.ts';

/** Options of `classificationSection`. */
export interface ClassificationSectionOptions {
  /** Default: 'Classification'. */
  readonly title?: string;
}

/**
 * What a classifier got right, as a section of a page: precision, recall and F1 of each class with their means, and the confusion matrix
 * in counts and in shares of each true class.
 * @example
 * ```ts
 * import { classificationReport } from 'weft-gpu';
 * import { classificationSection, reportPage } from 'weft-gpu/report';
 *
 * const report = classificationReport([0, 0, 1, 1], [0, 1, 1, 1], ['cat', 'dog']);
 * const html = reportPage({ title: 'Cats and dogs', sections: [classificationSection(report)] });
 * ```
 */
export function classificationSection(
  report: ClassificationReport,
  { title = 'Classification' }: ClassificationSectionOptions = {},
): Section {
  const { samples, accuracy, classes, macro, weighted } = report;
  const row = ({ name, precision, recall, f1, support }: ClassScores) => [
    name,
    ...[precision, recall, f1].map((value) => value.toFixed(4)),
    whole(support),
  ];
  const blocks: Block[] = [
    {
      kind: 'text',
      text: `Accuracy ${accuracy.toFixed(4)}: ${whole(Math.round(accuracy * samples))} of ${whole(samples)} samples are right.`,
    },
    {
      kind: 'table',
      caption: 'Classification report',
      header: ['class', 'precision', 'recall', 'F1', 'samples'],
      rows: [...classes.map(row), [], row(macro), row(weighted)],
    },
    ...confusionTables(report),
  ];
  return { title, blocks };
}

/** The confusion matrix in counts and in shares; both are shaded by the shares. */
function confusionTables({ classes, confusion }: ClassificationReport): Block[] {
  const shares = normalizeConfusion(confusion, 'true');
  const header = ['true \\ predicted', ...classes.map(({ name }) => name)];
  const matrix = (caption: string, cell: (row: number, column: number) => string): Block => ({
    kind: 'table',
    caption,
    header,
    rows: classes.map(({ name }, r) => [name, ...classes.map((_, c) => cell(r, c))]),
    shades: shares,
  });
  return [
    matrix('Confusion matrix: samples by true class (row) and predicted class (column)', (r, c) =>
      whole(confusion[r][c]),
    ),
    matrix('Confusion matrix in shares of each true class (rows sum to 1)', (r, c) =>
      shares[r][c].toFixed(3),
    ),
  ];
}

const whole = (n: number): string => n.toLocaleString('en-US');
