import { WeftError } from '../../errors.ts';
import { dropout } from '../../kernels/dropout.ts';
import { RandomStream } from '../../tensor/random.ts';
import type { Shape } from '../../tensor/shape.ts';
import type { Tensor } from '../../tensor/tensor.ts';
import { type CallOptions, Layer } from '../layer.ts';

export interface DropoutConfig {
  /** Share of the elements that training sets to zero, from 0 to below 1; the others are divided by 1 - rate. */
  rate: number;
}

export class Dropout extends Layer<DropoutConfig> {
  protected makeWeights(inputShape: Shape, seed: number): Shape {
    const { rate } = this.config;
    if (!(rate >= 0 && rate < 1))
      throw new WeftError(`${this.name}: rate must be from 0 to below 1, got ${rate}`);
    this.randomStream = new RandomStream(seed, this.name);
    return inputShape;
  }

  linear(x: Tensor, { training = false, gatherMoments }: CallOptions): Tensor {
    const { randomStream } = this;
    if (!training || !randomStream) return x;
    return dropout(x, this.config.rate, randomStream.drawTensor(), { moments: gatherMoments });
  }
}
