import { describe, expect, it } from 'vitest';
import { predictedClasses } from '../../src/analysis/classification.ts';
import { ensemble } from '../../src/analysis/ensemble.ts';
import { type StackingOptions, stacking } from '../../src/analysis/stacking.ts';
import { RandomStream } from '../../src/tensor/random.ts';
import { testGpu } from '../support/gpu.ts';

/** Probabilities of `samples` samples, more or less sure of the labels. */
function answers(labels: readonly number[], classes: number, sureness: number, seed: number): Float32Array {
  const noise = new RandomStream(seed, 'answers').uniform(labels.length * classes);
  return Float32Array.from(
    labels.flatMap((label, n) => {
      const row = Array.from({ length: classes }, (_, c) =>
        Math.exp(4 * noise[n * classes + c] + (c === label ? sureness : 0)),
      );
      const total = row.reduce((sum, value) => sum + value, 0);
      return row.map((value) => value / total);
    }),
  );
}

describe('ensemble', () => {
  const classes = 4;
  const labels = Array.from(new RandomStream(1, 'labels').words(60), (word) => word % classes);
  const members = [1, 2, 3].map((seed) => answers(labels, classes, 1.5, seed));
  const at = (values: ArrayLike<number>, n: number) =>
    Array.from({ length: classes }, (_, c) => values[n * classes + c]);

  it('sums probabilities: a soft vote', () => {
    const { predictions, probabilities } = ensemble(members, { classes });
    labels.forEach((_, n) => {
      const means = at(members[0], n).map(
        (_, c) => members.reduce((sum, member) => sum + at(member, n)[c], 0) / 3,
      );
      expect(predictions[n]).toBe(means.indexOf(Math.max(...means)));
      at(probabilities, n).forEach((value, c) => {
        expect(value).toBeCloseTo(means[c], 6);
      });
    });
  });

  it('averages logits: the geometric mean of probabilities, made to sum to 1', () => {
    const { predictions, probabilities } = ensemble(members, { classes, method: 'logitAverage' });
    labels.forEach((_, n) => {
      const products = at(members[0], n).map((_, c) =>
        Math.cbrt(members.reduce((p, member) => p * at(member, n)[c], 1)),
      );
      const total = products.reduce((sum, value) => sum + value, 0);
      expect(predictions[n]).toBe(products.indexOf(Math.max(...products)));
      at(probabilities, n).forEach((value, c) => {
        expect(value).toBeCloseTo(products[c] / total, 6);
      });
    });
    // One that says 0 is heard, and doesn't make everything 0.
    const sure = ensemble(
      [
        [1, 0],
        [0.1, 0.9],
      ],
      { classes: 2, method: 'logitAverage' },
    );
    expect([...sure.predictions]).toEqual([0]);
    expect(sure.probabilities[1]).toBeGreaterThan(0);
  });

  it('counts votes, and of equally many takes the larger sum', () => {
    const { predictions, probabilities } = ensemble(members, { classes, method: 'hardVote' });
    const votes = members.map((member) => predictedClasses(member, classes));
    labels.forEach((_, n) => {
      const counts = Array.from({ length: classes }, (_, c) => votes.filter((vote) => vote[n] === c).length);
      expect(at(probabilities, n)).toEqual(counts.map((count) => Math.fround(count / 3)));
      expect(counts[predictions[n]]).toBe(Math.max(...counts));
    });
    const tie = [
      [0.6, 0.4, 0],
      [0.1, 0.9, 0],
    ];
    expect([...ensemble(tie, { classes: 3, method: 'hardVote' }).predictions]).toEqual([1]);
    // A majority against a sum.
    const majority = [
      [0.51, 0.49],
      [0.51, 0.49],
      [0, 1],
    ];
    expect([...ensemble(majority, { classes: 2, method: 'hardVote' }).predictions]).toEqual([0]);
    expect([...ensemble(majority, { classes: 2 }).predictions]).toEqual([1]);
  });

  it.each(['softVote', 'logitAverage', 'hardVote'] as const)('weighs members: %s', (method) => {
    const alone = ensemble([members[1]], { classes, method });
    const weighed = ensemble(members, { classes, method, weights: [0, 2, 0] });
    expect(weighed.predictions).toEqual(alone.predictions);
    expect(weighed.probabilities).toEqual(alone.probabilities);
    const doubled = ensemble(members, { classes, method, weights: [1, 2, 0] });
    const twice = ensemble([members[0], members[1], members[1]], { classes, method });
    expect(doubled.predictions).toEqual(twice.predictions);
  });

  it('refuses members and weights that do not fit', () => {
    expect(() => ensemble([], { classes })).toThrow(/at least 1 member, got 0/);
    expect(() => ensemble([[1, 0], [1]], { classes: 2 })).toThrow(/member 1: expected rows of 2 values/);
    expect(() =>
      ensemble(
        [
          [1, 0],
          [1, 0, 1, 0],
        ],
        { classes: 2 },
      ),
    ).toThrow(/2 values of each member, got 4 of member 1/);
    expect(() => ensemble([[1, Number.NaN]], { classes: 2 })).toThrow(
      /member 0: sample 0 has NaN for class 1/,
    );
    expect(() => ensemble(members, { classes, weights: [1] })).toThrow(
      /a weight for each of 3 members, got 1/,
    );
    expect(() => ensemble(members, { classes, weights: [0, 0, 0] })).toThrow(/weights must be at least 0/);
    expect(() => ensemble(members, { classes, weights: [1, -1, 1] })).toThrow(/weights must be at least 0/);
    expect(() => ensemble(members, { classes, method: 'vote' as 'softVote' })).toThrow(
      /no method 'vote'; there are softVote, logitAverage, hardVote/,
    );
  });
});

