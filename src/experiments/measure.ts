import { type ImageSet, ImageSource } from '../data/batchSource.ts';
import { add } from '../kernels/binary.ts';
import { lossOperand } from '../nn/evaluate.ts';
import type { Model } from '../nn/model.ts';
import type { Optimizer, Pass } from '../nn/optimizers/index.ts';
import { noGrad } from '../tensor/autograd.ts';
import { RandomStream } from '../tensor/random.ts';
import { record } from '../tensor/record.ts';
import { type Tensor, tensor } from '../tensor/tensor.ts';
import type { Experiment } from './experiment.ts';
import { makeOptimizer } from './optimizer.ts';
import { type OpenPreset, presetOf } from './presets.ts';
import { objectives } from './task.ts';

/** At least as much is timed. */
const TIMED_STEPS = 2;
const TIMED_MS = 2000;

/**
 * An experiment's network with weights and random streams of its own, trained as a preset says: the run that follows isn't changed by
 * what is tried on it.
 */
export class Rehearsal {
  private readonly model: Model;
  private readonly optimizer: Optimizer;
  private readonly source: ImageSource;
  private readonly objective;

  constructor(
    { network, task = 'classify' }: Pick<Experiment, 'network' | 'task'>,
    set: ImageSet,
    { optimizer, augment, pixelScale }: Pick<OpenPreset, 'optimizer' | 'augment' | 'pixelScale'>,
  ) {
    this.model = network(0);
    this.optimizer = makeOptimizer(optimizer);
    this.source = new ImageSource(set, { augment, scale: pixelScale });
    this.objective = objectives[task];
  }

  /** Issues a training step, as `fit` makes it, without its log. @returns the loss, a scalar */
  train(indices: Tensor): Tensor {
    const { x, labels } = this.source.batch(indices, true);
    const loss = (pass: Pass) => {
      const { loss: lossFor, lossOf } = this.objective;
      const loss = lossFor(lossOperand(this.model, x, lossOf, { training: true, ...pass }), labels, x);
      const penalty = this.model.regularization();
      return penalty ? add(loss, penalty) : loss;
    };
    return this.optimizer.minimize(loss, this.model.trainableParameters);
  }

  /** Issues a prediction. */
  predict(indices: Tensor): Tensor {
    return noGrad(() => this.model.call(this.source.batch(indices, false).x));
  }

  dispose(): void {
    this.source.dispose();
    this.optimizer.dispose();
    this.model.dispose();
  }
}

/** A rehearsal of an experiment's recipe on so many images of noise. */
export function rehearsalOnNoise(
  experiment: Pick<Experiment, 'network' | 'task' | 'recipe'>,
  count: number,
): Rehearsal {
  const { inputShape, outputShape } = experiment.network(0);
  const [height, width, channels] = inputShape;
  const random = new RandomStream(0, 'noise');
  const images = Uint8Array.from(random.words(count * height * width * channels));
  const labels = Uint8Array.from(random.words(count), (word) => word % outputShape[0]);
  const set = { images, labels, count, height, width, channels, classNames: [] };
  return new Rehearsal(experiment, set, presetOf(experiment, 'recipe'));
}

/**
 * Seconds that a training step takes for an image of a batch, once its kernels are compiled.
 * @param onStep called after each step; what it throws ends the measurement
 */
export async function secondsPerImage(
  rehearsal: Rehearsal,
  batchSize: number,
  onStep: () => void,
): Promise<number> {
  const indices = tensor(Uint32Array.from({ length: batchSize }, (_, i) => i));
  const step = record((batch: Tensor) => ({ loss: rehearsal.train(batch) }));
  const finishStep = async () => {
    await (await step(indices)).loss.item();
    onStep();
  };
  try {
    await finishStep();
    const start = performance.now();
    let steps = 0;
    do {
      await finishStep();
      steps++;
    } while (steps < TIMED_STEPS || performance.now() - start < TIMED_MS);
    return (performance.now() - start) / 1000 / steps / batchSize;
  } finally {
    step.dispose();
    indices.dispose();
  }
}
