import { checkOneOf, showValue } from '../checks.ts';
import { ShapeError, WeftError } from '../errors.ts';
import type { Gpu } from '../gpu/gpu.ts';
import { BufferView, type GpuBuffer, PoolBuffer } from '../gpu/pool.ts';
import { explaining } from '../otherNames.ts';
import type { TapeNode } from './autograd.ts';
import { currentGpu } from './device.ts';
import { elementsOf, expectCount, expectUnchanged, type Nested } from './elements.ts';
import { adopt } from './scope.ts';
import { checkShape, type Shape, showShape, sizeOf } from './shape.ts';

/** What a tensor's elements are: 32 bits each. */
export type DType = 'f32' | 'i32' | 'u32';
/** A tensor's elements on the CPU. */
export type TypedArray = Float32Array | Int32Array | Uint32Array;

export const arrayOf = { f32: Float32Array, i32: Int32Array, u32: Uint32Array } as const;

const dtypes = Object.keys(arrayOf) as DType[];

/**
 * Numbers as elements of a dtype; those that are so already, as they are.
 * @throws ShapeError for a number that an integer dtype can't hold; WeftError for a dtype that there isn't
 */
export function asDType(op: string, values: ArrayLike<number>, dtype: DType): TypedArray {
  checkOneOf(op, 'dtype', dtype, dtypes);
  if (values instanceof arrayOf[dtype]) return values;
  const written = arrayOf[dtype].from(values);
  if (dtype !== 'f32') expectUnchanged(op, dtype, values, written);
  return written;
}

/** Elements from one place where a view can begin to the next: 256 bytes. */
export const VIEW_STEP = 64;

/** GPU memory shared by the tensors that look at it; it goes back to its pool when the last one lets go. */
export class Storage {
  private holders = 0;
  constructor(
    readonly gpu: Gpu,
    readonly buffer: GpuBuffer,
  ) {}

  hold(): this {
    this.holders++;
    return this;
  }

  letGo(): void {
    if (--this.holders === 0) this.buffer.release();
  }

  /** A part of this memory, which is kept while the part is held. Offset (a multiple of 256) and length in bytes. */
  part(offset: number, bytes: number): Storage {
    this.hold();
    return new Storage(this.gpu, new BufferView(this.buffer, offset, bytes, () => this.letGo()));
  }
}

const LATER = 'the GPU answers later, write await x.data(), which is flat and row-major';

const otherNames = () => ({
  dataSync: LATER,
  arraySync: LATER,
  array: LATER,
  backward: 'write gradients(loss, [w]), or optimizer.minimize(loss, model.trainableParameters)',
  ...Object.fromEntries(
    ['add', 'sub', 'mul', 'div', 'matMul', 'relu', 'sum', 'mean', 'reshape'].map((name) => [
      name,
      `ops are functions, write ${name.toLowerCase()}(x, …)`,
    ]),
  ),
});

/**
 * An array of numbers in GPU memory: row-major, images as NHWC. Made by ops and by `tensor`, `zeros`, `full`; freed by the scope
 * that it was made in, or by `dispose()`.
 */
export class Tensor extends /* @__PURE__ */ explaining('Tensor', otherNames) {
  /** Whether gradients flow to this tensor: set on trainable weights. */
  requiresGrad = false;
  /** @internal The op that made this tensor, while its backward pass can still run. */
  node: TapeNode | undefined;
  /** @internal The partial moments of the channels, where the kernel that wrote this tensor gathered them. Freed with this handle. */
  moments: Tensor | undefined;
  private held: Storage | undefined;

  /** @internal `tensor`, `zeros` and ops make tensors. */
  constructor(
    readonly shape: Shape,
    readonly dtype: DType,
    storage: Storage,
  ) {
    super();
    this.held = storage.hold();
  }

  /** Number of elements. */
  get size(): number {
    return sizeOf(this.shape);
  }

  /** Number of axes. */
  get rank(): number {
    return this.shape.length;
  }

  /** Whether the tensor was freed. */
  get disposed(): boolean {
    return this.held === undefined;
  }

  /** @internal @throws WeftError when this tensor was disposed. */
  get storage(): Storage {
    if (!this.held)
      throw new WeftError(
        `a tensor of shape ${showShape(this.shape)} was used after it was disposed (by dispose() or the end of its scope; keep() takes a tensor out of its scope)`,
      );
    return this.held;
  }

  /**
   * Reads the elements, row-major, once everything issued so far has run.
   * @throws GpuError where something failed that they depend on: a kernel that doesn't compile, memory that there isn't
   */
  async data(): Promise<TypedArray> {
    const { gpu, buffer } = this.storage;
    const what = `reading a tensor of shape ${showShape(this.shape)}`;
    return new arrayOf[this.dtype](await gpu.read(buffer, this.size * 4, what));
  }

  /** Reads the single element. @throws ShapeError when there are several. */
  async item(): Promise<number> {
    if (this.size !== 1) throw new ShapeError('item', 'a tensor of one element', showShape(this.shape));
    return (await this.data())[0];
  }

  /** @internal Names what is in its memory, for messages. */
  called(name: string): this {
    const { buffer } = this.storage;
    if (buffer instanceof PoolBuffer) buffer.contents = { name, shape: this.shape };
    return this;
  }

  /** Frees this tensor; the memory itself goes when nothing else (a view, the tape) needs it. */
  dispose(): void {
    this.held?.letGo();
    this.held = undefined;
    this.node?.release();
    this.node = undefined;
    this.moments?.dispose();
    this.moments = undefined;
  }

  /**
   * Another handle on the same elements, with the same or another shape of as many elements; off the tape.
   * @throws ShapeError for a shape of more or fewer
   */
  alias(shape: Shape = this.shape, dtype: DType = this.dtype): Tensor {
    if (shape !== this.shape) expectCount('alias', shape, this.size);
    return new Tensor(shape, dtype, this.storage);
  }

