import { ShapeError, WeftError } from '../errors.ts';
import { noGrad } from '../tensor/autograd.ts';
import { type Recorded, record } from '../tensor/record.ts';
import { type Shape, sameShape, showShape, sizeOf } from '../tensor/shape.ts';
import { empty, type Tensor } from '../tensor/tensor.ts';
import type { Model } from './model.ts';

/** How `model.predict` goes about its samples. */
export interface PredictOptions {
  /** How many samples go through the network at a time: memory grows with it. Default 256. */
  batchSize?: number;
}

/** A model's inference, recorded once for each batch shape. */
export class Predictor {
  private step: Recorded<Tensor[], Tensor[]> | undefined;
  /** Calls that weren't awaited run one after the other: they share the plans' memory. */
  private turn: Promise<unknown> = Promise.resolve();
  private disposed = false;

  constructor(private readonly model: Model) {}

  /** See `Model.predict`. */
  run(inputs: readonly Tensor[], { batchSize = 256 }: PredictOptions): Promise<Tensor[]> {
    if (this.disposed) throw new WeftError('model.predict() was called after model.dispose()');
    this.model.checkInputs('predict', inputs);
    if (!Number.isInteger(batchSize) || batchSize < 1)
      throw new ShapeError('predict', 'a batchSize that is a whole number of at least 1', `${batchSize}`);
    if (inputs[0].storage.gpu.activeRecording)
      throw new WeftError(
        'model.predict() was called inside record(): use model.call(x), the outer record() keeps its commands',
      );
    // The caller may dispose of the inputs as soon as this call returns.
    const held = inputs.map((x) => x.alias());
    const result = this.turn
      .then(() => this.predict(held, batchSize))
      .finally(() => {
        for (const x of held) x.dispose();
      });
    this.turn = result.catch(() => {});
    return result;
  }

  /** Frees the recorded steps, and ends the calls that wait. */
  dispose(): void {
    this.disposed = true;
    this.step?.dispose();
    this.step = undefined;
  }

  private async predict(inputs: readonly Tensor[], batchSize: number): Promise<Tensor[]> {
    const throwIfDisposed = () => {
      if (this.disposed)
        throw new WeftError('the model was disposed of before this prediction was done: await it first');
    };
    throwIfDisposed();
    this.step ??= record((...parts: Tensor[]) => noGrad(() => this.model.callAll(parts)));
    const { step } = this;
    const { gpu } = inputs[0].storage;
    const [N] = inputs[0].shape;
    const results = this.model.outputShapes.map((shape) => empty([N, ...shape], 'f32', gpu));
    try {
      for (let first = 0; first < N; first += batchSize) {
        const count = Math.min(batchSize, N - first);
        // Copies, where slices would make a bind group each time.
        const parts = inputs.map((x, i) => {
          const part = count === N ? x.alias() : empty([count, ...x.shape.slice(1)], 'f32', gpu);
          const bytes = 4 * sizeOf(this.model.inputShapes[i]);
          if (count < N)
            gpu.copy(x.storage.buffer, part.storage.buffer, count * bytes, { from: first * bytes });
          return part;
        });
        const outputs = await step(...parts).finally(() => {
          for (const part of parts) part.dispose();
        });
        throwIfDisposed();
        outputs.forEach((y, i) => {
          const bytes = 4 * sizeOf(this.model.outputShapes[i]);
          gpu.copy(y.storage.buffer, results[i].storage.buffer, count * bytes, { to: first * bytes });
          y.dispose();
        });
      }
    } catch (error) {
      for (const result of results) result.dispose();
      throw error;
    }
    return results;
  }
}

/** @throws ShapeError unless x is a batch of the shape that the model takes. */
export function checkBatch(op: string, x: Tensor, inputShape: Shape): void {
  if (sameShape(x.shape.slice(1), inputShape)) return;
  const single = sameShape(x.shape, inputShape)
    ? `, a single sample: reshape it to ${showShape([1, ...x.shape])}`
    : '';
  throw new ShapeError(op, `a batch [N, ${inputShape.join(', ')}]`, `${showShape(x.shape)}${single}`);
}
