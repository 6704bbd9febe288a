import { checkNumber } from '../../checks.ts';
import { type ResizeBilinearOptions, resizeBilinear, resizedShape } from '../../kernels/resizeBilinear.ts';
import type { Shape } from '../../tensor/shape.ts';
import type { Tensor } from '../../tensor/tensor.ts';
import { Layer, type LayerConfig } from '../layer.ts';
import { expectImages } from './images.ts';

export interface ResizingConfig extends LayerConfig, ResizeBilinearOptions {
  height: number;
  width: number;
}

export class Resizing extends Layer<ResizingConfig> {
  protected override checkConfig(): void {
    const { height, width } = this.config;
    checkNumber(this.name, 'height', height, { from: 1, whole: true });
    checkNumber(this.name, 'width', width, { from: 1, whole: true });
  }

  protected makeWeights(inputShape: Shape): Shape {
    expectImages(this.name, inputShape);
    const [, Y, X, C] = resizedShape(this.name, [1, ...inputShape], this.size);
    return [Y, X, C];
  }

  linear(x: Tensor): Tensor {
    return resizeBilinear(x, this.size, this.config);
  }

  private get size(): readonly [number, number] {
    const { height, width } = this.config;
    return [height, width];
  }
}
