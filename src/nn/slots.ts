import { copy, type Place } from '../kernels/shared/copy.ts';
import { segmentSize } from '../kernels/shared/updates.ts';
import { scope } from '../tensor/scope.ts';
import { type Shape, sizeOf } from '../tensor/shape.ts';
import { type Tensor, tensor } from '../tensor/tensor.ts';
import type { Parameter } from './parameter.ts';

/** What is kept for each element of a parameter (an optimizer's moments, an average): a segment of a tensor that parameters share. */
export class Slot {
  constructor(
    readonly shape: Shape,
    private readonly tensor: Tensor,
    private readonly offset: number,
  ) {}

  /** Number of values. */
  get size(): number {
    return sizeOf(this.shape);
  }

  private get place(): Place {
    return { tensor: this.tensor, base: this.offset, strides: [1] };
  }

  /** @internal The values where they are, the caller's to dispose of. */
  view(): Tensor {
    return this.tensor.view(this.offset, this.shape);
  }

  /** Reads the values. */
  async data(): Promise<Float32Array> {
    const view = this.view();
    try {
      return (await view.data()) as Float32Array;
    } finally {
      view.dispose();
    }
  }

  /** Replaces the values. @throws ShapeError unless there are as many. */
  set(values: Float32Array): void {
    scope(() => copy([this.size], { tensor: tensor(values, this.shape), strides: [1] }, this.place));
  }
}

/** Where a parameter's state lies: in these tensors by kind, from element `offset` on. */
export interface Segment {
  readonly state: Readonly<Record<string, Tensor>>;
  readonly offset: number;
}

/**
 * Lays the state of parameters out in segments, in as few tensors as buffers may be large.
 * @param make makes a tensor of so many elements
 */
export function layOut(
  parameters: readonly Parameter[],
  kinds: readonly string[],
  make: (size: number) => Tensor,
): Map<Parameter, Segment> {
  const segments = new Map<Parameter, Segment>();
  if (parameters.length === 0) return segments;
  const most = parameters[0].tensor.storage.gpu.limits.maxBufferSize / 4;
  for (let from = 0; from < parameters.length; ) {
    let [to, size] = [from, 0];
    while (to < parameters.length && (to === from || size + segmentSize(parameters[to].size) <= most))
      size += segmentSize(parameters[to++].size);
    const state = Object.fromEntries(kinds.map((kind) => [kind, make(size)]));
    let offset = 0;
    for (const parameter of parameters.slice(from, to)) {
      segments.set(parameter, { state, offset });
      offset += segmentSize(parameter.size);
    }
    from = to;
  }
  return segments;
}