  /**
   * A tensor over a part of this one's elements, in the same memory; off the tape.
   * @param offset index of its first element, a multiple of 64 (memory is bound at multiples of 256 bytes)
   * @throws ShapeError where the part doesn't lie within this tensor or begins elsewhere
   */
  view(offset: number, shape: Shape): Tensor {
    checkShape('view', shape);
    const size = sizeOf(shape);
    if (!Number.isInteger(offset / VIEW_STEP) || offset < 0 || offset + size > this.size)
      throw new ShapeError(
        'view',
        `an offset that is a multiple of ${VIEW_STEP}, and an end within ${this.size} elements`,
        `offset ${offset} and ${size} elements`,
      );
    return new Tensor([...shape], this.dtype, this.storage.part(offset * 4, size * 4));
  }
}

/**
 * The one place that refuses what isn't a tensor where an op, a model or a recorded step takes one.
 * @param name the operand's
 * @throws ShapeError
 */
export function expectIsTensor(op: string, name: string, value: unknown): asserts value is Tensor {
  if (!(value instanceof Tensor)) throw new ShapeError(op, `a tensor for ${name}`, showValue(value));
}

/** A tensor whose elements are yet to be written by a kernel. @throws ShapeError; WeftError for a dtype that there isn't */
export function empty(shape: Shape, dtype: DType = 'f32', gpu: Gpu = currentGpu()): Tensor {
  checkShape('empty', shape);
  checkOneOf('empty', 'dtype', dtype, dtypes);
  const memory = gpu.activeRecording ?? gpu.pool;
  return adopt(new Tensor([...shape], dtype, new Storage(gpu, memory.acquire(sizeOf(shape) * 4, { shape }))));
}

/**
 * A tensor with the given elements: nested arrays, or a flat (typed) array with a shape.
 *
 * @param values of any kind of typed array but bigints; of nested arrays the innermost may be typed
 * @param dtype default: that of an Int32Array or Uint32Array, else f32
 * @throws ShapeError when nested arrays are ragged or hold anything but numbers, the shape holds another number of elements, or an integer
 * dtype can't hold one of them; WeftError for a dtype that there isn't
 * @example
 * ```ts
 * import { tensor } from 'weft-gpu';
 *
 * const matrix = tensor([[1, 2], [3, 4]]);
 * console.log(matrix.shape, matrix.dtype, await matrix.data()); // [ 2, 2 ] f32 Float32Array(4) [ 1, 2, 3, 4 ]
 * const labels = tensor(Int32Array.of(3, 1)); // i32 [2]
 * const image = tensor(new Float32Array(28 * 28), [1, 28, 28, 1]);
 * for (const used of [matrix, labels, image]) used.dispose();
 * ```
 */
export function tensor(
  values: Nested | TypedArray | ArrayLike<number>,
  shape?: Shape,
  dtype: DType = values instanceof Int32Array ? 'i32' : values instanceof Uint32Array ? 'u32' : 'f32',
): Tensor {
  const given = elementsOf('tensor', values);
  const finalShape = shape ?? given.shape;
  checkShape('tensor', finalShape);
  expectCount('tensor', finalShape, given.values.length);
  const elements = asDType('tensor', given.values, dtype);
  return hostTensor(finalShape, dtype, () => elements, true);
}

/**
 * A tensor that the CPU provides. Inside `record(fn)` it is produced again before each replay: that is how the learning rate, a
 * random counter or the indices of a batch change from step to step.
 * @param constant produced once, also when recorded
 * @throws ShapeError where `produce` gives another kind of array than `dtype` asks for, or another number of elements: from this call,
 * or from that of the recorded step, which can be called again
 * @example
 * ```ts
 * import { hostTensor, mul, record, tensor } from 'weft-gpu';
 *
 * let rate = 1;
 * const scaled = record((x) => mul(x, hostTensor([1], 'f32', () => Float32Array.of(rate))));
 * const x = tensor([2, 4]);
 * console.log(await (await scaled(x)).data()); // Float32Array [2, 4]
 * rate = 0.5;
 * console.log(await (await scaled(x)).data()); // Float32Array [1, 2]
 * ```
 */
export function hostTensor(shape: Shape, dtype: DType, produce: () => TypedArray, constant = false): Tensor {
  checkShape('hostTensor', shape);
  checkOneOf('hostTensor', 'dtype', dtype, dtypes);
  const gpu = currentGpu();
  const recording = gpu.activeRecording;
  const size = sizeOf(shape);
  const produced = () => checkValues(produce(), size, shape, dtype);
  const isRepeated = recording !== undefined && !constant;
  const values = isRepeated ? undefined : produced();
  const buffer = gpu.pool.acquire(size * 4, { shape });
  recording?.keep(buffer);
  if (isRepeated) recording.hostInputs.push({ buffer, produce: produced });
  else gpu.write(buffer, values!);
  return adopt(new Tensor([...shape], dtype, new Storage(gpu, buffer)));
}

/** @throws ShapeError unless a host tensor's values are as many as it has elements, of its type. */
function checkValues(values: TypedArray, size: number, shape: Shape, dtype: DType): TypedArray {
  const { name } = arrayOf[dtype];
  const kind = ArrayBuffer.isView(values) ? values[Symbol.toStringTag] : typeof values;
  if (kind === name && values.length === size) return values;
  throw new ShapeError(
    'hostTensor',
    `a ${name} of ${size} elements for shape ${showShape(shape)}`,
    ArrayBuffer.isView(values)
      ? `a ${kind} of ${values.length}`
      : kind === 'object'
        ? 'something else'
        : kind,
  );
}
