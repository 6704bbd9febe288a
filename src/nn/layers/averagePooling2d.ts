import { type AvgPool2dOptions, avgPool2d } from '../../kernels/avgPool2d.ts';
import type { Tensor } from '../../tensor/tensor.ts';
import type { LayerConfig } from '../layer.ts';
import { Pooling } from './pooling.ts';

export interface AveragePooling2dConfig extends LayerConfig, AvgPool2dOptions {}

export class AveragePooling2d extends Pooling<AveragePooling2dConfig> {
  linear(x: Tensor): Tensor {
    return avgPool2d(x, this.config);
  }
}
