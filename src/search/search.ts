import { WeftError } from '../errors.ts';
import { coarseToFine } from './coarseToFine.ts';
import { Draws } from './draws.ts';
import { Grid } from './grid.ts';
import { isNew, type Point, type Proposing } from './method.ts';
import { drawPoint } from './random.ts';
import { checkSpace, includes, type ParametersOf, type Space } from './space.ts';
import { tpe } from './tpe.ts';
import { type Direction, ranked, type Trial } from './trial.ts';

/** The methods: every combination, at random, at random twice with the second range from the first's best, and by Parzen estimators. */
export const searchMethods = ['grid', 'random', 'coarse-to-fine', 'tpe'] as const;
/** How the next trial's parameters are found. */
export type SearchMethod = (typeof searchMethods)[number];

/** What decides the trials of a search, beside what the objective gives. */
export interface SearchPlan<S extends Space = Space> {
  readonly space: S;
  readonly method: SearchMethod;
  /** How many; those in `history` count. Default, for 'grid' alone: all of the grid. */
  readonly trials?: number;
  /** Decides everything that is drawn: a whole number from 0 on. */
  readonly seed: number;
  /** Default 'minimize'. */
  readonly direction?: Direction;
  /** Of 'coarse-to-fine': trials of the first stage. Default half of the trials, rounded up. */
  readonly coarseTrials?: number;
  /** Of 'coarse-to-fine': trials of the first stage whose range the second has. Default 4. */
  readonly best?: number;
  /** Of 'tpe': trials drawn at random before it learns from them. Default 10. */
  readonly startupTrials?: number;
}

export interface SearchOptions<S extends Space> extends SearchPlan<S> {
  /**
   * Gives the figure that is to be small, or large, for some parameters. Where it throws, or gives no finite number, the trial has failed,
   * and the search goes on.
   */
  readonly objective: (
    parameters: ParametersOf<S>,
    trial: { readonly number: number },
  ) => number | Promise<number>;
  /** Trials done before, from the first on: the search goes on after them as if nothing had come in its way. */
  readonly history?: readonly Trial<S>[];
  /** Called after each trial, awaited; what it throws ends the search. */
  readonly onTrial?: (trial: Trial<S>, trials: readonly Trial<S>[]) => unknown;
  /** Ends the search where it is aborted. A trial during which that happens, and which throws, isn't kept. */
  readonly signal?: AbortSignal;
}

/** What `search` found. */
export interface SearchResult<S extends Space> {
  /** In the order in which they were done. */
  readonly trials: readonly Trial<S>[];
  /** The best that didn't fail; of equal ones, the first. */
  readonly best: Trial<S> | undefined;
}

/** Draws that a method gets to find a point that no trial had. */
const ATTEMPTS = 8;

/**
 * Searches a space of parameters for those with the best value of an objective. The seed, the space and the method decide the trials, with
 * what the objective gave for those before: a search that is broken off and gone on with by `history` has the same ones. Points are not
 * tried twice as long as drawing again gives others.
 *
 * @returns all trials, and the best
 * @throws WeftError for a space, a number of trials or a history that can't be searched
 *
 * @example
 * ```ts
 * import { search, space } from 'weft-gpu';
 *
 * const { best, trials } = await search({
 *   space: { x: space.uniform(-2, 2), scale: space.logUniform(0.01, 100), kind: space.choice(['a', 'b']) },
 *   method: 'tpe',
 *   trials: 40,
 *   seed: 1,
 *   objective: ({ x, scale, kind }) => (x - 1) ** 2 + Math.log10(scale) ** 2 + (kind === 'a' ? 0 : 1),
 * });
 * console.log(trials.length, best?.parameters.kind); // 40 a
 * ```
 */
