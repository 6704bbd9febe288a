import { checkOptions } from '../checks.ts';
import { checkShape, type Shape } from '../tensor/shape.ts';
import type { Layer } from './layer.ts';

/** A layer put on inputs. */
export interface Application {
  readonly layer: Layer;
  readonly inputs: readonly SymbolicTensor[];
}

let made = 0;

/** A value in a functional model before the model runs: a shape, and where it comes from. */
export class SymbolicTensor {
  /** Made after all values that it depends on. */
  readonly order = made++;

  constructor(
    /** Without the batch. */
    readonly shape: Shape,
    /** Undefined for a model's input. */
    readonly from: Application | undefined,
    /** An input's name in errors and files. */
    readonly name?: string,
  ) {}
}

/**
 * An input of a functional model.
 * @param options shape of one sample, without the batch; the name that errors and files call the input by
 * @throws ShapeError where that is no shape
 * @example
 * ```ts
 * import { input, layers } from 'weft-gpu';
 *
 * const image = input({ shape: [28, 28, 1], name: 'image' });
 * console.log(layers.conv2d({ filters: 8 }).apply(image).shape); // [ 26, 26, 8 ]
 * ```
 */
export function input(options: { shape: Shape; name?: string }): SymbolicTensor {
  const { shape, name } = checkOptions('input', options, '{ shape: [28, 28, 1] }');
  checkInputShape('input', 'shape', shape);
  return new SymbolicTensor([...shape], undefined, name);
}

/** @throws ShapeError unless it is the shape of one sample */
export const checkInputShape = (owner: string, name: string, shape: Shape): void =>
  checkShape(`${owner}: ${name}, without the batch`, shape);
