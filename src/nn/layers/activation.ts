import type { Shape } from '../../tensor/shape.ts';
import type { Tensor } from '../../tensor/tensor.ts';
import { type Activation, Layer, type LayerConfig } from '../layer.ts';

export type { Activation };

export interface ActivationConfig extends LayerConfig {
  activation: Activation;
}

/** An activation as a layer of its own: all of it happens in `call`. */
export class ActivationLayer extends Layer<ActivationConfig> {
  protected makeWeights(inputShape: Shape): Shape {
    return inputShape;
  }

  linear(x: Tensor): Tensor {
    return x;
  }
}
