import { keep } from './scope.ts';
import { empty, type Tensor, type TypedArray } from './tensor.ts';

/**
 * Reads tensors as they are at one moment, that of the call, whatever changes them while they are read: before it returns, all are copied
 * on the GPU, which takes their memory once more until they are read.
 */
export async function readAtOnce(tensors: readonly Tensor[]): Promise<TypedArray[]> {
  const copies: Tensor[] = [];
  try {
    for (const tensor of tensors) copies.push(copied(tensor));
    const values: TypedArray[] = [];
    for (const copy of copies) {
      values.push(await copy.data());
      copy.dispose();
    }
    return values;
  } finally {
    for (const copy of copies) copy.dispose();
  }
}

function copied({ shape, dtype, size, storage: { gpu, buffer } }: Tensor): Tensor {
  return gpu.unrecorded(() => {
    const copy = keep(empty(shape, dtype, gpu));
    gpu.copy(buffer, copy.storage.buffer, size * 4);
    return copy;
  });
}
