import { ShapeError } from '../errors.ts';
import { showShape } from '../tensor/shape.ts';
import type { Tensor } from '../tensor/tensor.ts';
import { mean } from './reduce.ts';

/*
 * N images of H x W pixels, C channels
 *   y[n,c] = sum_{h,v} x[n,h,v,c] / (H*W),  dx[n,h,v,c] = dy[n,c] / (H*W)
 */

/**
 * The mean of every channel of an image.
 *
 * @param x images [N, H, W, C]
 * @returns [N, C]
 * @throws ShapeError
 */
export function globalAvgPool2d(x: Tensor): Tensor {
  if (x.rank !== 4) throw new ShapeError('globalAvgPool2d', 'x [N, H, W, C]', showShape(x.shape));
  return mean(x, { axes: [1, 2] });
}
