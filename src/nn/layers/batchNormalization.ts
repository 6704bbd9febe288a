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

  override needsMoments({ training = false, batchStatistics = training }: CallOptions): boolean {
    return batchStatistics;
  }

  linear(x: Tensor, options: CallOptions): Tensor {
    const epsilon = this.config.epsilon ?? 1e-3;
    const [gamma, beta, mean, variance] = this.parameters.map((parameter) => parameter.tensor);
    if (!this.needsMoments(options)) return batchNormInference(x, gamma, beta, mean, variance, { epsilon });
    return batchNormTraining(x, gamma, beta, { mean, variance }, { momentum: this.momentum, epsilon });
  }
}
