import { checkNumber, showValue } from '../checks.ts';
import { WeftError } from '../errors.ts';
import type { RandomStream } from '../tensor/random.ts';

/**
 * Splits 0 .. count-1 at random into parts of the given sizes (what they don't use is left out).
 *
 * @throws WeftError where the sizes are no whole numbers, or need more than there are
 * @example
 * ```ts
 * import { RandomStream, randomSplit } from 'weft-gpu';
 *
 * const [training, test] = randomSplit(100, [80, 20], new RandomStream(1, 'split'));
 * console.log(new Set([...training, ...test]).size); // 100
 * ```
 */
export function randomSplit(count: number, sizes: readonly number[], stream: RandomStream): Uint32Array[] {
  checkSizes('randomSplit', sizes, count);
  const order = stream.permutation(count);
  let at = 0;
  return sizes.map((size) => {
    at += size;
    return order.slice(at - size, at);
  });
}

/**
 * Splits at random like `randomSplit`, with the same share of every class in each part: counts of a class differ by one at most
 * where the size is no multiple of the number of classes, as far as the set has that many.
 *
 * @throws WeftError where the sizes are no whole numbers, or need more than there are
 * @example
 * ```ts
 * import { RandomStream, stratifiedSplit } from 'weft-gpu';
 *
 * const labels = [0, 0, 0, 0, 1, 1, 1, 1];
 * const [training, test] = stratifiedSplit(labels, [6, 2], new RandomStream(1, 'split'));
 * console.log(Array.from(test, (i) => labels[i]).sort(), training.length); // [ 0, 1 ] 6
 * ```
 */
export function stratifiedSplit(
  labels: ArrayLike<number>,
  sizes: readonly number[],
  stream: RandomStream,
): Uint32Array[] {
  checkSizes('stratifiedSplit', sizes, labels.length);
  const byClass = new Map<number, number[]>();
  for (const sample of stream.permutation(labels.length)) {
    const label = labels[sample];
    const list = byClass.get(label);
    if (list) list.push(sample);
    else byClass.set(label, [sample]);
  }
  const queues = [...byClass.entries()].sort(([a], [b]) => a - b).map(([, samples]) => samples);
  // Dealing the classes out in turn makes every stretch of the deck stratified.
  const deck: number[] = [];
  for (let round = 0; deck.length < labels.length; round++)
    for (const queue of queues) if (round < queue.length) deck.push(queue[round]);
  let at = 0;
  return sizes.map((size) => {
    at += size;
    return Uint32Array.from(deck.slice(at - size, at));
  });
}

function checkSizes(op: string, sizes: readonly number[], count: number): void {
  if (!Array.isArray(sizes)) throw new WeftError(`${op}: sizes must be a list, got ${showValue(sizes)}`);
  sizes.forEach((size, i) => {
    checkNumber(op, `size ${i}`, size, { from: 0, whole: true });
  });
  const wanted = sizes.reduce((total, size) => total + size, 0);
  if (wanted > count)
    throw new WeftError(`a split into ${sizes.join(' + ')} samples needs ${wanted}, there are ${count}`);
}
