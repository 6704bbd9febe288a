import type { ParametersOf, Space } from './space.ts';

/** One evaluation of the objective. Plain data: what was kept of a search is enough to go on with it. */
export interface Trial<S extends Space = Space> {
  /** Counted from 1. */
  readonly number: number;
  readonly parameters: ParametersOf<S>;
  /** 'failed': the objective threw, or what it gave is no finite number. */
  readonly state: 'complete' | 'failed';
  /** What the objective gave; none of a trial that failed. */
  readonly value?: number;
  /** Why it failed. */
  readonly message?: string;
  /** That it took. */
  readonly seconds: number;
}

/** Whether the objective is to be small or large. */
export type Direction = 'minimize' | 'maximize';

/** Trials from the best to the worst, those that failed last; of equal ones, the earlier first. */
export function ranked<T extends Trial>(trials: readonly T[], direction: Direction): T[] {
  const sign = direction === 'minimize' ? 1 : -1;
  const loss = ({ value }: T) => (value === undefined ? Number.POSITIVE_INFINITY : sign * value);
  // Two that failed differ by NaN, which counts as equal.
  return [...trials].sort((a, b) => loss(a) - loss(b) || a.number - b.number);
}
