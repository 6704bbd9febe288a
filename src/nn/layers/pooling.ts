import { checkBoolean, checkPair } from '../../checks.ts';
import { type PoolOptions, windowsOf } from '../../kernels/shared/windows.ts';
import type { Shape } from '../../tensor/shape.ts';
import { Layer, type LayerConfig } from '../layer.ts';
import { expectImages } from './images.ts';

/** A layer that takes windows of an image together. */
export abstract class Pooling<Config extends PoolOptions & LayerConfig> extends Layer<Config> {
  protected override checkConfig(): void {
    const { poolSize = 2, ceilMode = false } = this.config;
    checkPair(this.name, 'poolSize', poolSize, { from: 1, whole: true });
    checkBoolean(this.name, 'ceilMode', ceilMode);
  }

  protected makeWeights(inputShape: Shape): Shape {
    expectImages(this.name, inputShape);
    const { Y, X, C } = windowsOf(this.name, [1, ...inputShape], this.config);
    return [Y, X, C];
  }
}
