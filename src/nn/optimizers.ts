import { adamUpdate } from '../kernels/adam.ts';
import { sgdUpdate } from '../kernels/sgd.ts';
import { gradients } from '../tensor/autograd.ts';
import { zeros } from '../tensor/create.ts';
import { keep } from '../tensor/scope.ts';
import { hostTensor, type Tensor } from '../tensor/tensor.ts';
import type { Parameter } from './parameter.ts';

/** Changes weights by their gradients. Its state lives in GPU memory and in `iterations`. */
export abstract class Optimizer {
  /** Steps made so far. */
  iterations = 0;
  private readonly slots = new Map<string, Tensor>();

  /** @param learningRate may be set between steps, also of a recorded step */
  constructor(public learningRate: number) {}

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

  /** The optimizer's tensors for these parameters, by name: `m of conv2d.kernel`. Part of a checkpoint. */
  abstract state(parameters: readonly Parameter[]): Map<string, Tensor>;

  /** The state tensor `slot` of a parameter, zeros at first. */
  protected slot(slot: string, { name, tensor }: Parameter): Tensor {
    const key = `${slot} of ${name}`;
    const found = this.slots.get(key);
    if (found) return found;
    const made = tensor.storage.gpu.unrecorded(() => keep(zeros(tensor.shape)));
    this.slots.set(key, made);
    return made;
  }

  protected stateOf(slots: readonly string[], parameters: readonly Parameter[]): Map<string, Tensor> {
    return new Map(
      parameters.flatMap((parameter) =>
        slots.map((slot) => [`${slot} of ${parameter.name}`, this.slot(slot, parameter)] as const),
      ),
    );
  }

  dispose(): void {
    for (const tensor of this.slots.values()) tensor.dispose();
    this.slots.clear();
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
    super(learningRate);
    this.options = { beta1, beta2, epsilon };
  }

  apply(parameters: readonly Parameter[], gradients: readonly Tensor[], halt?: Tensor): void {
    const { beta1, beta2 } = this.options;
    const stepSize = hostTensor([1], 'f32', () => {
      const t = ++this.iterations;
      return Float32Array.of((this.learningRate * Math.sqrt(1 - beta2 ** t)) / (1 - beta1 ** t));
    });
    parameters.forEach((parameter, i) => {
      const slots = { m: this.slot('m', parameter), v: this.slot('v', parameter) };
      adamUpdate(
        { parameter: parameter.tensor, gradient: gradients[i], ...slots },
        stepSize,
        this.options,
        halt,
      );
    });
    stepSize.dispose();
  }

  state(parameters: readonly Parameter[]): Map<string, Tensor> {
    return this.stateOf(['m', 'v'], parameters);
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
    super(learningRate);
    this.options = { momentum, nesterov };
  }

  apply(parameters: readonly Parameter[], gradients: readonly Tensor[], halt?: Tensor): void {
    const learningRate = hostTensor([1], 'f32', () => {
      this.iterations++;
      return Float32Array.of(this.learningRate);
    });
    parameters.forEach((parameter, i) => {
      const velocity = this.options.momentum > 0 ? this.slot('velocity', parameter) : undefined;
      sgdUpdate(
        { parameter: parameter.tensor, gradient: gradients[i], velocity },
        learningRate,
        this.options,
        halt,
      );
    });
    learningRate.dispose();
  }

  state(parameters: readonly Parameter[]): Map<string, Tensor> {
    return this.stateOf(this.options.momentum > 0 ? ['velocity'] : [], parameters);
  }
}
