import { checkNumber } from '../../checks.ts';
import { dropout } from '../../kernels/dropout.ts';
import { RandomStream } from '../../tensor/random.ts';
import type { Shape } from '../../tensor/shape.ts';
import type { Tensor } from '../../tensor/tensor.ts';
import { type CallOptions, Layer, type LayerConfig } from '../layer.ts';

export interface DropoutConfig extends LayerConfig {
  /** Share of the elements that training sets to zero, from 0 to below 1; the others are divided by 1 - rate. */
  rate: number;
}

export class Dropout extends Layer<DropoutConfig> {
  private stream: RandomStream | undefined;

  override get randomStream(): RandomStream {
    this.stream ??= new RandomStream(this.seed, this.name);
    return this.stream;
  }

  protected override checkConfig(): void {
    checkNumber(this.name, 'rate', this.config.rate, { from: 0, below: 1 });
  }

  protected makeWeights(inputShape: Shape): Shape {
    return inputShape;
  }

  linear(x: Tensor, { training = false, gatherMoments }: CallOptions): Tensor {
    if (!training) return x;
    return dropout(x, this.config.rate, this.randomStream.drawTensor(), { moments: gatherMoments });
  }
}
