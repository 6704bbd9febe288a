import { ShapeError } from '../errors.ts';
import { defineOp } from '../tensor/autograd.ts';
import { type Shape, showShape } from '../tensor/shape.ts';
import { empty, expectIsTensor, type Tensor } from '../tensor/tensor.ts';
import { work } from '../tensor/work.ts';
import { biasAdd } from './biasAdd.ts';
import { checkBias, directFlops, type Geometry, geometryOf, sizesOf } from './conv2d/geometry.ts';
import { filterGradient, forward, inputGradient, linear, variantFor } from './conv2d/passes.ts';
import { expectTensor } from './shared/expectTensor.ts';
import { type Padding, type Strides, stridesOf, zerosOf } from './shared/padding.ts';

/*
 * Transposed convolution: the adjoint of `conv2d` over its output, so that its passes are those of that convolution.
 *
 * N images, Y x X input, K input channels, I x J kernel, C filters, H x W output, strides S and T, offsets P and Q: the letters of the
 * convolution from y, [N,H,W,C], to x
 *   x [N,Y,X,K], w [I,J,C,K], bias [C], y [N,H,W,C]
 *   'valid': H = Y S + max(I - S, 0), 'same': H = Y S; with output padding A, H = (Y-1) S + I - Z + A, where Z zeros are cut off in all:
 *   none, 2 floor(I/2) for 'same', as in Keras, or as many as are asked for. W likewise
 *
 *   y[n,h,v,c]    = bias[c] + sum_{i,j,k} x[n, (h+P-i)/S, (v+Q-j)/T, k] * w[i,j,c,k]     conv2d's input gradient
 *   dx[n,oy,ox,k] = sum_{i,j,c} dy[n, oy*S+i-P, ox*T+j-Q, c] * w[i,j,c,k]                its forward pass
 *   dw[i,j,c,k]   = sum_{n,oy,ox} dy[n, oy*S+i-P, ox*T+j-Q, c] * x[n,oy,ox,k]            its filter gradient
 */

const NAME = 'conv2dTranspose';

/** Options of `conv2dTranspose`. */
export interface Conv2dTransposeOptions {
  /** How many outputs an input moves on by. Default 1. */
  strides?: Strides;
  /** What `conv2d` would pad the output with: it is cut off. Default `'valid'`. */
  padding?: Padding;
  /** Rows and columns of the output below and to the right that only this asks for, fewer than the strides. Default as in Keras: see above. */
  outputPadding?: number | readonly [rows: number, columns: number];
  /** Which implementation of the convolution, by name. For tests and benchmarks. */
  variant?: string;
}

/** The convolution that this is the adjoint of. @throws ShapeError */
export function transposedGeometryOf(
  [x, w, bias]: readonly Shape[],
  { strides = 1, padding = 'valid', outputPadding }: Conv2dTransposeOptions,
): Geometry {
  if (x.length !== 4) throw new ShapeError(NAME, 'x [N, H, W, C]', showShape(x));
  if (w.length !== 4 || w[3] !== x[3])
    throw new ShapeError(NAME, `filters [kernel height, kernel width, filters, ${x[3]}]`, showShape(w));
  checkBias(NAME, bias, w[2]);
  const both = stridesOf(NAME, strides);
  const added = typeof outputPadding === 'number' ? [outputPadding, outputPadding] : outputPadding;
  if (added?.some((rows, axis) => !(Number.isInteger(rows) && rows >= 0 && rows < both[axis])))
    throw new ShapeError(NAME, `output padding from 0 to below the strides ${both}`, `${added}`);
  const [height, width] = zerosOf(NAME, padding).map((zeros, axis) => {
    const [size, kernel, stride] = [x[1 + axis], w[axis], both[axis]];
    if (typeof zeros !== 'string' || added) {
      const same = 2 * Math.floor(kernel / 2);
      const cut = typeof zeros !== 'string' ? zeros[0] + zeros[1] : zeros === 'same' ? same : 0;
      return (size - 1) * stride + kernel - cut + (added?.[axis] ?? 0);
    }
    return size * stride + (zeros === 'valid' ? Math.max(kernel - stride, 0) : 0);
  });
  const given = `x ${showShape(x)}, filters ${showShape(w)}, output ${height}x${width}`;
  if (height < 1 || width < 1) throw new ShapeError(NAME, 'an output of at least one pixel', given);
  const g = geometryOf([[x[0], height, width, w[2]], w], padding, strides, NAME);
  if (g.Y !== x[1] || g.X !== x[2])
    throw new ShapeError(NAME, `an output padding whose output comes from ${x[1]}x${x[2]} inputs`, given);
  return g;
}

/** Issues the kernels of one pass, named for profiles. */
const named = <T>(g: Geometry, pass: string, issue: () => T): T =>
  work({ op: `${NAME} of ${sizesOf(g)}`, pass, flops: directFlops(g) }, issue);

const op = defineOp<Conv2dTransposeOptions>({
  name: NAME,
  shape(inputs, options) {
    const { N, H, W, C } = transposedGeometryOf(inputs, options);
    return [N, H, W, C];
  },
  forward({ inputs: [x, w], attrs, output, save }) {
    const g = transposedGeometryOf([x.shape, w.shape], attrs);
    const variant = variantFor(g, 'inputGradient', linear(attrs.variant), x.storage.gpu);
    named(g, 'forward', () => inputGradient(variant, g, { dy: x }, w, output));
    save(x, w);
  },
  backward({ gradient: dy, saved: [x, w], attrs, needs }) {
    const g = transposedGeometryOf([x.shape, w.shape], attrs);
    const sum = linear(attrs.variant);
    const { gpu } = x.storage;
    const toInput = () => {
      const dx = empty(x.shape);
      forward(variantFor(g, 'forward', sum, gpu), g, sum, dy, w, undefined, dx, false);
      return dx;
    };
    const toFilter = () => filterGradient(variantFor(g, 'filterGradient', sum, gpu), g, dy, { dy: x });
    return [
      needs[0] ? named(g, 'input gradient', toInput) : null,
      needs[1] ? named(g, 'filter gradient', toFilter) : null,
    ];
  },
});

/**
 * Transposed convolution, with which decoders enlarge images: every input pixel adds its multiple of the filter to the output.
 *
 * @param x images [N, H, W, C]
 * @param w filters [kernel height, kernel width, filters, C], as Keras has them
 * @param bias [filters], added to every pixel
 * @returns [N, H', W', filters]: `'same'` H' = H * stride, `'valid'` H * stride + max(kernel height - stride, 0), with zeros or an output
 *   padding that are given (H - 1) * stride + kernel height - zeros + output padding; W' likewise
 * @throws ShapeError
 * @example
 * ```ts
 * import { conv2dTranspose, ones } from 'weft-gpu';
 *
 * console.log(conv2dTranspose(ones([1, 4, 4, 2]), ones([3, 3, 8, 2]), undefined, { strides: 2, padding: 'same' }).shape); // [ 1, 8, 8, 8 ]
 * ```
 */
export function conv2dTranspose(
  x: Tensor,
  w: Tensor,
  bias?: Tensor,
  options: Conv2dTransposeOptions = {},
): Tensor {
  expectTensor(NAME, 'x', x, 'f32');
  expectTensor(NAME, 'w', w, 'f32');
  if (!bias) return op([x, w], options);
  expectIsTensor(NAME, 'bias', bias);
  checkBias(NAME, bias.shape, w.shape[2]);
  const sum = op([x, w], options);
  const y = biasAdd(sum, bias);
  sum.dispose();
  return y;
}
