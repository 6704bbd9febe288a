import { checkNumber } from '../checks.ts';
import { WeftError } from '../errors.ts';
import { checkSeed, RandomStream } from '../tensor/random.ts';

/** Where a `BatchSampler` stands. */
export interface SamplerState {
  /** Full passes over the samples that came before this one. */
  pass: number;
  /** Samples of this pass that were handed out. */
  cursor: number;
  /** How many there are, and in batches of how many: what `pass` and `cursor` count. States of before lack them. */
  count?: number;
  batchSize?: number;
}

/**
 * An endless stream of batches: pass after pass over the samples, each in a new order. The last batch of a pass holds what is left
 * of it; an epoch of fewer steps than a pass has batches leaves the rest to the next epoch, as Keras' generators do.
 */
export class BatchSampler {
  private pass = 0;
  private cursor = 0;
  private order: Uint32Array | undefined;

  /** @throws WeftError without samples, for a batch size or a seed out of its range */
  constructor(
    private readonly samples: Uint32Array,
    readonly batchSize: number,
    private readonly seed: number,
  ) {
    if (samples.length === 0) throw new WeftError('there are no samples to train on');
    checkNumber('BatchSampler', 'batchSize', batchSize, { from: 1, whole: true });
    checkSeed('BatchSampler', seed);
  }

  /** Batches in one pass, a last smaller one included. */
  get batchesPerPass(): number {
    return Math.ceil(this.samples.length / this.batchSize);
  }

  /** The samples of the next batch. */
  next(): Uint32Array {
    this.order ??= this.orderOf(this.pass);
    const batch = this.order.subarray(this.cursor, this.cursor + this.batchSize).map((i) => this.samples[i]);
    this.cursor += batch.length;
    if (this.cursor === this.samples.length) {
      this.pass++;
      this.cursor = 0;
      this.order = undefined;
    }
    return batch;
  }

  /** Where it stands: part of a checkpoint, and settable from one. */
  get state(): SamplerState {
    return { pass: this.pass, cursor: this.cursor, count: this.samples.length, batchSize: this.batchSize };
  }

  /** @throws WeftError for a state of other samples, or of batches of another size */
  set state({ pass, cursor, count, batchSize }: SamplerState) {
    const here = `there are ${this.samples.length} here, in batches of ${this.batchSize}`;
    const resumable = 'a training is resumed with the samples and the batch size of its checkpoint';
    if (
      (count ?? this.samples.length) !== this.samples.length ||
      (batchSize ?? this.batchSize) !== this.batchSize
    )
      throw new WeftError(
        `the checkpoint is of a training with ${count} samples in batches of ${batchSize}, ${here}: ${resumable}`,
      );
    if (!(cursor < this.samples.length && cursor % this.batchSize === 0))
      throw new WeftError(
        `the checkpoint is of a training that has taken ${cursor} samples of a pass, ${here}: ${resumable}`,
      );
    this.pass = pass;
    this.cursor = cursor;
    this.order = undefined;
  }

  private orderOf(pass: number): Uint32Array {
    const stream = new RandomStream(this.seed, 'order of the samples');
    stream.position = pass;
    return stream.permutation(this.samples.length);
  }
}
