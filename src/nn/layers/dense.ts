import { ShapeError } from '../../errors.ts';
import { dense } from '../../kernels/dense.ts';
import { type Shape, showShape } from '../../tensor/shape.ts';
import type { Tensor } from '../../tensor/tensor.ts';
import { fansOf, type InitializerName } from '../initializers.ts';
import { type Activation, Layer, type LayerConfig, type Regularizer } from '../layer.ts';
import type { Parameter } from '../parameter.ts';

export interface DenseConfig extends LayerConfig {
  units: number;
  activation?: Activation;
  kernelRegularizer?: Regularizer;
  /** Default 'glorotUniform'. */
  kernelInitializer?: InitializerName;
  /** Default 'zeros'. */
  biasInitializer?: InitializerName;
  /** Default true. */
  useBias?: boolean;
}

export class Dense extends Layer<DenseConfig> {
  private kernel!: Parameter;
  private bias: Parameter | undefined;

  protected makeWeights(inputShape: Shape): Shape {
    const { units, kernelRegularizer: regularizer, useBias = true } = this.config;
    const { kernelInitializer = 'glorotUniform', biasInitializer = 'zeros' } = this.config;
    if (inputShape.length !== 1)
      throw new ShapeError(this.name, 'vectors [features] (flatten images first)', showShape(inputShape));
    const shape = [inputShape[0], units];
    this.kernel = this.addWeight('kernel', shape, kernelInitializer, { regularizer });
    if (useBias) this.bias = this.addWeight('bias', [units], biasInitializer, { fans: fansOf(shape) });
    return [units];
  }

  override multiplyAdds([features]: Shape, [units]: Shape): number {
    return features * units;
  }

  linear(x: Tensor): Tensor {
    return dense(x, this.kernel.tensor, this.bias?.tensor);
  }
}
