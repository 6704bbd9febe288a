import { checkFunction, checkOneOf, showValue } from '../checks.ts';
import { WeftError } from '../errors.ts';
import { showShape } from '../tensor/shape.ts';
import { makesProbabilities } from './activations.ts';
import type { EvaluateOptions } from './evaluate.ts';
import type { Model } from './model.ts';
import type { Samples } from './samples.ts';

/*
 * A classifier's scores for a batch, [N, K], are what its loss is computed of. The largest of K stands for its class; K = 1 is the score of
 * class 1 against class 0.
 */

/** How scores become probabilities: by a softmax of each row, a sigmoid of each score, or not at all, where they are some already. */
export type Scores = 'softmax' | 'sigmoid' | 'probabilities';

/** What a single score of class 1 is above: there the probability is a half. */
export const thresholdOf = (scores: Scores): number => (scores === 'probabilities' ? 0.5 : 0);

/** What is asked of a model in training and evaluation alike. */
type Task = Pick<EvaluateOptions, 'loss' | 'lossOf' | 'metrics'>;

/**
 * What a model's scores are.
 * @returns undefined where the task has no accuracy: nothing is classified
 * @throws WeftError where the model's output suits neither the accuracy nor the default loss, or the task isn't one
 */
export function scoresOf(
  owner: string,
  model: Model,
  { loss, lossOf = 'logits', metrics = ['accuracy'] }: Task,
): Scores | undefined {
  checkOneOf(owner, 'lossOf', lossOf, ['logits', 'output']);
  if (loss !== undefined)
    checkFunction(owner, 'loss', loss, '(logits, labels) => softmaxCrossEntropy(logits, labels)');
  if (!Array.isArray(metrics))
    throw new WeftError(`${owner}: metrics must be a list, as ['accuracy'], got ${showValue(metrics)}`);
  for (const metric of metrics) checkOneOf(owner, 'metrics', metric, ['accuracy']);
  const classifies = metrics.length > 0;
  // Of several outputs no loss is computed: the model says so itself.
  if (model.outputs.length > 1 || (!classifies && loss !== undefined)) return undefined;
  const gives = `the model gives ${showShape(model.outputShape)} a sample`;
  const [outputs] = model.outputShape;
  const activation = model.calls[model.outputs[0] - model.inputs.length]?.layer.activation ?? 'linear';
  if (model.outputShape.length !== 1)
    throw new WeftError(
      loss === undefined
        ? `${owner}: the default loss, softmaxCrossEntropy, takes [classes], and ${gives}: give another loss`
        : `${owner}: an accuracy is of [classes], and ${gives}: metrics: [] leaves it out`,
    );
  if (outputs > 1) return classifies ? ofSeveral(activation, lossOf) : undefined;
  if (loss === undefined)
    throw new WeftError(
      `${owner}: the default loss, softmaxCrossEntropy, needs an output for each class, and the model has one: give binaryCrossEntropy as loss, or the model 2 outputs`,
    );
  if (activation === 'softmax')
    throw new WeftError(`${owner}: a softmax of one output is always 1: 'sigmoid' is what it needs`);
  if (lossOf === 'logits') return 'sigmoid';
  if (activation === 'sigmoid') return 'probabilities';
  throw new WeftError(
    `${owner}: the accuracy of one output is that of a sigmoid, and the model has none: metrics: [] leaves it out`,
  );
}

function ofSeveral(activation: Model['layers'][number]['activation'], lossOf: string): Scores {
  if (!makesProbabilities(activation)) return 'softmax';
  return lossOf === 'output' ? 'probabilities' : (activation as 'softmax' | 'sigmoid');
}

/**
 * Compares labels with the number of a classifier's outputs, where the source has them at hand.
 * @throws WeftError naming the first sample whose label is no class of the model
 */
export function checkLabels(
  owner: string,
  name: string,
  { outputShape: [outputs] }: Model,
  { source: { labels }, indices }: Samples,
): void {
  if (!labels) return;
  for (const index of indices)
    if (!isClass(labels[index], outputs))
      throw new WeftError(
        `${owner}: ${name}: sample ${index} has label ${labels[index]}; ${classesOf(outputs)}`,
      );
}

/** Whether a label is that of a class of a model with so many outputs. */
export const isClass = (label: number, outputs: number): boolean =>
  label >= 0 && label < Math.max(outputs, 2);

/** Which labels suit a model with so many outputs. */
export const classesOf = (outputs: number): string =>
  `the model has ${outputs === 1 ? 'one output' : `${outputs} outputs`}, for labels from 0 to ${Math.max(outputs, 2) - 1}`;
