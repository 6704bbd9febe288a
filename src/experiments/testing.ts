import {
  type ClassificationReport,
  classificationReport,
  predictedClasses,
} from '../analysis/classification.ts';
import { ensemble } from '../analysis/ensemble.ts';
import { ImageSource } from '../data/batchSource.ts';
import { stratifiedSplit } from '../data/splits.ts';
import { WeftError } from '../errors.ts';
import { type Evaluation, evaluate } from '../nn/evaluate.ts';
import type { Model } from '../nn/model.ts';
import { decodeSafetensors, encodeSafetensors } from '../nn/safetensors.ts';
import { formatConfusion, formatScores } from '../report/scores.ts';
import { RandomStream } from '../tensor/random.ts';
import { sameShape, showShape } from '../tensor/shape.ts';
import type { Console } from './console.ts';
import { classesIn, type ExperimentSet } from './experimentSet.ts';
import type { ReconstructionResult, Summary, TestResult } from './results.ts';
import type { Data } from './session.ts';
import { objectives } from './task.ts';

/** One network's answers. */
export interface Tested {
  readonly result: TestResult;
  /** Softmax, [images, classes] row-major. */
  readonly probabilities: Float32Array;
}

/**
 * The test images: all of them in their order, or `count` of them with the same share of every class. A choice doesn't depend on a
 * run's seed, and a smaller one is part of a larger one: runs are compared on the same images.
 */
export function testIndices(labels: ArrayLike<number>, count: number): Uint32Array {
  if (count >= labels.length) return Uint32Array.from({ length: labels.length }, (_, i) => i);
  return stratifiedSplit(labels, [count], new RandomStream(0, 'test images'))[0];
}

export interface TestOptions {
  readonly images: number;
  readonly batchSize: number;
  /** What a byte of 255 becomes. Default 1. */
  readonly pixelScale?: number;
  readonly onProgress?: (done: number, total: number) => void;
}

/** Tests a network on images of the test set. */
export async function test(model: Model, data: Data, options: TestOptions): Promise<Tested> {
  const indices = testIndices(classesIn(data.test), options.images);
  const { loss, probabilities } = await classify(model, data.test, indices, options);
  return { result: { ...score(probabilities, data, indices), loss }, probabilities };
}

/** What a classifier says of some images of a set. @throws WeftError where it knows other than as many classes */
export async function classify(
  model: Model,
  set: ExperimentSet,
  indices: Uint32Array,
  options: Omit<TestOptions, 'images'>,
): Promise<Evaluation> {
  const classes = set.classNames.length;
  if (model.outputs.length !== 1 || model.outputShape.length !== 1 || model.outputShape[0] !== classes)
    throw new WeftError(
      `a network that says which of ${classes} classes an image is has ${classes} outputs, this one gives ${model.outputShapes.map(showShape).join(', ')}`,
    );
  const source = new ImageSource(set, { scale: options.pixelScale });
  try {
    return await evaluate(model, { source, indices }, options);
  } finally {
    source.dispose();
  }
}

/** Tests an autoencoder on images of the test set. */
export async function testReconstruction(
  model: Model,
  data: Data,
  options: TestOptions,
): Promise<ReconstructionResult> {
  const source = new ImageSource(data.test, { scale: options.pixelScale });
  try {
    const indices = testIndices(classesIn(data.test), options.images);
    const { loss } = await evaluate(model, { source, indices }, { ...options, ...objectives.reconstruct });
    return { samples: indices.length, loss };
  } finally {
    source.dispose();
  }
}

const PROBABILITIES = 'probabilities';

/** Answers as a file; `decodeTested` has them back. */
export function encodeTested({ result, probabilities }: Tested): Uint8Array {
  const shape = [result.samples, result.classes.length];
  return encodeSafetensors(new Map([[PROBABILITIES, { shape, data: probabilities }]]));
}

/** @throws WeftError where the file isn't one, or is of another test */
export function decodeTested(file: Uint8Array, result: TestResult): Tested {
  const found = decodeSafetensors(file).tensors.get(PROBABILITIES);
  if (!(found?.data instanceof Float32Array)) throw new WeftError(`the file holds no '${PROBABILITIES}'`);
  const shape = [result.samples, result.classes.length];
  if (!sameShape(found.shape, shape))
    throw new WeftError(
      `the file holds probabilities ${showShape(found.shape)}; the result is one of ${showShape(shape)}`,
    );
  if (!found.data.every((value) => value >= 0 && value <= 1 + 1e-5))
    throw new WeftError('the file holds what is no probability, from 0 to 1');
  return { result, probabilities: found.data };
}

/** Several networks' soft vote. */
export function vote(members: readonly Tested[], data: Data): TestResult {
  const answers = members.map(({ probabilities }) => probabilities);
  const classes = data.test.classNames.length;
  const { probabilities } = ensemble(answers, { classes, method: 'softVote' });
  const indices = testIndices(classesIn(data.test), probabilities.length / classes);
  return { ...score(probabilities, data, indices), loss: null };
}

function score(
  probabilities: Float32Array,
  { test: { labels, classNames } }: Data,
  indices: Uint32Array,
): ClassificationReport {
  const truth = Array.from(indices, (i) => labels[i]);
  return classificationReport(truth, predictedClasses(probabilities, classNames.length), classNames);
}

/** Mean and, of several, sample standard deviation. */
export function meanOf(values: readonly number[]): { mean: number; deviation: number | null } {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  const squares = values.reduce((sum, value) => sum + (value - mean) ** 2, 0);
  return { mean, deviation: values.length > 1 ? Math.sqrt(squares / (values.length - 1)) : null };
}

/** What several networks come to on the same images. */
export function summarize(members: readonly Tested[], data: Data): Summary {
  const accuracies = members.map(({ result }) => result.accuracy);
  const losses = members.map(({ result }) => result.loss ?? Number.NaN);
  return { accuracies, accuracy: meanOf(accuracies), loss: meanOf(losses), ensemble: vote(members, data) };
}

export function printReconstruction(
  what: string,
  { samples, loss }: ReconstructionResult,
  out: Console,
): void {
  out.line(`${what}: mean squared error ${loss.toFixed(6)} on ${count(samples)} test images`);
}

/** Prints one result: on how many images, accuracy and loss, then its tables. */
export function printResult(what: string, result: TestResult, data: Data, out: Console): void {
  const { samples, accuracy, loss } = result;
  const all = data.test.count;
  const images =
    samples === all
      ? `all ${count(all)} test images`
      : `${count(samples)} of ${count(all)} test images (stratified)`;
  out.line(
    `${what}: accuracy ${accuracy.toFixed(4)}${loss === null ? '' : `, loss ${loss.toFixed(4)}`} on ${images}`,
  );
  out.line(`\n${formatScores(result)}\n\n${formatConfusion(result)}\n`);
}

export function printSummary(summary: Summary, data: Data, out: Console): void {
  const { accuracies, accuracy, loss } = summary;
  const spread = ({ mean, deviation }: Summary['accuracy']) =>
    `${mean.toFixed(4)} (deviation ${(deviation ?? 0).toFixed(4)})`;
  out.line(`mean of ${accuracies.length}: accuracy ${spread(accuracy)}, loss ${spread(loss)}`);
  printResult(`ensemble of ${accuracies.length} (soft vote)`, summary.ensemble, data, out);
}

const count = (n: number): string => n.toLocaleString('en-US');
