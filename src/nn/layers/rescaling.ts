import { checkNumber } from '../../checks.ts';
import { rescale } from '../../kernels/unary.ts';
import type { Shape } from '../../tensor/shape.ts';
import type { Tensor } from '../../tensor/tensor.ts';
import { Layer, type LayerConfig } from '../layer.ts';

export interface RescalingConfig extends LayerConfig {
  /** What inputs are multiplied by. */
  scale: number;
  /** What is added then. Default 0. */
  offset?: number;
}

export class Rescaling extends Layer<RescalingConfig> {
  protected override checkConfig(): void {
    const { scale, offset = 0 } = this.config;
    checkNumber(this.name, 'scale', scale);
    checkNumber(this.name, 'offset', offset);
  }

  protected makeWeights(inputShape: Shape): Shape {
    return inputShape;
  }

  linear(x: Tensor): Tensor {
    return rescale(x, this.config.scale, this.config.offset);
  }
}
