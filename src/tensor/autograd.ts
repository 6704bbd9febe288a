import { showValue } from '../checks.ts';
import { ShapeError, WeftError } from '../errors.ts';
import { kernel } from '../gpu/kernel.ts';
import { blockKernel, launchBlocks } from './blocks.ts';
import { launch } from './launch.ts';
import { adopt, keep, scope } from './scope.ts';
import { type Shape, sameShape, showShape } from './shape.ts';
import { type DType, empty, expectIsTensor, type Tensor } from './tensor.ts';
import { currentWork, work, workUnlessNamed } from './work.ts';

/** Where a gradient goes: to the op that made the tensor, or to the tensor itself if it is a leaf. */
type Source = TapeNode | Tensor;

type Backward = (gradient: Tensor) => readonly (Tensor | null)[];

/**
 * One op that ran, as the backward pass needs it. It lives while its output is held or another node was made from it, and holds
 * the tensors that its backward pass reads. Ids rise in the order of execution, which is a topological order.
 */
export class TapeNode {
  private static nextId = 0;
  readonly id = TapeNode.nextId++;
  private holders = 1;
  private spent = false;

  constructor(
    readonly op: string,
    readonly inputs: readonly (Source | undefined)[],
    private saved: Tensor[],
    private readonly backward: Backward,
  ) {
    for (const input of inputs) if (input instanceof TapeNode) input.holders++;
  }

  /** Gradients of the inputs; frees what the pass needed. */
  run(gradient: Tensor): readonly (Tensor | null)[] {
    if (this.spent)
      throw new WeftError(
        `gradients() ran through '${this.op}' a second time: the first pass freed what it needs; compute the output again`,
      );
    const gradients = scope(() => noGrad(() => this.backward(gradient)));
    this.free();
    return gradients;
  }

  release(): void {
    // A list and no recursion: a tape may be thousands of ops long.
    const released: TapeNode[] = [this];
    for (const node of released) {
      if (--node.holders > 0) continue;
      node.free();
      for (const input of node.inputs) if (input instanceof TapeNode) released.push(input);
    }
  }

  private free(): void {
    this.spent = true;
    for (const tensor of this.saved) tensor.dispose();
    this.saved = [];
  }
}

let gradEnabled = true;

/**
 * Runs `fn` without a tape: nothing is kept for a backward pass.
 *
 * @example
 * ```ts
 * import { noGrad, square, tensor, variable } from 'weft-gpu';
 *
 * const x = variable(tensor([1, 2]));
 * const y = noGrad(() => square(x));
 * await y.data(); // Float32Array [1, 4]
 * ```
 */
export function noGrad<T>(fn: () => T): T {
  const before = gradEnabled;
  gradEnabled = false;
  try {
    return fn();
  } finally {
    gradEnabled = before;
  }
}

const sourceOf = (tensor: Tensor): Source | undefined =>
  tensor.node ?? (tensor.requiresGrad ? tensor : undefined);

/** What a forward pass is given. */
export interface ForwardCall<A> {
  readonly inputs: readonly Tensor[];
  readonly attrs: A;
  /** The output, allocated with the shape that `shape` returned. */
  readonly output: Tensor;
  /** Which inputs a gradient will be asked for; all false under `noGrad`. */
  readonly needs: readonly boolean[];
  /** Keeps a tensor for the backward pass, which finds them in this order in `saved`. */
  save(...tensors: Tensor[]): void;
}

/** What a backward pass is given. */
export interface BackwardCall<A> {
  /** Gradient of the loss with respect to the output. */
  readonly gradient: Tensor;
  readonly saved: readonly Tensor[];
  readonly attrs: A;
  readonly inputShapes: readonly Shape[];
  readonly needs: readonly boolean[];
}

