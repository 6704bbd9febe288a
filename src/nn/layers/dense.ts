import { checkNumber } from '../../checks.ts';
import { ShapeError } from '../../errors.ts';
import { dense } from '../../kernels/dense.ts';
import { type Shape, showShape } from '../../tensor/shape.ts';
import type { Tensor } from '../../tensor/tensor.ts';
import { KernelLayer, type KernelLayerConfig } from './kernelLayer.ts';

/** Options of `layers.dense`. */
export interface DenseConfig extends KernelLayerConfig {
  units: number;
}

export class Dense extends KernelLayer<DenseConfig> {
  protected override checkConfig(): void {
    super.checkConfig();
    checkNumber(this.name, 'units', this.config.units, { from: 1, whole: true });
  }

  protected makeWeights(inputShape: Shape): Shape {
    const { units } = this.config;
    if (inputShape.length !== 1)
      throw new ShapeError(this.name, 'vectors [features] (flatten images first)', showShape(inputShape));
    this.addKernel([inputShape[0], units], units, false);
    return [units];
  }

  override multiplyAdds([features]: Shape, [units]: Shape): number {
    return features * units;
  }

  linear(x: Tensor): Tensor {
    return dense(x, this.kernel.tensor, this.bias?.tensor);
  }
}
