import { describe, expect, it } from 'vitest';
import { classificationReport } from '../../src/analysis/classification.ts';
import { Stretches } from '../../src/experiments/callbacks.ts';
import { duration } from '../../src/experiments/console.ts';
import { timeSpan } from '../../src/experiments/options.ts';
import {
  decodeTested,
  encodeTested,
  summarize,
  type Tested,
  testIndices,
  vote,
} from '../../src/experiments/testing.ts';
import type { Training } from '../../src/nn/fit.ts';

const labels = Uint8Array.from({ length: 100 }, (_, i) => (i * 7) % 10);

describe('test images', () => {
  it('are all of them, in their order', () => {
    expect([...testIndices(labels, 100)]).toEqual(Array.from(labels, (_, i) => i));
  });

  it('have the same share of every class, and fewer are part of more', () => {
    const twenty = [...testIndices(labels, 20)];
    expect(new Set(twenty).size).toBe(20);
    for (let k = 0; k < 10; k++) expect(twenty.filter((i) => labels[i] === k)).toHaveLength(2);
    expect([...testIndices(labels, 50)].slice(0, 20)).toEqual(twenty);
  });
});

describe('several networks', () => {
  const classNames = ['a', 'b'];
  const set = {
    images: new Uint8Array(3),
    labels: Uint8Array.of(0, 1, 1),
    count: 3,
    height: 1,
    width: 1,
    channels: 1,
    classNames,
  };
  const data = { train: set, test: set, source: '' };
  const member = (predictions: number[], probabilities: number[], loss: number): Tested => ({
    result: { ...classificationReport(set.labels, predictions, classNames), loss },
    probabilities: Float32Array.from(probabilities),
  });
  // The first is sure of its only mistake, the last image; the second errs on the first one, unsurely.
  const members = [
    member([0, 1, 0], [0.9, 0.1, 0.4, 0.6, 0.7, 0.3], 1),
    member([1, 1, 1], [0.4, 0.6, 0, 1, 0.1, 0.9], 3),
  ];

  it('vote with their probabilities', () => {
    const result = vote(members, data);
    expect(result.accuracy).toBe(1);
    expect(result.confusion).toEqual([
      [1, 0],
      [0, 2],
    ]);
    expect(result.loss).toBeNull();
  });

  it('have a mean, with its sample standard deviation', () => {
    const summary = summarize([...members, member([0, 0, 0], [1, 0, 1, 0, 1, 0], 2)], data);
    expect(summary.accuracies).toEqual([2 / 3, 2 / 3, 1 / 3]);
    expect(summary.accuracy.mean).toBeCloseTo(5 / 9);
    expect(summary.accuracy.deviation).toBeCloseTo(Math.sqrt(1 / 27));
    expect(summary.loss).toEqual({ mean: 2, deviation: 1 });
  });

  it('are read back from their files', () => {
    expect(decodeTested(encodeTested(members[0]), members[0].result)).toEqual(members[0]);
  });
});

describe('stretches', () => {
  const epoch = (losses: readonly number[]) =>
    ({
      epochBatches: losses.map((loss, i) => [loss, i % 2, i === losses.length - 1 ? 1 : 2]),
    }) as unknown as Training;

  it('are the means of parts of an epoch, weighted by batch', () => {
    const stretches = new Stretches();
    stretches.onEpochEnd({ epoch: 1, loss: 0, accuracy: 0 }, epoch([4, 1]));
    expect(stretches.stretches).toEqual([
      { epoch: 0.5, loss: 4, accuracy: 0 },
      { epoch: 1, loss: 1, accuracy: 1 },
    ]);
    stretches.onEpochEnd({ epoch: 2, loss: 0, accuracy: 0 }, epoch(Array.from({ length: 41 }, (_, i) => i)));
    expect(stretches.stretches).toHaveLength(22);
    expect(stretches.stretches[2]).toEqual({ epoch: 1 + 2 / 41, loss: 0.5, accuracy: 0.25 });
    // The last holds batches 38, 39 and 40, of which 40 has a single sample.
    expect(stretches.stretches[21]).toMatchObject({ epoch: 2, loss: (2 * 39 + 40) / 3 });
  });

  it('come back from a checkpoint', () => {
    const stretches = new Stretches();
    stretches.onEpochEnd({ epoch: 1, loss: 0, accuracy: 0 }, epoch([3, 2, 1]));
    const restored = new Stretches();
    restored.restore(JSON.parse(JSON.stringify(stretches.state())));
    expect(restored.stretches).toEqual(stretches.stretches);
  });
});

describe('times', () => {
  it('are read', () => {
    expect(['90s', '10m', '1.5h', '45'].map(timeSpan)).toEqual([90, 600, 5400, 45]);
    for (const wrong of ['', 'm', '0s', '-1s', '1d', '1 m', '1e9h'])
      expect(() => timeSpan(wrong), wrong).toThrow('It must be a time');
  });

  it('are written', () => {
    const expected = ['4.2 s', '59 s', '1 min 0 s', '1 min 0 s', '59 min 59 s', '1.0 h', '47.0 h', '14 days'];
    expect([4.21, 59.4, 59.6, 60, 3599, 3600, 47 * 3600, 14 * 86400].map(duration)).toEqual(expected);
  });
});