/** What `defineOp` makes an op of. */
export interface OpDefinition<A> {
  readonly name: string;
  /** The output's shape. Pure. @throws ShapeError */
  readonly shape: (inputs: readonly Shape[], attrs: A) => Shape;
  readonly dtype?: DType;
  /** Issues the kernels that write `output`. Left out: the output is a view, the first input's elements under the output's shape. */
  readonly forward?: (call: ForwardCall<A>) => void;
  /** One gradient an input, or null where none is needed. Left out: the op stops gradients. */
  readonly backward?: (call: BackwardCall<A>) => readonly (Tensor | null)[];
}

/**
 * Makes a differentiable op from its shape rule, its forward and its backward pass. Temporaries of either pass are freed at its end.
 *
 * @returns a function of the input tensors and the attributes, which throws a ShapeError where an input is no tensor
 * @example
 * ```ts
 * import { checkGradients, defineOp, empty, kernel, launch, split, tensor } from 'weft-gpu';
 *
 * const forward = kernel({
 *   name: 'cube',
 *   lanes: 64,
 *   read: { x: 'f32' },
 *   write: { y: 'f32' },
 *   body: 'if (item < u.items) { y[item] = x[item] * x[item] * x[item]; }',
 * });
 * const backward = kernel({
 *   name: 'cube-gradient',
 *   lanes: 64,
 *   read: { x: 'f32', dy: 'f32' },
 *   write: { dx: 'f32' },
 *   body: 'if (item < u.items) { dx[item] = 3.0 * x[item] * x[item] * dy[item]; }',
 * });
 * const cube = defineOp({
 *   name: 'cube',
 *   shape: ([x]) => x,
 *   forward({ inputs: [x], output: y, save }) {
 *     launch(forward, { x: split(x, 1), y: split(y, 1) }, { items: x.size });
 *     save(x);
 *   },
 *   backward({ gradient: dy, saved: [x] }) {
 *     const dx = empty(x.shape);
 *     launch(backward, { x: split(x, 1), dy: split(dy, 1), dx: split(dx, 1) }, { items: x.size });
 *     return [dx];
 *   },
 * });
 * await cube([tensor([1, 2, 3])], undefined).data(); // Float32Array [1, 8, 27]
 * await checkGradients((x) => cube([x], undefined), [tensor([1, 2, 3])]);
 * ```
 */
export function defineOp<A = undefined>(
  definition: OpDefinition<A>,
): (inputs: readonly Tensor[], attrs: A) => Tensor {
  const { name, shape, dtype = 'f32', forward, backward } = definition;
  return (inputs, attrs) => {
    inputs.forEach((input, i) => {
      expectIsTensor(name, i === 0 ? 'x' : `input ${i}`, input);
    });
    const inputShapes = inputs.map((input) => input.shape);
    const outputShape = shape(inputShapes, attrs);
    const sources = gradEnabled && backward ? inputs.map(sourceOf) : inputs.map(() => undefined);
    const needs = sources.map((source) => source !== undefined);
    const onTape = needs.includes(true);
    const saved: Tensor[] = [];
    const output = scope(() => {
      if (!forward) return adopt(inputs[0].alias(outputShape));
      const made = empty(outputShape, dtype, inputs[0]?.storage.gpu);
      const save = (...tensors: Tensor[]) => {
        if (onTape) saved.push(...tensors.map((tensor) => tensor.alias()));
      };
      try {
        noGrad(() =>
          workUnlessNamed({ op: name, pass: 'forward' }, () =>
            forward({ inputs, attrs, output: made, needs, save }),
          ),
        );
      } catch (error) {
        for (const tensor of saved) tensor.dispose();
        throw error;
      }
      return made;
    });
    if (onTape) {
      const label = { op: currentWork()?.op ?? name, pass: 'backward' };
      output.node = new TapeNode(name, sources, saved, (gradient) => {
        const gradients = workUnlessNamed(label, () =>
          backward!({ gradient, saved, attrs, inputShapes, needs }),
        );
        gradients.forEach((g, i) => {
          if (g && !sameShape(g.shape, inputShapes[i]))
            throw new ShapeError(`gradient of ${name}`, showShape(inputShapes[i]), showShape(g.shape));
        });
        return gradients;
      });
    }
    return output;
  };
}

