import { reshape, resolveShape } from '../../kernels/reshape.ts';
import type { Shape } from '../../tensor/shape.ts';
import type { Tensor } from '../../tensor/tensor.ts';
import { Layer, type LayerConfig } from '../layer.ts';

export interface ReshapeConfig extends LayerConfig {
  /** Of one sample; one dimension may be -1, which stands for what is left. */
  targetShape: Shape;
}

export class Reshape extends Layer<ReshapeConfig> {
  protected makeWeights(inputShape: Shape): Shape {
    return resolveShape(inputShape, this.config.targetShape, this.name);
  }

  linear(x: Tensor): Tensor {
    return reshape(x, [x.shape[0], ...this.config.targetShape]);
  }
}
