import { classificationReport } from '../../analysis/classification.ts';
import { table } from '../../report/table.ts';
import type { Console } from '../console.ts';
import { classesIn, type ExperimentSet } from '../experimentSet.ts';
import { testIndices } from '../testing.ts';
import type { EnsembleFile, Gain, MethodScore } from './ensembleFile.ts';

/** How many images a change of answers sets right and spoils. */
export function gainOver(
  labels: ArrayLike<number>,
  before: ArrayLike<number>,
  after: ArrayLike<number>,
): Gain {
  let [fixed, broken] = [0, 0];
  for (let i = 0; i < labels.length; i++) {
    const [was, is] = [before[i] === labels[i], after[i] === labels[i]];
    if (!was && is) fixed++;
    if (was && !is) broken++;
  }
  return { points: (100 * (fixed - broken)) / labels.length, fixed, broken };
}

/** Scores ways of deciding beside the best member, on test images. */
export function scorer(test: ExperimentSet, images: number, best: ArrayLike<number>) {
  const labels = Array.from(testIndices(classesIn(test), images), (i) => test.labels[i]);
  return (name: string, how: string, predictions: ArrayLike<number>): MethodScore => ({
    name,
    how,
    test: classificationReport(labels, predictions, test.classNames),
    gain: gainOver(labels, best, predictions),
  });
}

export const showPoints = (points: number): string => `${points < 0 ? '' : '+'}${points.toFixed(2)}`;

/** Prints who decides how well, the best member among them. */
export function printEnsemble(
  { members, best, methods, parts = [], testImages }: EnsembleFile,
  out: Console,
): void {
  const percent = (accuracy: number) => `${(100 * accuracy).toFixed(2)} %`;
  const { samples } = members[best].test;
  out.line(
    `\non ${samples.toLocaleString('en-US')} of ${testImages.toLocaleString('en-US')} test images; gains are over the best member, in percentage points`,
  );
  const rows = [
    ...parts.map(({ name, test }) => [
      name,
      `${percent(test.accuracy)}`,
      '',
      '',
      `of its ${test.classes.length} classes`,
    ]),
    ...(parts.length > 0 ? [[]] : []),
    ...members.map(({ name, test }, i) => [
      ...[name, percent(test.accuracy), showPoints(100 * (test.accuracy - members[best].test.accuracy)), ''],
      i === best ? 'the best member' : '',
    ]),
    [],
    ...methods.map(({ name, test, gain, how }) => [
      ...[name, percent(test.accuracy), showPoints(gain.points), `+${gain.fixed} -${gain.broken}`, how],
    ]),
  ];
  out.line(table(['', 'accuracy', 'gain', 'images', 'what decides'], rows));
}
