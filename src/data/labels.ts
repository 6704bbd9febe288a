import { showValue } from '../checks.ts';
import { WeftError } from '../errors.ts';

/** What plain JavaScript gives for a list of numbers. */
const isList = (value: unknown): value is ArrayLike<unknown> =>
  Array.isArray(value) || (ArrayBuffer.isView(value) && !(value instanceof DataView));

const isLabel = (value: unknown): value is number =>
  Number.isInteger(value) && (value as number) >= 0 && (value as number) < 2 ** 31;

/**
 * Labels as a source keeps them: class numbers, one a sample.
 * @throws WeftError naming the first that is no whole number of at least 0: a row of one-hot labels, a text, NaN, a target of a regression
 */
export function checkedLabels(owner: string, labels: ArrayLike<number>): Int32Array {
  if (!isList(labels))
    throw new WeftError(`${owner}: labels must be a list of class numbers, got ${showValue(labels)}`);
  const checked = new Int32Array(labels.length);
  for (let i = 0; i < labels.length; i++) {
    const label: unknown = labels[i];
    if (!isLabel(label))
      throw new WeftError(
        `${owner}: sample ${i} has label ${showValue(label)}; a label is a class number, a whole number from 0${hint(label)}`,
      );
    checked[i] = label;
  }
  return checked;
}

function hint(label: unknown): string {
  if (isList(label)) return ': of a one-hot row the place of its 1';
  return typeof label === 'bigint' ? ': Array.from(labels, Number) makes numbers of bigints' : '';
}

/**
 * Numbers of samples, as a step takes them.
 * @throws WeftError naming the first that is no sample of the `count` there are
 */
export function checkedIndices(owner: string, indices: ArrayLike<number>, count: number): Uint32Array {
  if (!isList(indices))
    throw new WeftError(
      `${owner}: indices must be a Uint32Array of the samples' numbers, got ${showValue(indices)}`,
    );
  for (let i = 0; i < indices.length; i++) {
    const index: unknown = indices[i];
    if (!(isLabel(index) && index < count))
      throw new WeftError(
        `${owner}: index ${i} is ${showValue(index)}; the source has ${count} samples, from 0 to ${count - 1}`,
      );
  }
  return indices instanceof Uint32Array ? indices : Uint32Array.from(indices);
}
