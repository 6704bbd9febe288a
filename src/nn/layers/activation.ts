import { checkNumber } from '../../checks.ts';
import type { Shape } from '../../tensor/shape.ts';
import type { Tensor } from '../../tensor/tensor.ts';
import { LEAKY_RELU_SLOPE } from '../activations.ts';
import { type Activation, Layer, type LayerConfig } from '../layer.ts';

export type { Activation };

export interface ActivationConfig extends LayerConfig {
  activation: Activation;
}

/** An activation as a layer of its own: all of it happens in `call`. */
export class ActivationLayer<Config extends object = ActivationConfig> extends Layer<Config> {
  protected makeWeights(inputShape: Shape): Shape {
    return inputShape;
  }

  linear(x: Tensor): Tensor {
    return x;
  }
}

export interface LeakyReLUConfig extends LayerConfig {
  /** The slope below 0, at least 0. Default 0.3, as in Keras; PyTorch's is 0.01. */
  alpha?: number;
}

/** The leaky rectifier as a layer of its own. */
export class LeakyReLU extends ActivationLayer<LeakyReLUConfig> {
  protected override checkConfig(): void {
    checkNumber(this.name, 'alpha', this.config.alpha ?? LEAKY_RELU_SLOPE, { from: 0 });
  }

  override get activation(): Activation {
    return { leakyRelu: this.config.alpha ?? LEAKY_RELU_SLOPE };
  }
}
