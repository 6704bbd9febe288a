import { showValue } from '../checks.ts';
import type { BatchSource } from '../data/batchSource.ts';
import { checkedIndices } from '../data/labels.ts';
import { WeftError } from '../errors.ts';

/** Some samples of a source. */
export interface Samples {
  readonly source: BatchSource;
  /** Numbers of samples; in plain JavaScript any list of them. */
  readonly indices: Uint32Array;
}

/**
 * Samples as a step takes them.
 * @param name what `owner` calls them: `train`
 * @throws WeftError where they are none: no source, no indices, or an index that the source doesn't have
 */
export function checkedSamples(owner: string, name: string, samples: Samples): Samples {
  const { source, indices } = samples ?? {};
  if (typeof source?.batch !== 'function' || indices === undefined)
    throw new WeftError(
      `${owner}: ${name} must be { source, indices }, a source and which of its samples, got ${showValue(samples)}`,
    );
  const checked = checkedIndices(`${owner}: ${name}`, indices, source.count);
  if (checked.length === 0) throw new WeftError(`${owner}: ${name} has no samples, its indices are empty`);
  return { source, indices: checked };
}
