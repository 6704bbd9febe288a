import type { DType } from '../../tensor/tensor.ts';

/** One op for each dtype: for ops that move elements, whatever they are. */
export const forEachDtype = <T>(make: (dtype: DType) => T): Readonly<Record<DType, T>> => ({
  f32: make('f32'),
  i32: make('i32'),
  u32: make('u32'),
});
