import { checkPair } from '../../checks.ts';
import { factorsOf, upSampling2d } from '../../kernels/upSampling2d.ts';
import type { Shape } from '../../tensor/shape.ts';
import type { Tensor } from '../../tensor/tensor.ts';
import { Layer, type LayerConfig } from '../layer.ts';
import { expectImages } from './images.ts';

export interface UpSampling2dConfig extends LayerConfig {
  /** Rows and columns that a pixel becomes, or one number for both; default 2. */
  size?: number | readonly [number, number];
}

export class UpSampling2d extends Layer<UpSampling2dConfig> {
  protected override checkConfig(): void {
    checkPair(this.name, 'size', this.config.size ?? 2, { from: 1, whole: true });
  }

  protected makeWeights(inputShape: Shape): Shape {
    expectImages(this.name, inputShape);
    const [rows, columns] = factorsOf(this.name, [1, ...inputShape], this.config.size ?? 2);
    const [height, width, channels] = inputShape;
    return [height * rows, width * columns, channels];
  }

  linear(x: Tensor): Tensor {
    return upSampling2d(x, this.config.size);
  }
}
