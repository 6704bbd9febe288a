import { describe, expect, it } from 'vitest';
import { BestCheckpoint, EarlyStopping, ReduceLROnPlateau } from '../../src/nn/callbacks.ts';
import type { EpochLogs, Training } from '../../src/nn/fit.ts';
import { SGD } from '../../src/nn/optimizers/index.ts';
import { rateAt, schedules } from '../../src/nn/schedules.ts';

/** As much of a training as these callbacks look at: an optimizer, and a model of one weight that is the number of the epoch. */
function setUp(learningRate = 1) {
  const state = { weight: 0, finished: '' };
  const training = {
    optimizer: new SGD({ learningRate }),
    finish: (reason: string) => {
      state.finished ||= reason;
    },
    model: {
      weights: async () => new Map([['w', { shape: [1], data: Float32Array.of(state.weight) }]]),
      setWeights: (weights: Map<string, { data: Float32Array }>) => {
        state.weight = weights.get('w')!.data[0];
      },
    },
  } as unknown as Training;
  return { state, training };
}

const logsOf = (epoch: number, valLoss: number): EpochLogs => ({
  epoch,
  loss: 1,
  valLoss,
  valAccuracy: 1 - valLoss,
});

describe('ReduceLROnPlateau', () => {
  /** The rate after each epoch. */
  const follow = (callback: ReduceLROnPlateau, losses: readonly number[], { training } = setUp()) =>
    losses.map((loss, i) => {
      callback.onEpochEnd(logsOf(i + 1, loss), training);
      return training.optimizer.learningRate;
    });

  it('reduces the rate after `patience` epochs without improvement by more than `minDelta`, down to a least one', () => {
    const options = { factor: 0.5, patience: 2, minDelta: 0.1, minLearningRate: 0.2 };
    // 0.95 is no improvement on 1; 0.8 is.
    const losses = [1, 0.95, 0.8, 0.8, 0.8, 0.8, 0.8, 0.8, 0.8];
    expect(follow(new ReduceLROnPlateau(options), losses)).toEqual([1, 1, 1, 1, 0.5, 0.5, 0.25, 0.25, 0.2]);
  });

  it('does not count the epochs of a cooldown', () => {
    const options = { factor: 0.5, patience: 1, cooldown: 2 };
    // Keras counts down before it looks: with a cooldown of 2 the second epoch after a reduction counts.
    expect(follow(new ReduceLROnPlateau(options), [1, 1, 1, 1, 1, 1])).toEqual([
      1, 0.5, 0.5, 0.25, 0.25, 0.125,
    ]);
  });

  it('takes a rise of an accuracy for an improvement', () => {
    const options = { monitor: 'valAccuracy', factor: 0.5, patience: 1 } as const;
    expect(follow(new ReduceLROnPlateau(options), [0.5, 0.4, 0.3, 0.3])).toEqual([1, 1, 1, 0.5]);
  });

  it('goes on from its state with the rate that it had set', () => {
    const [first, second] = [0, 1].map(() => new ReduceLROnPlateau({ factor: 0.5, patience: 2 }));
    follow(first, [1, 1, 1, 1]);
    const resumed = setUp();
    second.restore(JSON.parse(JSON.stringify(first.state())), resumed.training);
    expect(resumed.training.optimizer.learningRate).toBe(0.5);
    expect(follow(second, [1], resumed)).toEqual([0.25]);
  });

  it("reduces a schedule's base rate, whatever the step has made of it, and goes on with it", () => {
    const options = { factor: 0.5, patience: 1, minLearningRate: 0.2 };
    const start = () => {
      const made = setUp();
      made.training.optimizer.learningRate = schedules.inverseTime({ learningRate: 1, decay: 0.25 });
      return made;
    };
    const ratesOf = ({ training }: ReturnType<typeof setUp>) =>
      [0, 4].map((step) => rateAt(training.optimizer.learningRate, step));
    const [first, second] = [0, 1].map(() => new ReduceLROnPlateau(options));
    const [whole, resumed] = [start(), start()];
    follow(first, [1], whole);
    expect(ratesOf(whole)).toEqual([1, 0.5]);
    follow(first, [1], whole);
    expect(ratesOf(whole)).toEqual([0.5, 0.25]);
    second.restore(JSON.parse(JSON.stringify(first.state())), resumed.training);
    expect(ratesOf(resumed)).toEqual([0.5, 0.25]);
    follow(second, [1, 1], resumed);
    expect(ratesOf(resumed)).toEqual([0.2, 0.1]);
    expect(resumed.training.optimizer.config.learningRate).toEqual({
      kind: 'inverseTime',
      learningRate: 0.2,
      decay: 0.25,
    });
  });

  it('begins anew with the next run', () => {
    const callback = new ReduceLROnPlateau({ factor: 0.5, patience: 2 });
    expect(follow(callback, [1, 1, 1])).toEqual([1, 1, 0.5]);
    callback.onBegin();
    expect(callback.state()).toEqual(new ReduceLROnPlateau().state());
    expect(follow(callback, [2, 2, 2])).toEqual([1, 1, 0.5]);
  });

  it('refuses a schedule without a base rate, and a factor that reduces nothing', () => {
    const { training } = setUp();
    training.optimizer.learningRate = schedules.cosine({ learningRate: 1, decaySteps: 9 });
    expect(() => new ReduceLROnPlateau().onEpochEnd(logsOf(1, 1), training)).toThrow(
      /a schedule with a base/,
    );
    expect(() => new ReduceLROnPlateau({ factor: 1 })).toThrow(
      /factor must be a number from 0 to below 1, got 1/,
    );
  });
});

