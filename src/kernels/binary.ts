import { showValue } from '../checks.ts';
import { ShapeError } from '../errors.ts';
import { defineOp } from '../tensor/autograd.ts';
import { broadcastShapes } from '../tensor/shape.ts';
import { empty, Tensor } from '../tensor/tensor.ts';
import { elementwise, mentions } from './shared/elementwise.ts';
import { expectTensor } from './shared/expectTensor.ts';
import { nanWgsl } from './shared/nan.ts';
import { sumTo } from './shared/reduceAxes.ts';

/*
 * y = f(a, b) element by element, with NumPy's broadcasting: axes are aligned at the right, an extent of 1 repeats.
 * da = sum of dy * df/da over the axes along which a was repeated; db likewise.
 */

type Side = 'a' | 'b';

/** The operand that is a plain number, if one is. */
type Numbers = Readonly<Partial<Record<Side, number>>>;

/** Makes the op from WGSL: f of a and b, and for each operand dy * df as an expression of dy, a and b. */
function binary(
  name: string,
  value: string,
  gradients: Readonly<Record<Side, string>>,
  declarations = '',
): (a: Tensor | number, b: Tensor | number) => Tensor {
  const sidesOf = (numbers: Numbers) => (['a', 'b'] as const).filter((side) => numbers[side] === undefined);
  /** Operands that the gradients in need read. */
  const savedSides = (numbers: Numbers, needs: readonly boolean[]) => {
    const sides = sidesOf(numbers);
    return sides.filter((side) => sides.some((other, i) => needs[i] && mentions(gradients[other], side)));
  };
  const op = defineOp<Numbers>({
    name,
    shape: ([a, b]) => (b ? broadcastShapes(name, a, b) : a),
    forward({ inputs, attrs, output, needs, save }) {
      const tensors = Object.fromEntries(sidesOf(attrs).map((side, i) => [side, inputs[i]]));
      elementwise(name, value, { ...attrs, ...tensors }, output, declarations);
      save(...savedSides(attrs, needs).map((side) => tensors[side]));
    },
    backward({ gradient: dy, saved, attrs, inputShapes, needs }) {
      const tensors = Object.fromEntries(savedSides(attrs, needs).map((side, i) => [side, saved[i]]));
      return sidesOf(attrs).map((side, i) => {
        if (!needs[i]) return null;
        if (gradients[side] === 'dy') return sumTo(dy, inputShapes[i]);
        const whole = empty(dy.shape);
        elementwise(`${name}-gradient`, gradients[side], { ...attrs, ...tensors, dy }, whole, declarations);
        return sumTo(whole, inputShapes[i]);
      });
    },
  });
  return (a, b) => {
    const tensors: Tensor[] = [];
    const numbers: Partial<Record<Side, number>> = {};
    for (const [side, operand] of Object.entries({ a, b }) as [Side, Tensor | number][]) {
      if (operand instanceof Tensor) {
        expectTensor(name, side, operand, 'f32');
        tensors.push(operand);
      } else if (typeof operand === 'number') numbers[side] = operand;
      else throw new ShapeError(name, `a tensor or a number for ${side}`, showValue(operand));
    }
    if (tensors.length === 0) throw new ShapeError(name, 'at least one tensor', 'two numbers');
    return op(tensors, numbers);
  };
}

/** `a + b`, element by element; shapes broadcast as in NumPy, and one operand may be a number. @throws ShapeError */
export const add = binary('add', 'a + b', { a: 'dy', b: 'dy' });

/** `a - b`, element by element; shapes broadcast as in NumPy, and one operand may be a number. @throws ShapeError */
export const sub = binary('sub', 'a - b', { a: 'dy', b: '-dy' });

/** `a * b`, element by element; shapes broadcast as in NumPy, and one operand may be a number. @throws ShapeError */
export const mul = binary('mul', 'a * b', { a: 'dy * b', b: 'dy * a' });

/** `a / b`, element by element; shapes broadcast as in NumPy, and one operand may be a number. @throws ShapeError */
export const div = binary('div', 'a / b', { a: 'dy / b', b: '-dy * a / (b * b)' });

/**
 * The larger of a and b, element by element, NaN where one of them is; shapes broadcast as in NumPy, and one operand may be a number.
 * Where both are equal, or both NaN, a takes the gradient.
 * @throws ShapeError
 */
export const maximum = binary(
  'maximum',
  'select(select(max(a, b), b, isNan(b)), a, isNan(a))',
  { a: 'select(dy, 0.0, beats(b, a))', b: 'select(0.0, dy, beats(b, a))' },
  nanWgsl('f32'),
);
