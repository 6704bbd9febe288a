import { type ElementType, kernelFamily, type UniformType } from '../../gpu/kernel.ts';
import { stridesOf } from '../../tensor/shape.ts';
import { Tensor } from '../../tensor/tensor.ts';
import { broadcastStrides, launchWalk, makeWalk, walkUniforms, walkWgsl } from './walk.ts';

/*
 * y[i] = expression(operands at i), with every operand broadcast to y's shape
 */

interface FamilyOptions {
  readonly name: string;
  readonly expression: string;
  readonly declarations: string;
  readonly tensors: Readonly<Record<string, ElementType>>;
  readonly numbers: readonly string[];
  readonly result: ElementType;
  readonly rank: number;
}

const family = kernelFamily(
  ({ name, expression, declarations, tensors, numbers, result, rank }: FamilyOptions) => {
    const operands = Object.keys(tensors);
    const walked = [...operands, 'result'];
    return {
      name,
      lanes: 64,
      read: Object.fromEntries(operands.map((operand) => [buffer(operand), tensors[operand]])),
      write: { [buffer('result')]: result },
      uniforms: {
        ...walkUniforms(rank, walked.map(buffer)),
        ...Object.fromEntries(numbers.map((number) => [number, 'f32' as UniformType])),
      },
      declarations,
      body: `${walkWgsl(rank, walked.map(buffer))}
  ${operands.map((operand) => `let ${operand} = ${buffer(operand)}[${buffer(operand)}At];`).join('\n  ')}
  ${numbers.map((number) => `let ${number} = u.${number};`).join('\n  ')}
  ${buffer('result')}[${buffer('result')}At] = ${expression};`,
    };
  },
);

/** The binding that holds an operand's elements; the operand's own name is the element in the expression. */
const buffer = (operand: string): string => `${operand}Elements`;

/** Whether a WGSL expression reads an operand. */
export const mentions = (expression: string, operand: string): boolean =>
  new RegExp(`\\b${operand}\\b`).test(expression);

/**
 * Writes a WGSL expression of the operands into `y`, element by element.
 *
 * @param expression names its operands, and may use `at`, the place of the element in y
 * @param operands tensors that broadcast to y's shape, and plain numbers; those the expression doesn't mention are left out
 * @param declarations WGSL functions that the expression calls
 */
export function elementwise(
  name: string,
  expression: string,
  operands: Readonly<Record<string, Tensor | number>>,
  y: Tensor,
  declarations = '',
): void {
  const tensors: Record<string, Tensor> = {};
  const numbers: Record<string, number> = {};
  for (const [operand, value] of Object.entries(operands)) {
    if (!mentions(expression, operand)) continue;
    if (value instanceof Tensor) tensors[operand] = value;
    else numbers[operand] = value;
  }
  const strides = Object.fromEntries(
    Object.entries(tensors).map(([operand, { shape }]) => [
      buffer(operand),
      broadcastStrides(shape, y.shape),
    ]),
  );
  const walk = makeWalk(y.shape, { ...strides, [buffer('result')]: stridesOf(y.shape) });
  const kernel = family({
    name,
    expression,
    declarations,
    tensors: Object.fromEntries(Object.entries(tensors).map(([operand, { dtype }]) => [operand, dtype])),
    numbers: Object.keys(numbers),
    result: y.dtype,
    rank: walk.shape.length,
  });
  const bound = Object.fromEntries(
    Object.entries(tensors).map(([operand, tensor]) => [buffer(operand), { tensor }]),
  );
  launchWalk(kernel, walk, { ...bound, [buffer('result')]: { tensor: y } }, numbers);
}
