import { adamUpdates } from '../kernels/adam.ts';
import { sgdUpdates } from '../kernels/sgd.ts';
import { copy, type Place } from '../kernels/shared/copy.ts';
import { segmentSize, type Update } from '../kernels/shared/updates.ts';
import { gradients } from '../tensor/autograd.ts';
import { zeros } from '../tensor/create.ts';
import { keep, scope } from '../tensor/scope.ts';
import { type Shape, sizeOf } from '../tensor/shape.ts';
import { empty, hostTensor, type Tensor, tensor } from '../tensor/tensor.ts';
import type { Parameter } from './parameter.ts';

/** What an optimizer keeps for each element of a parameter, zeros at first: a segment of a tensor that parameters share. */
export class Slot {
  constructor(
    readonly shape: Shape,
    private readonly tensor: Tensor,
    private readonly offset: number,
  ) {}

  get size(): number {
    return sizeOf(this.shape);
  }

  private get place(): Place {
    return { tensor: this.tensor, base: this.offset, strides: [1] };
  }

  /** Reads the values. */
  async data(): Promise<Float32Array> {
    const own = scope(() => {
      const made = empty(this.shape);
      copy([this.size], this.place, { tensor: made, strides: [1] });
      return made;
    });
    const values = (await own.data()) as Float32Array;
    own.dispose();
    return values;
  }

  /** Replaces the values. @throws ShapeError unless there are as many. */
  set(values: Float32Array): void {
    scope(() => copy([this.size], { tensor: tensor(values, this.shape), strides: [1] }, this.place));
  }
}

/** Where a parameter's state lies: in these tensors by kind, from element `offset` on. */
interface Segment {
  readonly state: Readonly<Record<string, Tensor>>;
  readonly offset: number;
}

/** Changes weights by their gradients. Its state lives in GPU memory and in `iterations`. */
export abstract class Optimizer {
  /** Steps made so far. */
  iterations = 0;
  private readonly segments = new Map<Parameter, Segment>();

  /**
   * @param learningRate may be set between steps, also of a recorded step
   * @param kinds kinds of state
   */
  constructor(
    public learningRate: number,
    private readonly kinds: readonly string[],
  ) {}

  /**
   * Computes the gradients of `loss` and makes one step.
   * @param halt a u32 [1]: where it isn't 0, the weights stay as they are
   */
  minimize(loss: Tensor, parameters: readonly Parameter[], halt?: Tensor): void {
    const tensors = parameters.map((parameter) => parameter.tensor);
    const found = gradients(loss, tensors);
    this.apply(parameters, found, halt);
    for (const gradient of found) gradient.dispose();
  }

  /** Makes one step with the given gradients. */
  abstract apply(parameters: readonly Parameter[], gradients: readonly Tensor[], halt?: Tensor): void;

  /** The optimizer's state for these parameters, by name: `m of conv2d.kernel`. Part of a checkpoint. */
  state(parameters: readonly Parameter[]): Map<string, Slot> {
    this.allocate(parameters);
    return new Map(
      parameters.flatMap((parameter) => {
        const { name, shape } = parameter;
        const { state, offset } = this.segments.get(parameter)!;
        return this.kinds.map(
          (kind) => [`${kind} of ${name}`, new Slot(shape, state[kind], offset)] as const,
        );
      }),
    );
  }

  protected updates(parameters: readonly Parameter[], gradients: readonly Tensor[]): Update[] {
    this.allocate(parameters);
    return parameters.map((parameter, i) => ({
      parameter: parameter.tensor,
      gradient: gradients[i],
      ...this.segments.get(parameter)!,
    }));
  }

  /** Gives state to the parameters that have none, in as few tensors as buffers may be large. */
  private allocate(parameters: readonly Parameter[]): void {
    const open = parameters.filter((parameter) => !this.segments.has(parameter));
    if (open.length === 0) return;
    const { gpu } = open[0].tensor.storage;
    const most = gpu.limits.maxBufferSize / 4;
    for (let from = 0; from < open.length; ) {
      let [to, size] = [from, 0];
      while (to < open.length && (to === from || size + segmentSize(open[to].size) <= most))
        size += segmentSize(open[to++].size);
      const state = Object.fromEntries(
        this.kinds.map((kind) => [kind, gpu.unrecorded(() => keep(zeros([size])))]),
      );
      let offset = 0;
      for (const parameter of open.slice(from, to)) {
        this.segments.set(parameter, { state, offset });
        offset += segmentSize(parameter.size);
      }
      from = to;
    }
  }

  dispose(): void {
    const tensors = [...this.segments.values()].flatMap(({ state }) => Object.values(state));
    for (const tensor of new Set(tensors)) tensor.dispose();
    this.segments.clear();
  }
}

export interface AdamOptions {
  /** Default 1e-3. */
  learningRate?: number;
  /** Default 0.9. */
  beta1?: number;
  /** Default 0.999. */
  beta2?: number;
  /** Default 1e-7, as in Keras; added to the root of the uncorrected second moment. */
  epsilon?: number;
}

/** Adam (D. Kingma and J. Ba, 2015) in TensorFlow's form: step lr * sqrt(1 - beta2^t) / (1 - beta1^t) * m / (sqrt(v) + epsilon). */
export class Adam extends Optimizer {
  private readonly options: Required<Omit<AdamOptions, 'learningRate'>>;

  constructor({ learningRate = 1e-3, beta1 = 0.9, beta2 = 0.999, epsilon = 1e-7 }: AdamOptions = {}) {
    super(learningRate, ['m', 'v']);
    this.options = { beta1, beta2, epsilon };
  }

  apply(parameters: readonly Parameter[], gradients: readonly Tensor[], halt?: Tensor): void {
    const { beta1, beta2 } = this.options;
    const stepSize = hostTensor([1], 'f32', () => {
      const t = ++this.iterations;
      return Float32Array.of((this.learningRate * Math.sqrt(1 - beta2 ** t)) / (1 - beta1 ** t));
    });
    adamUpdates(this.updates(parameters, gradients), stepSize, this.options, halt);
    stepSize.dispose();
  }
}

export interface SgdOptions {
  /** Default 0.01. */
  learningRate?: number;
  /** Default 0. */
  momentum?: number;
  /** Default false. */
  nesterov?: boolean;
}

/** Stochastic gradient descent with momentum, in Keras' form: v = momentum * v - lr * g; w += v. */
export class SGD extends Optimizer {
  private readonly options: Required<Omit<SgdOptions, 'learningRate'>>;

  constructor({ learningRate = 0.01, momentum = 0, nesterov = false }: SgdOptions = {}) {
    super(learningRate, momentum > 0 ? ['velocity'] : []);
    this.options = { momentum, nesterov };
  }

  apply(parameters: readonly Parameter[], gradients: readonly Tensor[], halt?: Tensor): void {
    const learningRate = hostTensor([1], 'f32', () => {
      this.iterations++;
      return Float32Array.of(this.learningRate);
    });
    sgdUpdates(this.updates(parameters, gradients), learningRate, this.options, halt);
    learningRate.dispose();
  }
}
