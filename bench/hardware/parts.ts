/*
 * The benchmark's parts, the most valuable first: whatever ends the benchmark, what came before is in the file.
 *
 * A part is one or more runs, each a process of its own: a driver that crashes or hangs ends that run alone.
 */

export type PartName = 'adapter' | 'correct' | 'ceilings' | 'kernels' | 'steps' | 'training';
export type RunName =
  | 'adapter'
  | 'correct'
  | 'ceilings'
  | 'ceilings-unchecked'
  | 'kernels'
  | 'steps'
  | 'pytorch'
  | 'tensorflowjs'
  | 'training';

export interface Part {
  readonly name: PartName;
  /** Its share of the time left when it begins, relative to the shares of the parts after it. */
  readonly share: number;
  /** Seconds that it gets in any case. */
  readonly least?: number;
  /** Seconds that are enough for it on a GPU. */
  readonly most: number;
  /** What it measures. */
  readonly fields: readonly string[];
  /** With their shares of the part's time. */
  readonly runs: Readonly<Partial<Record<RunName, number>>>;
}

export const PARTS: readonly Part[] = [
  {
    name: 'adapter',
    share: 4,
    // Without an adapter's name there is no file.
    least: 10,
    most: 30,
    fields: ['name', 'driver', 'isSoftware', 'backend', 'info', 'limits', 'features', 'extensions', 'host'],
    runs: { adapter: 1 },
  },
  {
    name: 'correct',
    share: 23,
    most: 110,
    fields: ['passed', 'failed', 'cases'],
    runs: { correct: 1 },
  },
  {
    name: 'ceilings',
    share: 8,
    most: 60,
    fields: ['checked', 'unchecked'],
    runs: { ceilings: 0.5, 'ceilings-unchecked': 0.5 },
  },
  {
    name: 'kernels',
    share: 21,
    most: 240,
    fields: ['tuner', 'rows', 'failures'],
    runs: { kernels: 1 },
  },
  {
    name: 'steps',
    share: 24,
    most: 300,
    fields: ['training', 'inference', 'profiles', 'pytorch', 'tensorflowjs'],
    runs: { steps: 0.45, pytorch: 0.4, tensorflowjs: 0.15 },
  },
  {
    name: 'training',
    share: 20,
    most: Number.POSITIVE_INFINITY,
    fields: [
      'folder',
      'epochs',
      'imagesPerSecond',
      'history',
      'accuracy',
      'testImages',
      'weights',
      'finished',
    ],
    runs: { training: 1 },
  },
];

/** Seconds for a part that begins now: its share of what is left, beside those after it. */
export function secondsFor(part: Part, after: readonly Part[], secondsLeft: number): number {
  const shares = [part, ...after].reduce((total, { share }) => total + share, 0);
  return Math.max(part.least ?? 0, Math.min(part.most, (secondsLeft * part.share) / shares));
}