export async function search<const S extends Space>(options: SearchOptions<S>): Promise<SearchResult<S>> {
  const { objective, history = [], onTrial, signal, direction = 'minimize' } = options;
  const proposals = new Proposals(options);
  checkHistory(options.space, history);
  const trials = [...history];
  while (trials.length < proposals.count) {
    signal?.throwIfAborted();
    const number = trials.length + 1;
    const parameters = proposals.next(trials) as ParametersOf<S>;
    const start = performance.now();
    const outcome = await evaluate(() => objective(parameters, { number }), signal);
    const trial: Trial<S> = { number, parameters, ...outcome, seconds: (performance.now() - start) / 1000 };
    trials.push(trial);
    await onTrial?.(trial, trials);
  }
  const [first] = ranked(trials, direction);
  return { trials, best: first?.state === 'complete' ? first : undefined };
}

async function evaluate(
  objective: () => number | Promise<number>,
  signal: AbortSignal | undefined,
): Promise<Pick<Trial, 'state' | 'value' | 'message'>> {
  try {
    const value = await objective();
    if (Number.isFinite(value)) return { state: 'complete', value };
    return { state: 'failed', message: `the objective gave ${value}` };
  } catch (error) {
    signal?.throwIfAborted();
    return { state: 'failed', message: error instanceof Error ? error.message : String(error) };
  }
}

/** Proposes the trials of a search one after the other, each from those before it. */
class Proposals {
  /** Trials of the whole search. */
  readonly count: number;
  private readonly propose: (proposing: Proposing) => Point;

  constructor(private readonly plan: SearchPlan) {
    const { space, method, trials, seed } = plan;
    checkSpace(space);
    if (!searchMethods.includes(method))
      throw new WeftError(`search: no method '${method}'; there are ${searchMethods.join(', ')}`);
    const whole = (name: string, value: number, least: number) => {
      if (!(Number.isSafeInteger(value) && value >= least))
        throw new WeftError(`search: ${name} must be a whole number from ${least} on, got ${value}`);
      return value;
    };
    whole('seed', seed, 0);
    if (trials === undefined && method !== 'grid')
      throw new WeftError(`search: say how many trials the method '${method}' is to have`);
    if (method === 'grid') {
      const grid = new Grid(space, seed);
      this.count = Math.min(grid.size, whole('trials', trials ?? grid.size, 1));
      this.propose = ({ history }) => grid.point(history.length + 1);
      return;
    }
    this.count = whole('trials', trials!, 1);
    const { coarseTrials = Math.ceil(this.count / 2), best = 4, startupTrials = 10 } = plan;
    const stages = { coarseTrials: whole('coarseTrials', coarseTrials, 1), best: whole('best', best, 1) };
    const startup = { startupTrials: whole('startupTrials', startupTrials, 1) };
    const proposers = {
      random: ({ space, draws }: Proposing) => drawPoint(space, draws),
      'coarse-to-fine': (proposing: Proposing) => coarseToFine(proposing, stages),
      tpe: (proposing: Proposing) => tpe(proposing, startup),
    };
    this.propose = proposers[method];
  }

  next(history: readonly Trial[]): Point {
    const { space, seed, direction = 'minimize' } = this.plan;
    const draws = new Draws(seed, `trial ${history.length + 1}`);
    for (let attempt = 1; ; attempt++) {
      const point = this.propose({ space, direction, history, draws });
      if (attempt === ATTEMPTS || isNew(point, history)) return point;
    }
  }
}

/** @throws WeftError where trials aren't of this space, or not the first ones of a search */
export function checkHistory(space: Space, history: readonly Trial[]): void {
  const names = Object.keys(space);
  for (const [i, { number, parameters }] of history.entries()) {
    if (number !== i + 1)
      throw new WeftError(
        `search: the history must hold trials 1, 2, 3 …; trial ${number} is at place ${i + 1}`,
      );
    for (const name of new Set([...names, ...Object.keys(parameters)])) {
      if (!Object.hasOwn(space, name) || !Object.hasOwn(parameters, name))
        throw new WeftError(
          `search: trial ${number} of the history has other parameters than the space: ${Object.keys(parameters).join(', ')}, not ${names.join(', ')}`,
        );
      if (!includes(space[name], parameters[name]))
        throw new WeftError(
          `search: trial ${number} of the history has ${name} ${parameters[name]}, which the space doesn't hold`,
        );
    }
  }
}
