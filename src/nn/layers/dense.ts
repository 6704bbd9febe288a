import { ShapeError } from '../../errors.ts';
import { dense } from '../../kernels/dense.ts';
import { type Shape, showShape } from '../../tensor/shape.ts';
import type { Tensor } from '../../tensor/tensor.ts';
import type { InitializerName } from '../initializers.ts';
import { type Activation, Layer } from '../layer.ts';
import type { Parameter } from '../parameter.ts';

export interface DenseConfig {
  units: number;
  activation?: Activation;
  /** Adds `l2` times the sum of the squared kernel to the loss. */
  kernelRegularizer?: { l2: number };
  /** Default 'glorotUniform'. */
  kernelInitializer?: InitializerName;
  /** Default true. */
  useBias?: boolean;
}

export class Dense extends Layer<DenseConfig> {
  private kernel!: Parameter;
  private bias: Parameter | undefined;

  protected makeWeights(inputShape: Shape): Shape {
    const { units, kernelRegularizer, kernelInitializer = 'glorotUniform', useBias = true } = this.config;
    if (inputShape.length !== 1)
      throw new ShapeError(this.name, 'vectors [features] (flatten images first)', showShape(inputShape));
    this.kernel = this.addWeight('kernel', [inputShape[0], units], kernelInitializer);
    if (useBias) this.bias = this.addWeight('bias', [units], 'zeros');
    if (kernelRegularizer) this.penalties.push({ parameter: this.kernel, l2: kernelRegularizer.l2 });
    return [units];
  }

  linear(x: Tensor): Tensor {
    return dense(x, this.kernel.tensor, this.bias?.tensor);
  }
}
