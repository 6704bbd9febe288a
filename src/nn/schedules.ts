import { checkNumber, checkOptions, type NumberRange, showValue } from '../checks.ts';
import { WeftError } from '../errors.ts';

/** How a learning rate goes from step to step: a pure function, and a plain description of it. */
export interface Schedule {
  /** The learning rate of a step, counted from 0. */
  readonly rate: (step: number) => number;
  /** The momentum of a step (`beta1` of Adam), where the schedule changes it, too. */
  readonly momentum?: (step: number) => number;
  /**
   * Of a rate that is a base rate times what the step alone decides: the base rate, and the schedule with another one. Keras' callbacks
   * change it.
   */
  readonly base?: {
    readonly rate: number;
    /** The schedule with another base rate. */
    readonly replacedBy: (rate: number) => Schedule;
  };
  /** Its kind and options, as a manifest shows them. */
  readonly config: { readonly kind: string; readonly [option: string]: unknown };
}

/** A number stays as it is set. */
export type LearningRate = number | Schedule;

/**
 * Of an optimizer's option.
 * @throws WeftError unless it is a number of at least 0, or a schedule
 */
export function checkLearningRate(owner: string, learningRate: LearningRate): LearningRate {
  if (typeof learningRate === 'number') return checkNumber(owner, 'learningRate', learningRate, { from: 0 });
  if (typeof learningRate?.rate === 'function' && typeof learningRate.config === 'object')
    return learningRate;
  throw new WeftError(
    `${owner}: learningRate must be a number of at least 0, or a schedule such as schedules.step({ learningRate: 0.1, every: 1000 }), got ${showValue(learningRate)}`,
  );
}

/** @throws WeftError where a schedule of one's own gives no rate */
export const rateAt = (learningRate: LearningRate, step: number): number =>
  typeof learningRate === 'number'
    ? learningRate
    : checkNumber('a schedule', `its rate at step ${step}`, learningRate.rate(step), { from: 0 });

/** Whether a schedule changes the momentum, too. */
export const hasMomentum = (learningRate: LearningRate): boolean =>
  typeof learningRate === 'object' && learningRate?.momentum !== undefined;

/**
 * The momentum that a schedule has for a step, if it has one.
 * @throws WeftError where a schedule of one's own gives none
 */
export function momentumAt(learningRate: LearningRate, step: number): number | undefined {
  if (typeof learningRate === 'number' || !learningRate.momentum) return undefined;
  return checkNumber('a schedule', `its momentum at step ${step}`, learningRate.momentum(step), { from: 0 });
}

/** What callbacks change: the rate itself, or the base rate of a schedule that has one. */
export const baseRate = (learningRate: LearningRate): number | undefined =>
  typeof learningRate === 'number' ? learningRate : learningRate.base?.rate;

/** With another base rate. */
export const withBaseRate = (learningRate: LearningRate, rate: number): LearningRate =>
  typeof learningRate === 'number' ? rate : (learningRate.base?.replacedBy(rate) ?? learningRate);

/** Options of `schedules.constant`. */
export interface ConstantOptions {
  learningRate: number;
}

/** Options of `schedules.step`. */
export interface StepOptions {
  /** At first. */
  learningRate: number;
  /** Steps after which the rate is multiplied by `gamma`, again and again. */
  every: number;
  /** Default 0.1. */
  gamma?: number;
}

/** Options of `schedules.exponential`. */
export interface ExponentialOptions {
  /** At first. */
  learningRate: number;
  /** Steps in which the rate is multiplied by `gamma`, in equal parts. */
  every: number;
  gamma: number;
}

/** Options of `schedules.inverseTime`. */
export interface InverseTimeOptions {
  /** At first. */
  learningRate: number;
  decay: number;
}

/** Options of `schedules.cosine`. */
export interface CosineOptions {
  /** Where the decay begins. */
  learningRate: number;
  /** Steps from there to `minimum`, where the rate stays. */
  decaySteps: number;
  /** Default 0. */
  minimum?: number;
  /** Steps before the decay, in which the rate rises in equal parts from `warmUpFrom`. Default 0. */
  warmUpSteps?: number;
  /** Default 0. */
  warmUpFrom?: number;
}

/** Options of `schedules.oneCycle`. */
export interface OneCycleOptions {
  /** At the peak. */
  maxLearningRate: number;
  /** Of the whole cycle; afterwards the last rate stays. */
  totalSteps: number;
  /** Share of the steps in which the rate rises. Default 0.3. */
  pctStart?: number;
  /** The first rate is the peak's divided by this. Default 25. */
  divFactor?: number;
  /** The last rate is the first one divided by this. Default 1e4. */
  finalDivFactor?: number;
  /** Whether the momentum falls from `maxMomentum` to `baseMomentum` while the rate rises, and rises while it falls. Default true. */
  cycleMomentum?: boolean;
  /** Default 0.85. */
  baseMomentum?: number;
  /** Default 0.95. */
  maxMomentum?: number;
}

/** @throws WeftError unless all lie in the range. */
function check(kind: string, range: NumberRange, values: Readonly<Record<string, number>>): void {
  for (const [name, value] of Object.entries(values)) checkNumber(`schedules.${kind}`, name, value, range);
}

const checked = <T extends object>(kind: string, options: T): T =>
  checkOptions(`schedules.${kind}`, options, '{ learningRate: 0.1 }');

const NOT_NEGATIVE = { from: 0 };
const FROM_ONE = { from: 1 };

/** From `start` to `end` as `share` goes from 0 to 1, along half a cosine. */
const annealed = (start: number, end: number, share: number): number =>
  end + ((start - end) / 2) * (1 + Math.cos(Math.PI * share));

