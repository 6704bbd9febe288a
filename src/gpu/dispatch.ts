import { GpuError } from '../errors.ts';

/** The limits that a dispatch must keep to. */
export interface DispatchLimits {
  readonly maxComputeWorkgroupsPerDimension: number;
  readonly maxStorageBufferBindingSize: number;
  readonly maxUniformBufferBindingSize: number;
  readonly minStorageBufferOffsetAlignment: number;
}

/** One binding: the bytes it covers from `offset`, and how many of them belong to one item (0: every item needs the whole). */
export interface Operand {
  readonly name: string;
  readonly uniform: boolean;
  readonly offset: number;
  readonly bytes: number;
  readonly bytesPerItem: number;
}

/** One dispatch of a launch: its items, its grid, and the byte range that each operand binds. */
export interface Chunk {
  readonly first: number;
  readonly items: number;
  readonly workgroups: number;
  readonly grid: readonly [x: number, y: number];
  readonly ranges: readonly { readonly offset: number; readonly size: number }[];
}

const gcd = (a: number, b: number): number => (b === 0 ? a : gcd(b, a % b));
const lcm = (a: number, b: number): number => (a / gcd(a, b)) * b;

/**
 * Splits a launch over `items` into dispatches whose bindings fit the limits, and folds each grid into two dimensions. A split
 * changes dispatches only: what an item computes doesn't depend on the chunk it falls into.
 * @throws GpuError naming kernel, limit and size where no split helps.
 */
export function planDispatches(
  kernelName: string,
  operands: readonly Operand[],
  items: number,
  workgroupsOf: (items: number) => number,
  limits: DispatchLimits,
): Chunk[] {
  if (items === 0) return [];
  let perChunk = items;
  let alignment = 1;
  for (const operand of operands) {
    const limit = operand.uniform ? limits.maxUniformBufferBindingSize : limits.maxStorageBufferBindingSize;
    const limitName = operand.uniform ? 'maxUniformBufferBindingSize' : 'maxStorageBufferBindingSize';
    if (operand.bytesPerItem === 0) {
      if (operand.bytes > limit)
        throw new GpuError(
          `kernel ${kernelName}: '${operand.name}' needs ${operand.bytes} bytes in one binding, ${limitName} is ${limit}`,
        );
      continue;
    }
    const step = limits.minStorageBufferOffsetAlignment;
    alignment = lcm(alignment, step / gcd(step, operand.bytesPerItem));
    if (operand.bytes > limit) perChunk = Math.min(perChunk, Math.floor(limit / operand.bytesPerItem));
  }
  if (perChunk < items) {
    perChunk -= perChunk % alignment;
    if (perChunk === 0) {
      const largest = operands.reduce((a, b) => (b.bytesPerItem > a.bytesPerItem ? b : a));
      throw new GpuError(
        `kernel ${kernelName}: ${alignment} items of '${largest.name}' take ${alignment * largest.bytesPerItem} bytes, maxStorageBufferBindingSize is ${limits.maxStorageBufferBindingSize}`,
      );
    }
  }
  const chunks: Chunk[] = [];
  for (let first = 0; first < items; first += perChunk) {
    const count = Math.min(perChunk, items - first);
    const workgroups = workgroupsOf(count);
    const ranges = operands.map(({ offset, bytes, bytesPerItem }) => {
      if (bytesPerItem === 0) return { offset, size: bytes };
      const start = first * bytesPerItem;
      // The last item may cover less than its share (a block of rows past the end of a tensor).
      return { offset: offset + start, size: Math.min(count * bytesPerItem, bytes - start) };
    });
    chunks.push({
      first,
      items: count,
      workgroups,
      grid: foldGrid(kernelName, workgroups, limits.maxComputeWorkgroupsPerDimension),
      ranges,
    });
  }
  return chunks;
}

/** Lays a linear number of workgroups out in two dimensions; the excess returns at once (see `kernel()`). */
function foldGrid(kernelName: string, workgroups: number, limit: number): [number, number] {
  if (workgroups <= limit) return [workgroups, 1];
  const rows = Math.ceil(workgroups / limit);
  if (rows > limit)
    throw new GpuError(
      `kernel ${kernelName}: ${workgroups} workgroups, maxComputeWorkgroupsPerDimension is ${limit} in each of two dimensions`,
    );
  return [Math.ceil(workgroups / rows), rows];
}