describe('stacking', () => {
  const classes = 3;
  const labelled = (count: number, seed: number) =>
    Array.from(new RandomStream(seed, 'labels').words(count), (word) => word % classes);
  /** A member whose classes 1 and 2 are swapped is worth as much as one that has them right, to one who learns it. */
  const swapped = (probabilities: Float32Array) =>
    probabilities.map((_, i, all) => all[i - (i % 3) + [0, 2, 1][i % 3]]);
  const membersOf = (labels: readonly number[], seed: number) => [
    answers(labels, classes, 1, seed),
    swapped(answers(labels, classes, 3, seed + 1)),
  ];
  const right = (labels: readonly number[], predictions: Uint32Array) =>
    labels.filter((label, n) => predictions[n] === label).length;
  const labels = labelled(400, 1);
  const others = labelled(300, 2);
  const fitted: StackingOptions = { members: membersOf(labels, 10), labels, classes };

  it('learns what each member is worth, and tells it of other samples', async () => {
    await testGpu();
    const learnt = await stacking(fitted);
    const members = membersOf(others, 20);
    const { predictions, probabilities } = await learnt.predict(members);
    const best = right(others, predictedClasses(swapped(members[1]), classes));
    expect(right(others, predictions)).toBeGreaterThanOrEqual(best);
    expect(best).toBeGreaterThan(right(others, ensemble(members, { classes }).predictions) + 50);
    expect(predictions).toEqual(predictedClasses(probabilities, classes));
    expect(learnt.fitted.samples).toBe(400);
    expect(learnt.fitted.accuracy).toBeGreaterThan(0.7);
    expect(learnt.model.parameters.map(({ size }) => size)).toEqual([18, 3]);
    await expect(learnt.predict([members[0]])).rejects.toThrow(/2 members, as fitted, got 1/);
    expect(await learnt.predict([[], []])).toEqual({
      predictions: new Uint32Array(),
      probabilities: new Float32Array(),
    });
    learnt.dispose();
  });

  it('begins at the average of logits, and gives the same bits twice', async () => {
    await testGpu();
    const members = membersOf(others, 20);
    const run = async (options: Partial<StackingOptions>) => {
      const learnt = await stacking({ ...fitted, ...options });
      const answer = await learnt.predict(members);
      learnt.dispose();
      return answer;
    };
    const average = ensemble(members, { classes, method: 'logitAverage' });
    const untouched = await run({ steps: 1, learningRate: 1e-9 });
    expect(untouched.predictions).toEqual(average.predictions);
    untouched.probabilities.forEach((value, i) => {
      expect(value).toBeCloseTo(average.probabilities[i], 4);
    });
    expect((await run({ steps: 30 })).probabilities).toEqual((await run({ steps: 30 })).probabilities);
    // A penalty that is much too strong leaves what the biases know: how often each class comes.
    const nothing = await run({ l2: 100 });
    expect(new Set(nothing.predictions).size).toBe(1);
  });

  it('comes to where the gradient of loss and penalty is nothing', async () => {
    await testGpu();
    const learnt = await stacking({ ...fitted, l2: 0.01 });
    const [kernel, bias] = await Promise.all(learnt.model.parameters.map((parameter) => parameter.data()));
    const { probabilities } = await learnt.predict(fitted.members);
    learnt.dispose();
    const size = 2 * classes;
    const gradient = Float64Array.from(kernel, (value) => 2 * 0.01 * value);
    const biasGradient = bias.map(() => 0);
    labels.forEach((label, n) => {
      const x = fitted.members.flatMap((member) => {
        const logs = Array.from({ length: classes }, (_, c) => Math.log(member[n * classes + c]));
        const mean = logs.reduce((sum, value) => sum + value, 0) / classes;
        return logs.map((value) => value - mean);
      });
      for (let c = 0; c < classes; c++) {
        const error = (probabilities[n * classes + c] - (c === label ? 1 : 0)) / labels.length;
        biasGradient[c] += error;
        for (let row = 0; row < size; row++) gradient[row * classes + c] += error * x[row];
      }
    });
    for (const value of [...gradient, ...biasGradient]) expect(Math.abs(value)).toBeLessThan(2e-3);
  });

  it('refuses what does not fit', async () => {
    await expect(stacking({ ...fitted, labels: labels.slice(1) })).rejects.toThrow(/samples, 400, got 399/);
    await expect(stacking({ members: [[]], labels: [], classes })).rejects.toThrow(/no samples to fit/);
    await expect(stacking({ ...fitted, labels: labels.map(() => 3) })).rejects.toThrow(
      /sample 0 has class 3/,
    );
  });
});
