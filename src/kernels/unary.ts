import { ShapeError } from '../errors.ts';
import { defineOp } from '../tensor/autograd.ts';
import { empty, type Tensor } from '../tensor/tensor.ts';
import { elementwise, mentions } from './shared/elementwise.ts';
import { expectTensor } from './shared/expectTensor.ts';
import { nanWgsl } from './shared/nan.ts';

/*
 * y = f(x) element by element, dx = dy * f'(x)
 */

type Numbers = Readonly<Record<string, number>>;

/** Makes the op from WGSL: f of x and named numbers, and dy * f' as an expression of dy, x and y, whichever is at hand. */
function unary(
  name: string,
  value: string,
  gradient: string,
  declarations = '',
): (x: Tensor, numbers?: Numbers) => Tensor {
  const op = defineOp<Numbers>({
    name,
    shape: ([x]) => x,
    forward({ inputs: [x], attrs, output, save }) {
      elementwise(name, value, { ...attrs, x }, output, declarations);
      if (mentions(gradient, 'x')) save(x);
      if (mentions(gradient, 'y')) save(output);
    },
    backward({ gradient: dy, saved: [kept], attrs }) {
      const dx = empty(dy.shape);
      // A gradient reads x or y, never both.
      elementwise(
        `${name}-gradient`,
        gradient,
        { ...attrs, dy, ...(kept && { [mentions(gradient, 'x') ? 'x' : 'y']: kept }) },
        dx,
        declarations,
      );
      return [dx];
    },
  });
  return (x, numbers = {}) => {
    expectTensor(name, 'x', x, 'f32');
    return op([x], numbers);
  };
}

const negOp = unary('neg', '-x', '-dy');
const expOp = unary('exp', 'exponential(x)', 'dy * y', nanWgsl('f32'));

// WGSL's own log() may be wrong by 2^-21 around 1, where logarithms themselves are small. There, with f = x - 1 and s = f / (2 + f), it is
// the series of 2 atanh(s) = 2s + 2s^3 / 3 + ..., whose first term is f - s f.
const naturalLogarithm = `
fn naturalLogarithm(x: f32) -> f32 {
  let f = x - 1.0;
  if (abs(f) >= 0.25) { return log(x); }
  let s = f / (2.0 + f);
  let q = s * s;
  return f - s * (f - q * (2.0 / 3.0 + q * (2.0 / 5.0 + q * (2.0 / 7.0 + q * (2.0 / 9.0)))));
}`;
const logOp = unary('log', 'naturalLogarithm(x)', 'dy / x', naturalLogarithm);

const sqrtOp = unary('sqrt', 'sqrt(x)', '0.5 * dy / y');
const squareOp = unary('square', 'x * x', '2.0 * x * dy');
const absOp = unary('abs', 'abs(x)', 'dy * select(sign(x), x, isNan(x))', nanWgsl('f32'));

const rescaleOp = unary('rescale', 'x * scale + offset', 'dy * scale');

// WGSL's pow() is left open for x < 0 and inexact elsewhere: whole exponents go by repeated squaring.
const power = `${nanWgsl('f32')}
fn power(x: f32, exponent: f32) -> f32 {
  if (exponent != round(exponent) || abs(exponent) > 1024.0) { return select(pow(x, exponent), x, isNan(x)); }
  var result = 1.0;
  var factor = x;
  for (var n = u32(abs(exponent)); n > 0u; n >>= 1u) {
    if ((n & 1u) != 0u) { result *= factor; }
    factor *= factor;
  }
  return select(result, 1.0 / result, exponent < 0.0);
}
fn powerSlope(x: f32, exponent: f32) -> f32 {
  if (exponent == 0.0) { return 0.0; }
  return exponent * power(x, exponent - 1.0);
}`;
const powOp = unary('pow', 'power(x, exponent)', 'dy * powerSlope(x, exponent)', power);

// With slope >= 0 an output is above 0 where its input is: the input need not be kept.
const leakyReluOp = unary('leakyRelu', 'select(slope * x, x, x > 0.0)', 'select(slope * dy, dy, y > 0.0)');

/** WGSL: `sigmoid(x)`, 1 / (1 + exp(-x)), by an exponential that can't overflow. */
export const sigmoidWgsl = `
fn sigmoid(x: f32) -> f32 {
  let e = exp(-abs(x));
  return select(e, 1.0, x >= 0.0) / (1.0 + e);
}`;
const sigmoidOp = unary('sigmoid', 'sigmoid(x)', 'dy * y * (1.0 - y)', sigmoidWgsl);

// WGSL's own tanh() may overflow and cancels near 0. Below 1/4 the Taylor series is exact to a tenth of a round-off.
const hyperbolicTangent = `
fn hyperbolicTangent(x: f32) -> f32 {
  if (abs(x) < 0.25) {
    let q = x * x;
    return x + x * q * (-1.0 / 3.0 + q * (2.0 / 15.0 + q * (-17.0 / 315.0 + q * (62.0 / 2835.0))));
  }
  let e = exp(-2.0 * abs(x));
  return sign(x) * (1.0 - e) / (1.0 + e);
}`;
const tanhOp = unary('tanh', 'hyperbolicTangent(x)', 'dy * (1.0 - y) * (1.0 + y)', hyperbolicTangent);

/** `-x`, element by element. */
export const neg = (x: Tensor): Tensor => negOp(x);

/** `e^x`, element by element. */
export const exp = (x: Tensor): Tensor => expOp(x);

/** Natural logarithm, element by element; NaN for x < 0. */
export const log = (x: Tensor): Tensor => logOp(x);

/** Square root, element by element; NaN for x < 0. */
export const sqrt = (x: Tensor): Tensor => sqrtOp(x);

/** `x^2`, element by element. */
export const square = (x: Tensor): Tensor => squareOp(x);

/** Absolute value, element by element; the gradient at 0 is 0, at NaN NaN. */
export const abs = (x: Tensor): Tensor => absOp(x);

/** `x * scale + offset`, element by element. @throws ShapeError when a number isn't finite */
export function rescale(x: Tensor, scale: number, offset = 0): Tensor {
  if (!Number.isFinite(scale) || !Number.isFinite(offset))
    throw new ShapeError('rescale', 'a finite scale and offset', `${scale} and ${offset}`);
  return rescaleOp(x, { scale, offset });
}

/**
 * `x^exponent`, element by element. Whole exponents take any x (and 0^0 = 1); others need x >= 0.
 * @throws ShapeError when the exponent is no finite number
 */
export function pow(x: Tensor, exponent: number): Tensor {
  if (!Number.isFinite(exponent)) throw new ShapeError('pow', 'a finite exponent', `${exponent}`);
  return powOp(x, { exponent });
}

/**
 * Leaky rectifier, element by element: x where x > 0, else `slope * x`; at 0 and at NaN the gradient is the slope.
 *
 * @param slope PyTorch's default is 0.01, that of Keras' layer 0.3
 * @throws ShapeError when the slope is below 0 or no finite number
 */
export function leakyRelu(x: Tensor, slope: number): Tensor {
  if (!(Number.isFinite(slope) && slope >= 0))
    throw new ShapeError('leakyRelu', 'a finite slope of at least 0', `${slope}`);
  return leakyReluOp(x, { slope });
}

/** Logistic function, element by element: `1 / (1 + e^-x)`, for x of any size. */
export const sigmoid = (x: Tensor): Tensor => sigmoidOp(x);

/** Hyperbolic tangent, element by element, for x of any size. */
export const tanh = (x: Tensor): Tensor => tanhOp(x);