describe('EarlyStopping', () => {
  it('gives the weights of the best epoch back, from a resumed state as well', async () => {
    const options = { patience: 2, minDelta: 0.1, restoreBestWeights: true };
    const losses = [1, 0.7, 0.65, 0.68, 0.1];
    for (const resumeAfter of [Number.POSITIVE_INFINITY, 2, 4]) {
      const { state, training } = setUp();
      let stopping = new EarlyStopping(options);
      for (let epoch = 1; !state.finished; epoch++) {
        state.weight = epoch;
        await stopping.onEpochEnd(logsOf(epoch, losses[epoch - 1]), training);
        if (epoch !== resumeAfter) continue;
        const resumed = new EarlyStopping(options);
        resumed.restore(JSON.parse(JSON.stringify(stopping.state())), training, stopping.weights());
        stopping = resumed;
      }
      expect([state.finished, state.weight]).toEqual(['valLoss has not improved for 2 epochs', 4]);
      stopping.onEnd(training);
      expect(state.weight).toBe(2);
    }
  });

  it('leaves the weights of a run that it did not end', async () => {
    const { state, training } = setUp();
    const stopping = new EarlyStopping({ patience: 5, restoreBestWeights: true });
    for (const epoch of [1, 2]) {
      state.weight = epoch;
      await stopping.onEpochEnd(logsOf(epoch, epoch), training);
    }
    stopping.onEnd(training);
    expect(state.weight).toBe(2);
  });
});

describe('BestCheckpoint', () => {
  /** The epochs whose files are kept. */
  async function keptOf(losses: readonly number[], initialBest?: number) {
    const kept: number[] = [];
    let epoch = 0;
    const callback = new BestCheckpoint({ save: async () => void kept.push(epoch), initialBest });
    const training = { model: { save: async () => new Uint8Array() } } as unknown as Training;
    for (const loss of losses) await callback.onEpochEnd(logsOf(++epoch, loss), training);
    callback.onBegin();
    epoch = 10;
    await callback.onEpochEnd(logsOf(++epoch, 2), training);
    return kept;
  }

  it('keeps what is better than all before, never NaN, and begins anew with the next run', async () => {
    expect(await keptOf([Number.NaN, 1, Number.NaN, 1.5, 0.5])).toEqual([2, 5, 11]);
  });

  it('keeps nothing that is worse than what it was given', async () => {
    expect(await keptOf([2, 0.7], 1)).toEqual([2]);
  });
});

describe('callbacks', () => {
  it('name option and range of a wrong number or word', () => {
    const save = async () => {};
    const wrong: [make: () => unknown, message: string][] = [
      [
        () => new EarlyStopping({ patience: Number.NaN }),
        'EarlyStopping: patience must be a whole number from 0 to Infinity, got NaN',
      ],
      [() => new EarlyStopping({ patience: -1 }), 'EarlyStopping: patience must be a whole number'],
      [
        () => new EarlyStopping({ minDelta: Number.NaN }),
        'EarlyStopping: minDelta must be a number of at least 0, got NaN',
      ],
      [
        () => new EarlyStopping({ monitor: 'val_loss' as 'valLoss' }),
        "EarlyStopping: monitor must be 'loss', 'accuracy', 'valLoss' or 'valAccuracy', got 'val_loss'",
      ],
      [() => new EarlyStopping(5 as unknown as object), 'EarlyStopping: its options must be an object'],
      [
        () => new ReduceLROnPlateau({ factor: Number.NaN }),
        'ReduceLROnPlateau: factor must be a number from 0 to below 1, got NaN',
      ],
      [() => new ReduceLROnPlateau({ cooldown: 0.5 }), 'ReduceLROnPlateau: cooldown must be a whole number'],
      [
        () => new ReduceLROnPlateau({ minLearningRate: -1 }),
        'ReduceLROnPlateau: minLearningRate must be a number of at least 0',
      ],
      [
        () => new ReduceLROnPlateau({ patience: '3' as unknown as number }),
        "ReduceLROnPlateau: patience must be a whole number from 0 to Infinity, got '3'",
      ],
      [
        () => new BestCheckpoint({ save: 'best.safetensors' as unknown as typeof save }),
        'BestCheckpoint: save must be a function',
      ],
      [
        () => new BestCheckpoint({ save, initialBest: Number.NaN }),
        'BestCheckpoint: initialBest must be a finite number, got NaN',
      ],
    ];
    for (const [make, message] of wrong) expect(make).toThrow(message);
    expect(new EarlyStopping({ patience: Number.POSITIVE_INFINITY })).toBeInstanceOf(EarlyStopping);
  });
});
