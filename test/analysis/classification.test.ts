import { describe, expect, it } from 'vitest';
import {
  classificationReport,
  confusionMatrix,
  normalizeConfusion,
  predictedClasses,
} from '../../src/analysis/classification.ts';
import { firstRightAndWrong, mostConfidentMistakes } from '../../src/analysis/mistakes.ts';
import { RandomStream } from '../../src/tensor/random.ts';

describe('confusionMatrix', () => {
  // The example of scikit-learn's confusion_matrix.
  const labels = [2, 0, 2, 2, 0, 1];
  const predictions = [0, 0, 2, 2, 0, 2];

  it('counts true classes down, predicted ones across', () => {
    expect(confusionMatrix(labels, predictions, 3)).toEqual([
      [2, 0, 0],
      [0, 0, 1],
      [1, 0, 2],
    ]);
  });

  it('is normalised as scikit-learn does it, 0 where there is nothing', () => {
    const normalized = (normalize: 'true' | 'predicted' | 'all') =>
      confusionMatrix(labels, predictions, 3, { normalize });
    expect(normalized('true')).toEqual([
      [1, 0, 0],
      [0, 0, 1],
      [1 / 3, 0, 2 / 3],
    ]);
    expect(normalized('predicted')).toEqual([
      [2 / 3, 0, 0],
      [0, 0, 1 / 3],
      [1 / 3, 0, 2 / 3],
    ]);
    expect(normalized('all')).toEqual([
      [2 / 6, 0, 0],
      [0, 0, 1 / 6],
      [1 / 6, 0, 2 / 6],
    ]);
    expect(confusionMatrix([], [], 2, { normalize: 'all' })).toEqual([
      [0, 0],
      [0, 0],
    ]);
  });

  it('refuses what are no classes, by name', () => {
    expect(() => confusionMatrix([0, 3], [0, 0], 3)).toThrow(/labels: sample 1 has class 3; .* from 0 to 2/);
    expect(() => confusionMatrix([0, -1], [0, 0], 3)).toThrow(/labels: sample 1 has class -1/);
    expect(() => confusionMatrix([0, 1], [0.5, 0], 3)).toThrow(/predictions: sample 0 has class 0.5/);
    expect(() => confusionMatrix([0, 1], [0, Number.NaN], 3)).toThrow(/predictions: sample 1 has class NaN/);
    expect(() => confusionMatrix([0, 1], [0], 3)).toThrow(/as many predictions as labels, 2, got 1/);
    expect(() => confusionMatrix([], [], 0)).toThrow(/at least 1, got 0/);
    expect(() => normalizeConfusion([[1]], 'rows' as 'true')).toThrow(
      /'true', 'predicted', 'all', got 'rows'/,
    );
    expect(() => classificationReport([0, 2], [0, 1], ['a', 'b'])).toThrow(/sample 1 has class 2/);
    expect(() => classificationReport([0, 1], [0, 1, 1], ['a', 'b'])).toThrow(/labels, 2, got 3/);
  });
});

describe('predictedClasses', () => {
  it('are those of the largest values, the first of equal ones', () => {
    expect([...predictedClasses([0.1, 0.9, 0.5, 0.5, -1, -2], 2)]).toEqual([1, 0, 0]);
  });

  it('refuses what are no rows of numbers', () => {
    expect(() => predictedClasses([1, 2, 3], 2)).toThrow(/rows of 2 values, one a class, got 3 values/);
    expect(() => predictedClasses([1, 2, 3, Number.NaN], 2)).toThrow(/sample 1 has NaN for class 1/);
    expect(() => predictedClasses([1], 0)).toThrow(/at least 1 classes, got 0/);
  });
});

describe('mistakes', () => {
  const classes = 3;
  const random = new RandomStream(3, 'mistakes');
  const labels = Array.from(random.words(200), (word) => word % classes);
  const probabilities = random.uniform(200 * classes);
  const predicted = predictedClasses(probabilities, classes);

  it('are those of the largest probability, in their order', () => {
    const wrong = labels.map((_, i) => i).filter((i) => predicted[i] !== labels[i]);
    const surest = wrong
      .map((i) => Math.max(...probabilities.subarray(i * 3, i * 3 + 3)))
      .sort((a, b) => b - a);
    const found = mostConfidentMistakes(labels, probabilities, 5);
    expect(found.map(({ probability }) => probability)).toEqual(surest.slice(0, 5));
    for (const { index, label, predicted: given } of found) {
      expect([label, given]).toEqual([labels[index], predicted[index]]);
      expect(label).not.toBe(given);
    }
    expect(mostConfidentMistakes(labels, probabilities, 1000)).toHaveLength(wrong.length);
    expect(mostConfidentMistakes([0, 0], [0.1, 0.9, 0.1, 0.9]).map(({ index }) => index)).toEqual([0, 1]);
  });

  it('stand beside what was right, from the first on', () => {
    const { right, wrong } = firstRightAndWrong(labels, probabilities, 4);
    const where = (isRight: boolean) =>
      labels.map((_, i) => i).filter((i) => (predicted[i] === labels[i]) === isRight);
    expect(right.map(({ index }) => index)).toEqual(where(true).slice(0, 4));
    expect(wrong.map(({ index }) => index)).toEqual(where(false).slice(0, 4));
    expect(firstRightAndWrong([], [])).toEqual({ right: [], wrong: [] });
  });

  it('need a row a label', () => {
    expect(() => mostConfidentMistakes([0, 1], [1, 0, 1])).toThrow(
      /a row for each of 2 labels, got 3 values/,
    );
    expect(() => firstRightAndWrong([0, 2], [1, 0, 0, 1])).toThrow(/labels: sample 1 has class 2/);
    expect(() => firstRightAndWrong([], [1])).toThrow(/a row for each of 0 labels/);
  });
});
