import { type DType, expectIsTensor, type Tensor } from '../../tensor/tensor.ts';

/**
 * One op for each dtype: for ops that move elements, whatever they are.
 * @returns the op for the dtype of a tensor, which is `name` in the error where it is none
 */
export function forEachDtype<T>(make: (dtype: DType) => T): (op: string, name: string, x: Tensor) => T {
  const ops = { f32: make('f32'), i32: make('i32'), u32: make('u32') };
  return (op, name, x) => {
    expectIsTensor(op, name, x);
    return ops[x.dtype];
  };
}
