import { checkNumber, checkPair } from '../../checks.ts';
import { directFlops } from '../../kernels/conv2d/geometry.ts';
import {
  type Conv2dTransposeOptions,
  conv2dTranspose,
  transposedGeometryOf,
} from '../../kernels/conv2dTranspose.ts';
import type { Padding, Strides } from '../../kernels/shared/padding.ts';
import type { Shape } from '../../tensor/shape.ts';
import type { Tensor } from '../../tensor/tensor.ts';
import { expectImages } from './images.ts';
import { KernelLayer, type KernelLayerConfig } from './kernelLayer.ts';

/** Options of `layers.conv2dTranspose`. */
export interface Conv2dTransposeConfig extends KernelLayerConfig {
  filters: number;
  /** Height and width of the kernel. Default 3. */
  kernelSize?: number | readonly [number, number];
  /** How many outputs an input moves on by, down and across. Default 1. */
  strides?: Strides;
  /** 'valid' (default) or 'same', as in Keras, or the number of zeros to cut off: see `conv2dTranspose`. */
  padding?: Padding;
  /** Rows and columns of the output below and to the right that only this asks for. */
  outputPadding?: Conv2dTransposeOptions['outputPadding'];
}

export class Conv2dTranspose extends KernelLayer<Conv2dTransposeConfig> {
  protected override checkConfig(): void {
    super.checkConfig();
    const { filters, kernelSize = 3 } = this.config;
    checkNumber(this.name, 'filters', filters, { from: 1, whole: true });
    checkPair(this.name, 'kernelSize', kernelSize, { from: 1, whole: true });
  }

  protected makeWeights(inputShape: Shape): Shape {
    const { filters, kernelSize = 3 } = this.config;
    expectImages(this.name, inputShape);
    const [height, width] = typeof kernelSize === 'number' ? [kernelSize, kernelSize] : kernelSize;
    const shape = [height, width, filters, inputShape[2]];
    const { H, W } = transposedGeometryOf([[1, ...inputShape], shape], this.options);
    // Keras and PyTorch alike count the filters as its inputs, by their place in the kernel's shape.
    this.addKernel(shape, filters, true);
    return [H, W, filters];
  }

  override multiplyAdds(inputShape: Shape): number {
    return directFlops(transposedGeometryOf([[1, ...inputShape], this.kernel.shape], this.options)) / 2;
  }

  linear(x: Tensor): Tensor {
    return conv2dTranspose(x, this.kernel.tensor, this.bias?.tensor, this.options);
  }

  private get options(): Conv2dTransposeOptions {
    const { strides, padding, outputPadding } = this.config;
    return { strides, padding, outputPadding };
  }
}
