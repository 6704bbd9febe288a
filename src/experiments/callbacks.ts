import * as v from 'valibot';
import type { Callback, StepProgress } from '../nn/callbacks.ts';
import { type EpochLogs, meansOf, type Training } from '../nn/fit.ts';
import type { Samples } from '../nn/samples.ts';
import { updateBatchNorm } from '../nn/updateBatchNorm.ts';
import { check, finiteNumber } from '../schema.ts';
import { type Console, duration } from './console.ts';
import { type History, STRETCHES, stretches } from './results.ts';

/** Keeps how training loss and accuracy changed within epochs: a run of one epoch has a curve, too. */
export class Stretches implements Callback {
  stretches: History['stretches'] = [];

  onEpochEnd({ epoch }: EpochLogs, training: Training): void {
    const batches = training.epochBatches;
    const count = Math.min(STRETCHES, batches.length);
    const made = Array.from({ length: count }, (_, i) => {
      const [from, to] = [i, i + 1].map((part) => Math.round((part / count) * batches.length));
      return { epoch: epoch - 1 + to / batches.length, ...meansOf(batches.slice(from, to)) };
    });
    this.stretches = [...this.stretches, ...made];
  }

  state(): History['stretches'] {
    return this.stretches;
  }

  restore(state: unknown): void {
    this.stretches = check('the checkpoint: the curves of its epochs', state, stretches);
  }
}

/** Computes the batch-norm statistics anew before each validation, so that it, and the weights kept, don't suffer from their lag. */
export class FreshStatistics implements Callback {
  constructor(
    private readonly samples: Samples,
    private readonly batchSize: number,
    private readonly out: Console,
  ) {}

  async onStepsEnd(training: Training): Promise<void> {
    const onProgress = (done: number, total: number) => {
      this.out.progress('batch-norm statistics', done, total);
      training.stopIfAsked();
    };
    await updateBatchNorm(training.model, this.samples, { batchSize: this.batchSize, onProgress });
  }
}

/** Shows a bar while it trains and validates, and a line for each epoch. */
export class Display implements Callback {
  private epochStart = performance.now();
  private lowest = Number.POSITIVE_INFINITY;

  constructor(
    private readonly epochs: number,
    private readonly batchSize: number,
    private readonly out: Console,
  ) {}

  onStep({ epoch, epochs, step, stepsPerEpoch, loss, accuracy, imagesPerSecond }: StepProgress): void {
    const stepsLeft = (epochs - epoch + 1) * stepsPerEpoch - step;
    const left = (stepsLeft * this.batchSize) / imagesPerSecond;
    const figures = `${show('loss', loss, accuracy)}  ${rate(imagesPerSecond)} images/s`;
    this.out.progress(`epoch ${epoch}/${epochs}`, step, stepsPerEpoch, `${figures}  ${duration(left)} left`);
  }

  onValidation(done: number, total: number): void {
    this.out.progress('validation', done, total);
  }

  onEpochEnd({ epoch, loss, accuracy, valLoss = Number.NaN, valAccuracy }: EpochLogs): void {
    const isBest = valLoss < this.lowest;
    if (isBest) this.lowest = valLoss;
    const now = performance.now();
    const figures = [
      `epoch ${epoch}/${this.epochs}`,
      show('loss', loss, accuracy),
      show('validation loss', valLoss, valAccuracy),
      `${duration((now - this.epochStart) / 1000)}${isBest ? '  best so far' : ''}`,
    ];
    this.out.line(figures.join('  '));
    this.epochStart = now;
  }

  state(): number {
    return this.lowest;
  }

  restore(state: unknown): void {
    // JSON has no infinity.
    const lowest = check('the checkpoint: the lowest validation loss', state, v.nullable(finiteNumber));
    this.lowest = lowest ?? Number.POSITIVE_INFINITY;
  }
}

const show = (name: string, loss: number, accuracy: number | undefined): string =>
  `${name} ${loss.toFixed(4)}${accuracy === undefined ? '' : `  accuracy ${accuracy.toFixed(4)}`}`;

const rate = (imagesPerSecond: number): string =>
  imagesPerSecond.toLocaleString('en-US', { maximumFractionDigits: imagesPerSecond < 100 ? 1 : 0 });
