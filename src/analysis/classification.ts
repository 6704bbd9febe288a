/** Precision, recall and F1 of one class, or their mean over classes; `support` is the number of samples. */
export interface ClassScores {
  readonly name: string;
  readonly precision: number;
  readonly recall: number;
  readonly f1: number;
  readonly support: number;
}

export interface ClassificationReport {
  readonly samples: number;
  readonly accuracy: number;
  readonly classes: readonly ClassScores[];
  /** Mean over the classes. */
  readonly macro: ClassScores;
  /** Mean over the classes, weighted by their support. */
  readonly weighted: ClassScores;
  /** Samples by true class (row) and predicted class (column). */
  readonly confusion: readonly (readonly number[])[];
}

/**
 * What a classifier got right, class by class. With tp, fp and fn the true positives, false positives and false negatives of a
 * class: precision tp / (tp + fp), recall tp / (tp + fn), F1 2 tp / (2 tp + fp + fn); 0 where the divisor is 0, as in scikit-learn.
 * @param labels the true class of each sample, an index into `classNames`
 * @param predictions the predicted ones
 */
export function classificationReport(
  labels: ArrayLike<number>,
  predictions: ArrayLike<number>,
  classNames: readonly string[],
): ClassificationReport {
  const confusion = classNames.map(() => classNames.map(() => 0));
  for (let i = 0; i < labels.length; i++) confusion[labels[i]][predictions[i]]++;
  const sum = (values: readonly number[]) => values.reduce((total, value) => total + value, 0);
  const ratio = (part: number, whole: number) => (whole === 0 ? 0 : part / whole);
  const classes = classNames.map((name, k) => {
    const hits = confusion[k][k];
    const support = sum(confusion[k]);
    const predicted = sum(confusion.map((row) => row[k]));
    const [precision, recall, f1] = [
      ratio(hits, predicted),
      ratio(hits, support),
      ratio(2 * hits, support + predicted),
    ];
    return { name, precision, recall, f1, support };
  });
  const samples = labels.length;
  const mean = (name: string, weight: (scores: ClassScores) => number): ClassScores => {
    const of = (key: 'precision' | 'recall' | 'f1') =>
      sum(classes.map((scores) => scores[key] * weight(scores)));
    return { name, precision: of('precision'), recall: of('recall'), f1: of('f1'), support: samples };
  };
  return {
    samples,
    accuracy: ratio(sum(classes.map((_, k) => confusion[k][k])), samples),
    classes,
    macro: mean('macro mean', () => 1 / classes.length),
    weighted: mean('weighted mean', ({ support }) => ratio(support, samples)),
    confusion,
  };
}
