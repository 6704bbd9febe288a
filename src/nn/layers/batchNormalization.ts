import { batchNormInference, batchNormTraining } from '../../kernels/batchNorm.ts';
import type { Shape } from '../../tensor/shape.ts';
import type { Tensor } from '../../tensor/tensor.ts';
import { type CallOptions, Layer } from '../layer.ts';

export interface BatchNormalizationConfig {
  /** Weight of the old moving statistics; default 0.99, as in Keras. */
  momentum?: number;
  /** Default 1e-3, as in Keras. */
  epsilon?: number;
}

export class BatchNormalization extends Layer<BatchNormalizationConfig> {
  /** Weight of the old moving statistics in the next update. */
  momentum = this.config.momentum ?? 0.99;

  protected makeWeights(inputShape: Shape): Shape {
    const shape = inputShape.slice(-1);
    this.addWeight('gamma', shape, 'ones');
    this.addWeight('beta', shape, 'zeros');
    this.addWeight('moving_mean', shape, 'zeros', false);
    this.addWeight('moving_variance', shape, 'ones', false);
    return inputShape;
  }

  linear(x: Tensor, { training = false, batchStatistics = training }: CallOptions): Tensor {
    const epsilon = this.config.epsilon ?? 1e-3;
    const [gamma, beta, mean, variance] = this.parameters.map((parameter) => parameter.tensor);
    if (!batchStatistics) return batchNormInference(x, gamma, beta, mean, variance, { epsilon });
    return batchNormTraining(x, gamma, beta, { mean, variance }, { momentum: this.momentum, epsilon });
  }
}
