import { WeftError } from '../errors.ts';
import type { EpochLogs, Training } from './fit.ts';

/** Where a running epoch stands. */
export interface StepProgress {
  /** From 1. */
  readonly epoch: number;
  readonly epochs: number;
  /** Steps of this epoch that are done. */
  readonly step: number;
  readonly stepsPerEpoch: number;
  /** Means over the epoch so far. */
  readonly loss: number;
  /** Where the run's metrics have it. */
  readonly accuracy?: number;
  readonly imagesPerSecond: number;
}

/** What wants to know about a training run, or to steer it. */
export interface Callback {
  /** After steps, about once a second. */
  onStep?(progress: StepProgress): void;
  /** After the last step of an epoch, before its validation. */
  onStepsEnd?(training: Training): void | Promise<void>;
  /** After each batch of a validation, with the samples done. */
  onValidation?(done: number, total: number): void;
  /** After an epoch and its validation, before the checkpoint. */
  onEpochEnd?(logs: EpochLogs, training: Training): void | Promise<void>;
  /** What a checkpoint must keep of this callback, as plain data. */
  state?(): unknown;
  restore?(state: unknown, training: Training): void;
}

export type Monitor = 'loss' | 'accuracy' | 'valLoss' | 'valAccuracy';

/** Follows one figure: keeps the best value, lower for losses, higher for accuracies. Only a strict improvement counts. */
class Best {
  value: number | undefined;
  constructor(readonly monitor: Monitor) {}

  improves(logs: EpochLogs): boolean {
    const value = logs[this.monitor];
    if (value === undefined)
      throw new WeftError(
        `'${this.monitor}' was to be watched, but this run has no such figure: it lacks validation samples or the metric`,
      );
    const better =
      this.value === undefined || (/loss/i.test(this.monitor) ? value < this.value : value > this.value);
    if (better) this.value = value;
    return better;
  }
}

/** Ends training after `patience` epochs in a row without strict improvement. The weights stay as they are. */
export class EarlyStopping implements Callback {
  private readonly best: Best;
  private readonly patience: number;
  private wait = 0;

  constructor({ monitor = 'valLoss', patience = 0 }: { monitor?: Monitor; patience?: number } = {}) {
    this.best = new Best(monitor);
    this.patience = patience;
  }

  onEpochEnd(logs: EpochLogs, training: Training): void {
    this.wait = this.best.improves(logs) ? 0 : this.wait + 1;
    if (this.wait > 0 && this.wait >= this.patience)
      training.finish(`${this.best.monitor} has not improved for ${this.wait} epochs`);
  }

  state() {
    return { best: this.best.value, wait: this.wait };
  }

  restore(state: unknown): void {
    ({ best: this.best.value, wait: this.wait } = state as ReturnType<EarlyStopping['state']>);
  }
}

/** Hands the model's file to `save` whenever the watched figure is the best so far. */
export class BestCheckpoint implements Callback {
  private readonly best: Best;
  private readonly save: (file: Uint8Array) => Promise<void>;
  private epoch = 0;

  constructor({
    monitor = 'valLoss',
    save,
  }: { monitor?: Monitor; save: (file: Uint8Array) => Promise<void> }) {
    this.best = new Best(monitor);
    this.save = save;
  }

  async onEpochEnd(logs: EpochLogs, training: Training): Promise<void> {
    if (!this.best.improves(logs)) return;
    this.epoch = logs.epoch;
    await this.save(await training.model.save());
  }

  state() {
    return { best: this.best.value, epoch: this.epoch };
  }

  restore(state: unknown): void {
    ({ best: this.best.value, epoch: this.epoch } = state as ReturnType<BestCheckpoint['state']>);
  }
}
