import type { Draws } from './draws.ts';

/*
 * Parzen windows: densities from few observations, for the tree-structured Parzen estimator (J. Bergstra, R. Bardenet, Y. Bengio,
 * B. Kégl: "Algorithms for hyper-parameter optimization", NIPS 2011, section 4).
 */

/** A density that candidates are drawn from and compared by. */
export interface Density<T> {
  draw(draws: Draws): T;
  /** Logarithm of the density at a value, or of its probability; the same kind for all values. */
  log(value: T): number;
}

/** Windows are no narrower than a share of the interval that falls with their number, down to 1/100. */
const MOST_WINDOWS = 100;

/**
 * A mixture of normal distributions, cut off outside the interval from 0 to 1: one at each observation, as wide as the distance to the
 * farther of its neighbours, and one for what is known beforehand, at 0.5 and as wide as the interval. All weigh the same.
 */
export class Parzen implements Density<number> {
  private readonly means: readonly number[];
  private readonly widths: readonly number[];
  /** The share of each that lies within the interval. */
  private readonly within: readonly number[];

  /** @param cellOf the part of the interval that belongs to a value, where values aren't points of it */
  constructor(
    observations: readonly number[],
    private readonly cellOf: (unit: number) => [number, number] | undefined,
  ) {
    const PRIOR = 0.5;
    const means = [...observations, PRIOR].sort((a, b) => a - b);
    const prior = means.indexOf(PRIOR);
    const least = 1 / Math.min(MOST_WINDOWS, means.length + 1);
    this.means = means;
    this.widths = means.map((mean, i) => {
      if (i === prior) return 1;
      const distances = [mean - means[i - 1], means[i + 1] - mean].filter(Number.isFinite);
      return Math.min(1, Math.max(least, ...distances));
    });
    this.within = means.map((_, i) => this.mass(i, 0, 1));
  }

  draw(draws: Draws): number {
    const i = draws.below(this.means.length);
    for (;;) {
      const unit = this.means[i] + this.widths[i] * draws.normal();
      if (unit >= 0 && unit <= 1) return unit;
    }
  }

  log(unit: number): number {
    const cell = this.cellOf(unit);
    const terms = this.means.map((mean, i) => {
      if (cell) return this.mass(i, ...cell) / this.within[i];
      const z = (unit - mean) / this.widths[i];
      return Math.exp(-(z ** 2) / 2) / (Math.sqrt(2 * Math.PI) * this.widths[i] * this.within[i]);
    });
    return Math.log(terms.reduce((sum, term) => sum + term, 0) / terms.length);
  }

  /** Of one window, between two places. */
  private mass(i: number, from: number, to: number): number {
    const [a, b] = [from, to].map((unit) => normalCdf((unit - this.means[i]) / this.widths[i]));
    return b - a;
  }
}

/** Shares of categories: each as often as it was observed, and once more. */
export class Categories implements Density<number> {
  private readonly weights: number[];

  constructor(observations: readonly number[], count: number) {
    this.weights = Array.from({ length: count }, (_, k) => 1 + observations.filter((at) => at === k).length);
  }

  draw(draws: Draws): number {
    return draws.weighted(this.weights);
  }

  log(category: number): number {
    return Math.log(this.weights[category] / this.weights.reduce((sum, weight) => sum + weight));
  }
}

/** The standard normal distribution's share below `x`, to 1.5e-7 (M. Abramowitz, I. Stegun: Handbook of mathematical functions, 7.1.26). */
export function normalCdf(x: number): number {
  const z = Math.abs(x) / Math.SQRT2;
  const t = 1 / (1 + 0.3275911 * z);
  const poly =
    ((((1.061405429 * t - 1.453152027) * t + 1.421413741) * t - 0.284496736) * t + 0.254829592) * t;
  const tail = (poly * Math.exp(-z * z)) / 2;
  return x < 0 ? tail : 1 - tail;
}
