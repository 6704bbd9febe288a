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
export const formatConfusion = ({ classes, confusion }: ClassificationReport): string =>
  formatMatrix(
    classes.map(({ name }) => name),
    confusion.map((row) => row.map(String)),
  );

/** A confusion matrix of shares. */
export const formatShares = (classNames: readonly string[], shares: readonly (readonly number[])[]): string =>
  formatMatrix(
    classNames,
    shares.map((row) => row.map((share) => share.toFixed(2))),
  );

const formatMatrix = (classNames: readonly string[], cells: readonly (readonly string[])[]): string =>
  table(
    ['true \\ predicted', ...classNames.map(shorten)],
    classNames.map((name, k) => [name, ...cells[k]]),
  );

const shorten = (name: string): string => (name.length <= 8 ? name : `${name.slice(0, 7)}.`);
