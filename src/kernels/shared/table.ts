import { GpuError } from '../../errors.ts';
import type { Gpu } from '../../gpu/gpu.ts';
import { type Part, range } from '../../tensor/launch.ts';
import type { Tensor } from '../../tensor/tensor.ts';

/*
 * A table of rows that kernels look up by index. It lies in one tensor or, past the largest buffer, in several, each of whole rows, and is
 * bound in parts: every part's launch serves the indices that fall into it.
 */

/** Rows of a table that one binding holds. */
export interface TablePart {
  readonly part: Part;
  /** Which row of the table is its first. */
  readonly first: number;
  readonly rows: number;
  /** Bytes of the binding before the first row: bindings begin at multiples of 256. */
  readonly skip: number;
}

const ALIGNMENT = 256;

/** Rows of `rowBytes` bytes that lie in one binding, wherever the first begins. */
const rowsOfBinding = (rowBytes: number, { limits }: Gpu): number =>
  Math.floor((limits.maxStorageBufferBindingSize - ALIGNMENT) / rowBytes);

/** The parts in which a table of rows of `rowBytes` bytes is bound, in order. */
export function tableParts(tensors: readonly Tensor[], rowBytes: number): TablePart[] {
  const parts: TablePart[] = [];
  let first = 0;
  for (const tensor of tensors) {
    const rows = Math.floor((4 * tensor.size) / rowBytes);
    const most = Math.max(1, rowsOfBinding(rowBytes, tensor.storage.gpu));
    for (let from = 0; from < rows; from += most) {
      const count = Math.min(most, rows - from);
      const skip = (from * rowBytes) % ALIGNMENT;
      const begin = (from * rowBytes - skip) / 4;
      const part = range(tensor, begin, Math.ceil((skip + count * rowBytes) / 4));
      parts.push({ part, first: first + from, rows: count, skip });
    }
    first += rows;
  }
  return parts;
}

/**
 * Makes a table of `count` rows of `rowBytes` bytes in as few tensors as buffers may be large.
 * @param make makes the tensor of rows `from` up to, not with, `to`
 * @throws GpuError where not one row can be bound
 */
export function makeTable(
  op: string,
  gpu: Gpu,
  count: number,
  rowBytes: number,
  make: (from: number, to: number) => Tensor,
): Tensor[] {
  if (rowsOfBinding(rowBytes, gpu) < 1)
    throw new GpuError(
      `${op}: a sample takes ${rowBytes} bytes, and this adapter binds ${gpu.limits.maxStorageBufferBindingSize} at a time (maxStorageBufferBindingSize): smaller samples are needed`,
    );
  // A multiple of 4, so that a tensor of bytes ends with a word.
  const most = Math.max(1, Math.floor(gpu.limits.maxBufferSize / rowBytes / 4) * 4);
  return Array.from({ length: Math.ceil(count / most) }, (_, i) =>
    make(i * most, Math.min((i + 1) * most, count)),
  );
}
