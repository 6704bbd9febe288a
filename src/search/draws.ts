import { RandomStream } from '../tensor/random.ts';

/** Random numbers for one trial: its search's seed and its number fix all of them, whatever was drawn for other trials. */
export class Draws {
  private readonly stream: RandomStream;

  constructor(seed: number, name: string) {
    this.stream = new RandomStream(seed, name);
  }

  /** From 0 (included) to 1 (excluded), a multiple of 2^-53. */
  uniform(): number {
    const [high, low] = this.stream.words(2);
    return ((high >>> 5) * 2 ** 26 + (low >>> 6)) / 2 ** 53;
  }

  /** Of the standard normal distribution (G. E. P. Box and M. E. Muller, 1958). */
  normal(): number {
    return Math.sqrt(-2 * Math.log(1 - this.uniform())) * Math.cos(2 * Math.PI * this.uniform());
  }

  /** A whole number from 0 to below `count`. */
  below(count: number): number {
    return Math.floor(this.uniform() * count);
  }

  /** A place in a list, as likely as its weight says; weights are positive. */
  weighted(weights: readonly number[]): number {
    let left = this.uniform() * weights.reduce((sum, weight) => sum + weight, 0);
    const found = weights.findIndex((weight) => {
      left -= weight;
      return left < 0;
    });
    return found < 0 ? weights.length - 1 : found;
  }

  permutation(count: number): Uint32Array {
    return this.stream.permutation(count);
  }
}
