import { adopt } from '../../tensor/scope.ts';
import type { Tensor } from '../../tensor/tensor.ts';
import { product as matrixProduct } from '../matmul/index.ts';
import { rectify } from '../relu.ts';
import { type ConvVariant, directFlops } from './geometry.ts';

/*
 * A 1x1 convolution of stride 1 without padding is a matrix product over the channels, with the pixels of all images as rows:
 *   y = x w + bias,  dx = dy w^T,  dw = x^T dy      x [N H W, C], w [C, K], y [N H W, K]
 * The product chooses among variants of its own; the error bound is theirs.
 */

const matrix = (tensor: Tensor, rows: number): Tensor => adopt(tensor.alias([rows, tensor.size / rows]));

export const product: ConvVariant = {
  name: 'product',
  supports: ({ H, W, Y, X, I, J, S, T, P, Q }) =>
    I === 1 && J === 1 && S === 1 && T === 1 && P === 0 && Q === 0 && Y === H && X === W,
  // Some 10 GFLOP/s on lavapipe, few TFLOP/s on hardware.
  cost: (g, _, gpu) => directFlops(g) / (gpu.isSoftware ? 10 : 3000),
  roundOffs: 8,
  forward({ N, H, W, C }, x, w, { bias, relu, y }) {
    matrixProduct(matrix(x, N * H * W), matrix(w, C), {}, bias, matrix(y, N * H * W));
    if (relu) rectify(y);
  },
  inputGradient({ N, H, W, C }, { dy }, w, dx) {
    matrixProduct(
      matrix(dy, N * H * W),
      matrix(w, C),
      { transposeB: true },
      undefined,
      matrix(dx, N * H * W),
    );
  },
  filterGradient({ N, H, W, C, K }, x, { dy }) {
    const rows = N * H * W;
    const dw = matrixProduct(matrix(x, rows), matrix(dy, rows), { transposeA: true });
    return adopt(dw.alias([1, 1, C, K]));
  },
};
