import { globalAvgPool2d } from '../../kernels/globalAvgPool2d.ts';
import type { Shape } from '../../tensor/shape.ts';
import type { Tensor } from '../../tensor/tensor.ts';
import { Layer } from '../layer.ts';
import { expectImages } from './images.ts';

export class GlobalAveragePooling2d extends Layer {
  protected makeWeights(inputShape: Shape): Shape {
    expectImages(this.name, inputShape);
    return [inputShape[2]];
  }

  linear(x: Tensor): Tensor {
    return globalAvgPool2d(x);
  }
}
