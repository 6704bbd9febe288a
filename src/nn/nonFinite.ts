import type { Batch, BatchSource } from '../data/batchSource.ts';
import { WeftError } from '../errors.ts';
import { add } from '../kernels/binary.ts';
import { gather } from '../kernels/gather.ts';
import { HALTED_BY_NORM, HALTED_BY_UPDATE } from '../kernels/shared/halt.ts';
import { gradients, noGrad } from '../tensor/autograd.ts';
import { scope } from '../tensor/scope.ts';
import { type Tensor, type TypedArray, tensor } from '../tensor/tensor.ts';
import { classesOf, isClass } from './classifier.ts';
import { type Loss, type LossOperand, lossOperand } from './evaluate.ts';
import type { CallOptions } from './layer.ts';
import type { Model } from './model.ts';
import type { Parameter } from './parameter.ts';

/** Where training came upon a number that isn't finite. */
export interface NonFinitePlace {
  /** From 1. `updateBatchNorm` has none. */
  readonly epoch?: number;
  /** From 1, within the epoch; of `updateBatchNorm`, the batch. */
  readonly step: number;
  /** The layer whose output, weight, gradient or moving statistics it is. */
  readonly layer?: string;
  /** The sample that holds it or leads to it, the first of its batch that does: its index in the source. */
  readonly sample?: number;
}

/**
 * A loss, a gradient, a weight or a moving statistic that is infinite or not a number. `fit` has taken nothing of that step: weights,
 * optimizer, averages and moving statistics are those before it. `updateBatchNorm` has changed nothing at all.
 */
export class NonFiniteError extends WeftError {
  override name = 'NonFiniteError';
  constructor(
    message: string,
    readonly place: NonFinitePlace,
  ) {
    super(message);
  }
}

/** A step that was halted: model, optimizer and sources of randomness are as they were before it. */
export interface HaltedStep {
  readonly model: Model;
  readonly source: BatchSource;
  readonly samples: Uint32Array;
  /** The weights that it was to change. */
  readonly trained: readonly Parameter[];
  readonly loss: Loss;
  readonly lossOf: LossOperand | undefined;
  /** What raised the halt; see `src/kernels/shared/halt.ts`. */
  readonly halt: number;
}

/** What is known of it. */
export interface Finding extends Pick<NonFinitePlace, 'layer' | 'sample'> {
  readonly what: string;
  /** Whether it came in so, earlier steps may have led there, or the step itself would. */
  readonly cause: 'given' | 'grown' | 'step';
}

/** As in the step that was halted, but for what it would leave behind. */
const LOOKING = { training: true, updateStatistics: false };

const firstIn = (values: TypedArray): number => values.findIndex((value) => !Number.isFinite(value));
export const layerOf = ({ name, ownName }: Parameter): string => name.slice(0, -ownName.length - 1);

/** Makes the step again, piece by piece, and says where the first number appears that isn't finite. Leaves nothing behind. */
export async function findNonFinite(step: HaltedStep): Promise<Finding> {
  const { model, source, samples } = step;
  const batch = scope(() => {
    const { x, labels } = noGrad(() => source.batch(tensor(samples), true));
    return { x, labels };
  });
  try {
    return (
      (await inSamples(step, batch)) ??
      (await inWeights(model)) ??
      (await inOutputs(step, batch)) ??
      (await inStatistics(step, batch)) ??
      (await inLoss(step, batch)) ??
      (await inGradients(step, batch)) ??
      inUpdate(step)
    );
  } finally {
    batch.x.dispose();
    batch.labels.dispose();
  }
}

async function inSamples({ model, samples }: HaltedStep, { x }: Batch): Promise<Finding | undefined> {
  const values = await x.data();
  const at = firstIn(values);
  if (at < 0) return undefined;
  const sample = samples[Math.floor((at * samples.length) / values.length)];
  const layer = model.calls.find(({ inputs }) => inputs.includes(0))?.layer.name;
  return {
    what: `sample ${sample} holds ${values[at]}, which goes into layer ${layer}`,
    layer,
    sample,
    cause: 'given',
  };
}

/** The first of some weights, or moving statistics, that isn't finite, and what it holds. */
export async function firstNonFinite(
  parameters: readonly Parameter[],
): Promise<{ parameter: Parameter; value: number } | undefined> {
  for (const parameter of parameters) {
    const values = await parameter.data();
    const at = firstIn(values);
    if (at >= 0) return { parameter, value: values[at] };
  }
  return undefined;
}

async function inWeights(model: Model): Promise<Finding | undefined> {
  const found = await firstNonFinite(model.parameters);
  if (!found) return undefined;
  const { parameter, value } = found;
  return { what: `weight ${parameter.name} holds ${value}`, layer: layerOf(parameter), cause: 'given' };
}

async function inOutputs({ model, samples }: HaltedStep, { x }: Batch): Promise<Finding | undefined> {
  const { calls, outputs, inputs } = model;
  const values = new Map<number, Tensor>([[0, x]]);
  const isNeeded = (value: number, after: number) =>
    calls.slice(after + 1).some((call) => call.inputs.includes(value));
  try {
    for (const [i, call] of calls.entries()) {
      const { layer } = call;
      const number = inputs.length + i;
      const [first, ...more] = call.inputs.map((value) => values.get(value)!);
      // The loss is computed before a last softmax or sigmoid.
      const y = scope(() =>
        noGrad(() =>
          outputs.includes(number)
            ? layer.linear(first, LOOKING, ...more)
            : layer.call(first, LOOKING, ...more),
        ),
      );
      values.set(number, y === first ? y.alias() : y);
      const found = await y.data();
      const at = firstIn(found);
      if (at >= 0) {
        const sample = samples[Math.floor((at * samples.length) / found.length)];
        const what = `the output of layer ${layer.name} is the first that isn't finite, for sample ${sample}`;
        return { what, layer: layer.name, sample, cause: 'grown' };
      }
      for (const value of new Set(call.inputs)) {
        if (value === 0 || isNeeded(value, i)) continue;
        values.get(value)?.dispose();
        values.delete(value);
      }
    }
    return undefined;
  } finally {
    values.delete(0);
    for (const value of values.values()) value.dispose();
  }
}

