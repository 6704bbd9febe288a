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

/**
 * An error of the GPU: a kernel that doesn't compile, memory that there isn't, a lost device. It fails those that need what failed;
 * only a lost or closed device fails everything.
 */
export class GpuError extends WeftError {
  override name = 'GpuError';
  readonly #wgsl: string | undefined;

  constructor(message: string, { wgsl, ...options }: ErrorOptions & { wgsl?: string } = {}) {
    super(message, options);
    this.#wgsl = wgsl;
  }

  /** Of a kernel that doesn't compile: the whole WGSL, its lines numbered. Not part of what a console prints. */
  get wgsl(): string | undefined {
    return this.#wgsl;
  }
}
