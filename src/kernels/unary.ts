import { ShapeError } from '../errors.ts';
import { defineOp } from '../tensor/autograd.ts';
import { empty, type Tensor } from '../tensor/tensor.ts';
import { elementwise, mentions } from './shared/elementwise.ts';
import { expectTensor } from './shared/expectTensor.ts';

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
const expOp = unary('exp', 'exp(x)', 'dy * y');
const logOp = unary('log', 'log(x)', 'dy / x');
const sqrtOp = unary('sqrt', 'sqrt(x)', '0.5 * dy / y');
const squareOp = unary('square', 'x * x', '2.0 * x * dy');
const absOp = unary('abs', 'abs(x)', 'dy * sign(x)');

// WGSL's pow() is left open for x < 0 and inexact elsewhere: whole exponents go by repeated squaring.
const power = `
fn power(x: f32, exponent: f32) -> f32 {
  if (exponent != round(exponent) || abs(exponent) > 1024.0) { return pow(x, exponent); }
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

/** Absolute value, element by element; the gradient at 0 is 0. */
export const abs = (x: Tensor): Tensor => absOp(x);

/**
 * `x^exponent`, element by element. Whole exponents take any x (and 0^0 = 1); others need x >= 0.
 * @throws ShapeError when the exponent is no finite number
 */
export function pow(x: Tensor, exponent: number): Tensor {
  if (!Number.isFinite(exponent)) throw new ShapeError('pow', 'a finite exponent', `${exponent}`);
  return powOp(x, { exponent });
}