/** Batch-norm's statistics may overflow while what it normalises with them doesn't. */
async function inStatistics({ model, lossOf }: HaltedStep, { x }: Batch): Promise<Finding | undefined> {
  const moving = model.parameters.filter((parameter) => parameter.moving);
  const before = await Promise.all(moving.map((parameter) => parameter.data()));
  try {
    scope(() => noGrad(() => void lossOperand(model, x, lossOf, { training: true })));
    const { parameter } = (await firstNonFinite(moving)) ?? {};
    if (!parameter) return undefined;
    const layer = layerOf(parameter);
    return { what: `the ${parameter.ownName} of layer ${layer} overflows`, layer, cause: 'grown' };
  } finally {
    moving.forEach((parameter, i) => {
      parameter.set(before[i]);
    });
  }
}

async function inLoss(step: HaltedStep, batch: Batch): Promise<Finding | undefined> {
  const isBroken = async (part: Batch) => {
    const loss = scope(() => noGrad(() => lossFor(step, part)));
    const value = await loss.item();
    loss.dispose();
    return !Number.isFinite(value);
  };
  if (!(await isBroken(batch))) return undefined;
  const sample = await firstSample(step, batch, isBroken);
  // A source of one's own may have labels that nobody has compared with the outputs.
  const { outputShape } = step.model;
  const label = sample === undefined ? 0 : (await batch.labels.data())[step.samples.indexOf(sample)];
  const isStray = outputShape.length === 1 && !isClass(label, outputShape[0]);
  const stray = isStray ? `, whose label is ${label}: ${classesOf(outputShape[0])}` : '';
  return {
    what: `every layer output is finite, so it arises in the loss itself${forSample(sample)}${stray}`,
    sample,
    cause: isStray ? 'given' : 'grown',
  };
}

async function inGradients(step: HaltedStep, batch: Batch): Promise<Finding | undefined> {
  const { trained } = step;
  /** The broken one next to the loss, where the backward pass begins. */
  const broken = async (part: Batch): Promise<Parameter | undefined> => {
    const found = scope(() => {
      const tensors = trained.map((parameter) => parameter.tensor);
      return gradients(lossFor(step, part), tensors);
    });
    try {
      for (let i = trained.length - 1; i >= 0; i--)
        if (firstIn(await found[i].data()) >= 0) return trained[i];
      return undefined;
    } finally {
      for (const gradient of found) gradient.dispose();
    }
  };
  const parameter = await broken(batch);
  if (!parameter) return undefined;
  const sample = await firstSample(step, batch, async (part) => (await broken(part)) !== undefined);
  return {
    what: `the loss is finite, the gradient of ${parameter.name} isn't${forSample(sample)}`,
    layer: layerOf(parameter),
    sample,
    cause: 'grown',
  };
}

/** What the halt alone says: what leads there is finite. */
function inUpdate({ halt, trained }: HaltedStep): Finding {
  if (halt >= HALTED_BY_UPDATE) {
    const parameter = trained[halt - HALTED_BY_UPDATE];
    return {
      what: `with it, weight ${parameter.name} or the optimizer's state for it would overflow`,
      layer: layerOf(parameter),
      cause: 'step',
    };
  }
  if (halt === HALTED_BY_NORM)
    return {
      what: "the gradients are finite, their norm isn't, so nothing can be scaled to it",
      cause: 'grown',
    };
  return { what: 'it arises in a later pass of the step: in the first all is finite', cause: 'grown' };
}

const forSample = (sample: number | undefined): string =>
  sample === undefined ? '' : `, for sample ${sample}`;

/** The loss as the step computes it, without leaving anything behind. */
function lossFor({ model, lossOf, loss }: HaltedStep, { x, labels }: Batch): Tensor {
  const options: CallOptions = LOOKING;
  const own = loss(lossOperand(model, x, lossOf, options), labels, x);
  const penalty = model.regularization();
  return penalty ? add(own, penalty) : own;
}

/** The first sample that leads there, found in halves of the batch; undefined where no half does without the other. */
async function firstSample(
  { samples }: HaltedStep,
  { x, labels }: Batch,
  isBroken: (part: Batch) => Promise<boolean>,
): Promise<number | undefined> {
  const partIsBroken = async (from: number, to: number) => {
    const part = scope(() => {
      const places = tensor(Uint32Array.from({ length: to - from }, (_, i) => from + i));
      return { x: gather(x, places), labels: gather(labels, places) };
    });
    try {
      return await isBroken(part);
    } finally {
      part.x.dispose();
      part.labels.dispose();
    }
  };
  let [from, to] = [0, samples.length];
  while (to - from > 1) {
    const middle = Math.floor((from + to) / 2);
    if (await partIsBroken(from, middle)) to = middle;
    else if (await partIsBroken(middle, to)) from = middle;
    else return undefined;
  }
  return samples[from];
}
