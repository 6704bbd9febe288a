import { type MaxPool2dOptions, maxPool2d } from '../../kernels/maxPool2d.ts';
import type { Tensor } from '../../tensor/tensor.ts';
import type { LayerConfig } from '../layer.ts';
import { Pooling } from './pooling.ts';

export interface MaxPooling2dConfig extends LayerConfig, MaxPool2dOptions {}

export class MaxPooling2d extends Pooling<MaxPooling2dConfig> {
  /** Whether its windows are the plain 2x2 ones, side by side, which a convolution takes in its own pass. */
  get halves(): boolean {
    const { poolSize = 2, strides = poolSize, padding = 'valid', ceilMode = false } = this.config;
    return [poolSize, strides].flat().every((n) => n === 2) && padding === 'valid' && !ceilMode;
  }

  linear(x: Tensor): Tensor {
    return maxPool2d(x, this.config);
  }
}
