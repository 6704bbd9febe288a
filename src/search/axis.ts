import type { NumberDimension } from './space.ts';

/** Numbers that a range of real ones is told apart in, so that proposals have no more digits than matter. */
const RESOLUTION = 10_000;

/**
 * The interval from 0 to 1 laid over a dimension of numbers: whoever works on it needs to know neither scales nor whole numbers. Of
 * integers, each has a cell of the interval: that of the numbers which are rounded to it.
 */
export class Axis {
  private readonly isLog: boolean;
  private readonly isWhole: boolean;
  /** The interval's ends, on the dimension's scale. */
  private readonly from: number;
  private readonly to: number;

  constructor(private readonly dimension: NumberDimension) {
    const { kind, low, high } = dimension;
    this.isLog = kind === 'logUniform' || (kind === 'integer' && dimension.log === true);
    this.isWhole = kind === 'integer';
    const margin = this.isWhole ? 0.5 : 0;
    this.from = this.scaled(low - margin);
    this.to = this.scaled(high + margin);
  }

  /** Where a value lies. */
  unitOf(value: number): number {
    return this.place(value);
  }

  /** The value at a place of the interval. */
  valueAt(unit: number): number {
    const scaled = this.from + unit * (this.to - this.from);
    return this.nearest(this.isLog ? Math.exp(scaled) : scaled);
  }

  /** The part of the interval that belongs to a value; undefined where that is the point alone. */
  cellOf(value: number): [from: number, to: number] | undefined {
    return this.isWhole ? [this.place(value - 0.5), this.place(value + 0.5)] : undefined;
  }

  /** So many values at equal distances on the dimension's scale, its bounds among them; of integers, each once. */
  spread(count: number): number[] {
    const [first, last] = [this.scaled(this.dimension.low), this.scaled(this.dimension.high)];
    const values = Array.from({ length: count }, (_, i) => {
      const scaled = first + (i / (count - 1)) * (last - first);
      return this.nearest(this.isLog ? Math.exp(scaled) : scaled);
    });
    return [...new Set(values)];
  }

  private scaled(value: number): number {
    return this.isLog ? Math.log(value) : value;
  }

  private place(value: number): number {
    return (this.scaled(value) - this.from) / (this.to - this.from);
  }

  /** The value of the dimension nearest to a number. */
  private nearest(value: number): number {
    const { low, high } = this.dimension;
    const rounded = this.isWhole ? Math.round(value) : this.tidy(value);
    // Not -0, which JSON doesn't keep.
    return Math.min(high, Math.max(low, rounded)) + 0;
  }

  /** A real number with as few digits as the range's resolution needs: 0.003142. */
  private tidy(value: number): number {
    if (value === 0) return 0;
    const range = (this.isLog ? value : 1) * (this.to - this.from);
    const digits = Math.floor(Math.log10(Math.abs(value))) + 1 - Math.log10(range / RESOLUTION);
    return Number(value.toPrecision(Math.min(17, Math.max(1, Math.ceil(digits)))));
  }
}