/**
 * Learning-rate schedules. Steps are an optimizer's, counted from 0 over all epochs.
 * @namespace
 * @example
 * ```ts
 * import { Adam, schedules } from 'weft-gpu';
 *
 * const rate = schedules.cosine({ learningRate: 0.01, decaySteps: 1000, warmUpSteps: 100 });
 * console.log(rate.rate(0), rate.rate(100), rate.rate(1100)); // 0 0.01 0
 * const optimizer = new Adam({ learningRate: rate });
 * console.log(optimizer.config.name); // Adam
 * ```
 */
export const schedules = {
  /** The same rate in every step. */
  constant(options: ConstantOptions): Schedule {
    const { learningRate } = checked('constant', options);
    check('constant', NOT_NEGATIVE, { learningRate });
    return {
      rate: () => learningRate,
      base: { rate: learningRate, replacedBy: (rate) => schedules.constant({ learningRate: rate }) },
      config: { kind: 'constant', learningRate },
    };
  },

  /** `learningRate * gamma^floor(step / every)`: PyTorch's StepLR, Keras' ExponentialDecay with a staircase. */
  step(options: StepOptions): Schedule {
    const { learningRate, every, gamma = 0.1 } = checked('step', options);
    check('step', NOT_NEGATIVE, { learningRate, gamma });
    check('step', FROM_ONE, { every });
    return {
      rate: (step) => learningRate * gamma ** Math.floor(step / every),
      base: {
        rate: learningRate,
        replacedBy: (rate) => schedules.step({ learningRate: rate, every, gamma }),
      },
      config: { kind: 'step', learningRate, every, gamma },
    };
  },

  /** `learningRate * gamma^(step / every)`: Keras' ExponentialDecay. */
  exponential(options: ExponentialOptions): Schedule {
    const { learningRate, every, gamma } = checked('exponential', options);
    check('exponential', NOT_NEGATIVE, { learningRate, gamma });
    check('exponential', FROM_ONE, { every });
    return {
      rate: (step) => learningRate * gamma ** (step / every),
      base: {
        rate: learningRate,
        replacedBy: (rate) => schedules.exponential({ learningRate: rate, every, gamma }),
      },
      config: { kind: 'exponential', learningRate, every, gamma },
    };
  },

  /** `learningRate / (1 + decay * step)`: the option `decay` of Keras' optimizers up to 2.10. */
  inverseTime(options: InverseTimeOptions): Schedule {
    const { learningRate, decay } = checked('inverseTime', options);
    check('inverseTime', NOT_NEGATIVE, { learningRate, decay });
    return {
      rate: (step) => learningRate / (1 + decay * step),
      base: {
        rate: learningRate,
        replacedBy: (rate) => schedules.inverseTime({ learningRate: rate, decay }),
      },
      config: { kind: 'inverseTime', learningRate, decay },
    };
  },

  /** Half a cosine from `learningRate` to `minimum` (Loshchilov and Hutter 2017, without restarts), as Keras' CosineDecay has it. */
  cosine(options: CosineOptions): Schedule {
    const {
      learningRate,
      decaySteps,
      minimum = 0,
      warmUpSteps = 0,
      warmUpFrom = 0,
    } = checked('cosine', options);
    check('cosine', NOT_NEGATIVE, { learningRate, minimum, warmUpSteps, warmUpFrom });
    check('cosine', FROM_ONE, { decaySteps });
    return {
      rate: (step) =>
        step < warmUpSteps
          ? warmUpFrom + ((learningRate - warmUpFrom) * step) / warmUpSteps
          : annealed(learningRate, minimum, Math.min((step - warmUpSteps) / decaySteps, 1)),
      config: { kind: 'cosine', learningRate, decaySteps, minimum, warmUpSteps, warmUpFrom },
    };
  },

  /** One cycle up and down (Smith and Topin 2018): PyTorch's OneCycleLR with its two phases along half a cosine each. */
  oneCycle(options: OneCycleOptions): Schedule {
    const {
      maxLearningRate,
      totalSteps,
      pctStart = 0.3,
      divFactor = 25,
      finalDivFactor = 1e4,
      cycleMomentum = true,
      baseMomentum = 0.85,
      maxMomentum = 0.95,
    } = checkOptions('schedules.oneCycle', options, '{ maxLearningRate: 0.1, totalSteps: 1000 }');
    check('oneCycle', NOT_NEGATIVE, { maxLearningRate });
    check('oneCycle', FROM_ONE, { totalSteps, divFactor, finalDivFactor });
    check('oneCycle', { from: 0, to: 1 }, { pctStart, baseMomentum, maxMomentum });
    const peak = pctStart * totalSteps - 1;
    const last = totalSteps - 1;
    const first = maxLearningRate / divFactor;
    const cycled = (start: number, middle: number, end: number) => (step: number) => {
      const at = Math.min(step, last);
      // With a pctStart so small that the peak lies before the first step, all of it is the way down.
      if (at <= peak) return peak > 0 ? annealed(start, middle, at / peak) : middle;
      return last > peak ? annealed(middle, end, (at - peak) / (last - peak)) : end;
    };
    return {
      rate: cycled(first, maxLearningRate, first / finalDivFactor),
      ...(cycleMomentum && { momentum: cycled(maxMomentum, baseMomentum, maxMomentum) }),
      config: {
        kind: 'oneCycle',
        ...{ maxLearningRate, totalSteps, pctStart, divFactor, finalDivFactor },
        ...(cycleMomentum ? { baseMomentum, maxMomentum } : { cycleMomentum }),
      },
    };
  },
};
