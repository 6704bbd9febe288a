/** Base of every error that Weft throws on purpose: its message names what was wrong and, where it can, what to do. */
export class WeftError extends Error {
  override name = 'WeftError';
}

/** Shapes, dtypes or options that an operation can't work with; names the operation, what it expected and what it got. */
export class ShapeError extends WeftError {
  override name = 'ShapeError';
  constructor(op: string, expected: string, got: string) {
    super(`${op}: expected ${expected}, got ${got}`);
  }
}

/** An error reported by the GPU: a shader that doesn't compile, a dispatch that fails validation, a lost device. */
export class GpuError extends WeftError {
  override name = 'GpuError';
}
