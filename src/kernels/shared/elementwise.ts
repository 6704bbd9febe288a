import { type ElementType, kernelFamily, type UniformType } from '../../gpu/kernel.ts';
import { stridesOf } from '../../tensor/shape.ts';
import { type DType, Tensor } from '../../tensor/tensor.ts';
import { BLOCK, broadcastStrides, inBlocks, launchWalk, makeWalk, walkUniforms, walkWgsl } from './walk.ts';

/*
 * y[i] = expression(operands at i), with every operand broadcast to y's shape: by blocks of four elements where the shapes allow it.
 */

interface Operand {
  readonly dtype: DType;
  /** The binding counts blocks; else it counts elements, of which a walk in blocks takes one for all four. */
  readonly inBlocks: boolean;
}

interface FamilyOptions {
  readonly name: string;
  readonly expression: string;
  readonly declarations: string;
  readonly tensors: Readonly<Record<string, Operand>>;
  readonly numbers: readonly string[];
  readonly result: Operand;
  readonly rank: number;
}

const vectorOf = { f32: 'vec4f', i32: 'vec4i', u32: 'vec4u' } as const;
const elementOf = ({ dtype, inBlocks }: Operand): ElementType => (inBlocks ? vectorOf[dtype] : dtype);

const family = kernelFamily(
  ({ name, expression, declarations, tensors, numbers, result, rank }: FamilyOptions) => {
    const operands = Object.entries(tensors);
    const walked = [...Object.keys(tensors), 'result'].map(buffer);
    const parameters = [
      ...operands.map(([operand, { dtype }]) => `${operand}: ${dtype}`),
      ...numbers.map((number) => `${number}: f32`),
      'at: u32',
    ];
    /** The value of element k of a block. */
    const elementAt = (k: number) => {
      const given = [
        ...operands.map(([operand, { inBlocks }]) => (inBlocks ? `${operand}[${k}]` : operand)),
        ...numbers.map((number) => `u.${number}`),
        result.inBlocks ? `${BLOCK}u * at + ${k}u` : 'at',
      ];
      return `value(${given.join(', ')})`;
    };
    const values = Array.from({ length: result.inBlocks ? BLOCK : 1 }, (_, k) => elementAt(k)).join(', ');
    return {
      name,
      read: Object.fromEntries(operands.map(([operand, of]) => [buffer(operand), elementOf(of)])),
      write: { [buffer('result')]: elementOf(result) },
      uniforms: {
        ...walkUniforms(rank, walked),
        ...Object.fromEntries(numbers.map((number) => [number, 'f32' as UniformType])),
      },
      declarations: `${declarations}
fn value(${parameters.join(', ')}) -> ${result.dtype} { return ${expression}; }`,
      ...walkWgsl(
        rank,
        walked,
        `${operands.map(([operand]) => `let ${operand} = ${buffer(operand)}[${buffer(operand)}At];`).join('\n  ')}
  ${buffer('result')}[${buffer('result')}At] = ${elementOf(result)}(${values});`,
      ),
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
  const elements = makeWalk(y.shape, { ...strides, [buffer('result')]: stridesOf(y.shape) });
  const blocks = inBlocks(elements);
  const walk = blocks ?? elements;
  const operandOf = (operand: string, { dtype }: Tensor): Operand => ({
    dtype,
    inBlocks: blocks?.strides[buffer(operand)].at(-1) === BLOCK,
  });
  const kinds = Object.fromEntries(
    Object.entries(tensors).map(([operand, tensor]) => [operand, operandOf(operand, tensor)]),
  );
  const result = operandOf('result', y);
  const kernel = family({
    name,
    expression,
    declarations,
    tensors: kinds,
    numbers: Object.keys(numbers),
    result,
    rank: walk.shape.length,
  });
  const widthOf = ({ inBlocks }: Operand) => (inBlocks ? BLOCK : 1);
  const bound = Object.fromEntries(
    Object.entries(tensors).map(([operand, tensor]) => [
      buffer(operand),
      { tensor, width: widthOf(kinds[operand]) },
    ]),
  );
  launchWalk(kernel, walk, { ...bound, [buffer('result')]: { tensor: y, width: widthOf(result) } }, numbers);
}
