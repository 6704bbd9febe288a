import { describe, expect, it } from 'vitest';
import { baseRate, type Schedule, schedules, withBaseRate } from '../../src/nn/schedules.ts';

const rates = (schedule: Schedule, steps: readonly number[]) => steps.map((step) => schedule.rate(step));
const near = (values: readonly number[]) => values.map((value) => expect.closeTo(value, 12));

describe('schedules', () => {
  it('stay, fall in steps, exponentially, and with the inverse of time', () => {
    expect(rates(schedules.constant({ learningRate: 0.3 }), [0, 1000])).toEqual([0.3, 0.3]);
    const step = schedules.step({ learningRate: 0.8, every: 3, gamma: 0.5 });
    expect(rates(step, [0, 2, 3, 5, 6, 9])).toEqual(near([0.8, 0.8, 0.4, 0.4, 0.2, 0.1]));
    const exponential = schedules.exponential({ learningRate: 0.8, every: 4, gamma: 0.25 });
    expect(rates(exponential, [0, 2, 4, 6])).toEqual(near([0.8, 0.4, 0.2, 0.1]));
    const inverse = schedules.inverseTime({ learningRate: 1, decay: 0.5 });
    expect(rates(inverse, [0, 1, 2, 6])).toEqual(near([1, 1 / 1.5, 0.5, 0.25]));
  });

  it('rise in equal parts and fall along half a cosine', () => {
    const schedule = schedules.cosine({
      learningRate: 1,
      decaySteps: 6,
      minimum: 0.2,
      warmUpSteps: 4,
      warmUpFrom: 0.6,
    });
    expect(rates(schedule, [0, 1, 2, 3, 4])).toEqual(near([0.6, 0.7, 0.8, 0.9, 1]));
    // cos(pi/3) = 1/2, cos(pi/2) = 0, cos(2 pi/3) = -1/2.
    expect(rates(schedule, [6, 7, 8, 10, 11, 99])).toEqual(near([0.8, 0.6, 0.4, 0.2, 0.2, 0.2]));
  });

  it('go through one cycle, the momentum against the rate', () => {
    // The way up takes steps 0 to 0.4 * 11 - 1 = 3.4, the way down those to 10.
    const schedule = schedules.oneCycle({
      maxLearningRate: 1,
      totalSteps: 11,
      pctStart: 0.4,
      divFactor: 10,
      finalDivFactor: 100,
    });
    const cosine = (start: number, end: number, share: number) =>
      end + ((start - end) * (1 + Math.cos(Math.PI * share))) / 2;
    expect(rates(schedule, [0, 1.7, 3.4, 6.7, 10, 50])).toEqual(near([0.1, 0.55, 1, 0.5005, 0.001, 0.001]));
    expect(schedule.rate(2)).toBeCloseTo(cosine(0.1, 1, 2 / 3.4), 12);
    expect(schedule.rate(9)).toBeCloseTo(cosine(1, 0.001, (9 - 3.4) / 6.6), 12);
    expect([0, 3.4, 6.7, 10].map((step) => schedule.momentum!(step))).toEqual(near([0.95, 0.85, 0.9, 0.95]));
    const alone = schedules.oneCycle({ maxLearningRate: 1, totalSteps: 11, cycleMomentum: false });
    expect(alone.momentum).toBeUndefined();
    const falling = schedules.oneCycle({ maxLearningRate: 1, totalSteps: 5, pctStart: 0 });
    expect(falling.rate(4)).toBeCloseTo(1 / 25e4, 12);
    expect(falling.rate(0)).toBeLessThan(1);
  });

  it('take another base rate where they have one', () => {
    const given = [
      schedules.constant({ learningRate: 0.5 }),
      schedules.step({ learningRate: 0.5, every: 3, gamma: 0.3 }),
      schedules.exponential({ learningRate: 0.5, every: 4, gamma: 0.25 }),
      schedules.inverseTime({ learningRate: 0.5, decay: 0.5 }),
    ];
    for (const schedule of given) {
      expect(baseRate(schedule)).toBe(0.5);
      const double = withBaseRate(schedule, 1) as Schedule;
      expect(rates(double, [0, 5, 9])).toEqual(near(rates(schedule, [0, 5, 9]).map((rate) => 2 * rate)));
      expect(double.config).toEqual({ ...schedule.config, learningRate: 1 });
    }
    expect(withBaseRate(0.5, 1)).toBe(1);
    expect(baseRate(schedules.oneCycle({ maxLearningRate: 1, totalSteps: 5 }))).toBeUndefined();
  });

  it('describe themselves as plain data', () => {
    const { config } = schedules.step({ learningRate: 0.1, every: 30 });
    expect(JSON.parse(JSON.stringify(config))).toEqual({
      kind: 'step',
      learningRate: 0.1,
      every: 30,
      gamma: 0.1,
    });
  });

  it('refuse what is no schedule', () => {
    expect(() => schedules.step({ learningRate: 0.1, every: 0 })).toThrow(
      /schedules.step: every must be a number of at least 1, got 0/,
    );
    expect(() => schedules.cosine({ learningRate: Number.NaN, decaySteps: 5 })).toThrow(/learningRate.*NaN/);
    expect(() => schedules.oneCycle({ maxLearningRate: 1, totalSteps: 5, pctStart: 1.5 })).toThrow(
      /schedules.oneCycle: pctStart must be a number from 0 to 1, got 1.5/,
    );
  });
});
