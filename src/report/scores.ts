import type { ClassificationReport, ClassScores } from '../analysis/classification.ts';
import { table } from './table.ts';

/** The scores of the classes and their means, a line each. */
export function formatScores({ classes, macro, weighted }: ClassificationReport): string {
  const row = ({ name, precision, recall, f1, support }: ClassScores) => [
    name,
    ...[precision, recall, f1].map((value) => value.toFixed(4)),
    String(support),
  ];
  return table(
    ['class', 'precision', 'recall', 'F1', 'samples'],
    [...classes.map(row), [], row(macro), row(weighted)],
  );
}

/** The confusion matrix: true classes down, predicted ones across. */
export function formatConfusion({ classes, confusion }: ClassificationReport): string {
  const header = ['true \\ predicted', ...classes.map(({ name }) => shorten(name))];
  return table(
    header,
    classes.map(({ name }, k) => [name, ...confusion[k].map(String)]),
  );
}

const shorten = (name: string): string => (name.length <= 8 ? name : `${name.slice(0, 7)}.`);