const addKernel = blockKernel({
  name: 'accumulate-gradient',
  read: { a: 'vec4f', b: 'vec4f' },
  write: { sum: 'vec4f' },
  body: 'sum[item] = a[item] + b[item];',
});

function addGradients(a: Tensor, b: Tensor): Tensor {
  const sum = empty(a.shape, 'f32', a.storage.gpu);
  work({ op: 'accumulate-gradient', pass: 'backward' }, () => launchBlocks(addKernel, { a, b, sum }));
  return sum;
}

const oneKernel = kernel({ name: 'seed-gradient', lanes: 1, write: { one: 'f32' }, body: 'one[0] = 1.0;' });

/**
 * Gradients of a scalar with respect to `targets`, by reverse accumulation over the tape. Frees the tape on its way.
 *
 * @param loss a tensor of one element
 * @returns one gradient a target, of its shape
 * @throws WeftError naming the first target that the loss doesn't depend on; ShapeError for a loss of several elements
 * @example
 * ```ts
 * import { gradients, square, sum, tensor, variable } from 'weft-gpu';
 *
 * const x = variable(tensor([1, 2, 3]));
 * const [dx] = gradients(sum(square(x)), [x]);
 * await dx.data(); // Float32Array [2, 4, 6]
 * ```
 */
export function gradients(loss: Tensor, targets: readonly Tensor[]): Tensor[] {
  expectIsTensor('gradients', 'the loss', loss);
  if (!Array.isArray(targets)) throw new ShapeError('gradients', 'a list of targets', showValue(targets));
  targets.forEach((target, i) => {
    expectIsTensor('gradients', `target ${i}`, target);
  });
  if (loss.size !== 1) throw new ShapeError('gradients', 'a loss of one element', showShape(loss.shape));
  return scope(() => {
    const pending = new Map<Source, Tensor>();
    const give = (source: Source | undefined, gradient: Tensor | null) => {
      if (!source || !gradient) return gradient?.dispose();
      const before = pending.get(source);
      pending.set(source, before ? addGradients(before, gradient) : gradient);
      if (before) {
        before.dispose();
        gradient.dispose();
      }
    };
    const seed = empty(loss.shape, 'f32', loss.storage.gpu);
    work({ op: 'seed-gradient', pass: 'backward' }, () => launch(oneKernel, { one: seed }, { items: 1 }));
    give(sourceOf(loss), seed);
    for (const node of nodesBehind(loss.node)) {
      const gradient = pending.get(node);
      pending.delete(node);
      if (!gradient) continue;
      const parts = node.run(gradient);
      // A pass may hand on the gradient it was given, or one tensor to two inputs: each receiver gets a handle of its own.
      parts.forEach((part, i) => {
        give(node.inputs[i], part && node.inputs[i] ? adopt(part.alias()) : null);
      });
      for (const part of new Set(parts)) part?.dispose();
      gradient.dispose();
    }
    const found = targets.map((target, i) => {
      const gradient = pending.get(target);
      if (!gradient)
        throw new WeftError(
          `gradients: the loss doesn't depend on target ${i} (shape ${showShape(target.shape)}), or it doesn't require a gradient`,
        );
      return adopt(gradient);
    });
    for (const gradient of pending.values()) if (!found.includes(gradient)) gradient.dispose();
    return found;
  });
}

/** Every node that the loss was made from, newest first. */
function nodesBehind(start: TapeNode | undefined): TapeNode[] {
  const found = new Set<TapeNode>();
  const open = start ? [start] : [];
  for (let node = open.pop(); node; node = open.pop()) {
    if (found.has(node)) continue;
    found.add(node);
    for (const input of node.inputs) if (input instanceof TapeNode) open.push(input);
  }
  return [...found].sort((a, b) => b.id - a.id);
}

/** A tensor that gradients can be asked for, kept until its owner disposes of it. @throws ShapeError for what is no tensor */
export function variable(initial: Tensor): Tensor {
  expectIsTensor('variable', 'its values', initial);
  const made = keep(initial.alias());
  made.requiresGrad = true;
  return made;
}
