import { WeftError } from '../errors.ts';

/*
 * A search space: which parameters there are, and which values each may have. It is plain data, the same for every method.
 */

/** What a parameter may be. */
export type ParameterValue = number | string | boolean;

/** Numbers from `low` to `high`, all equally likely. */
export interface Uniform {
  readonly kind: 'uniform';
  readonly low: number;
  readonly high: number;
  /** Values that a grid takes, at equal distances, `low` and `high` among them. Other methods pay no heed to it. */
  readonly steps?: number;
}

/** Numbers from `low` to `high` whose logarithm is uniform: as many between 0.001 and 0.01 as between 0.01 and 0.1. */
export interface LogUniform extends Omit<Uniform, 'kind'> {
  readonly kind: 'logUniform';
}

/** Whole numbers from `low` to `high`, both included. Without `steps`, a grid takes all of them. */
export interface Integer extends Omit<Uniform, 'kind'> {
  readonly kind: 'integer';
  /** Whether their logarithm is uniform, as nearly as whole numbers allow. Default false. */
  readonly log?: boolean;
}

/** One of some values, which have no order. */
export interface Choice<V extends ParameterValue = ParameterValue> {
  readonly kind: 'choice';
  readonly values: readonly V[];
}

/** A range of numbers. */
export type NumberDimension = Uniform | LogUniform | Integer;
/** What one parameter of a space may be. */
export type Dimension = NumberDimension | Choice;

/** Dimensions by the parameter's name. */
export type Space = Readonly<Record<string, Dimension>>;

/** A value for each parameter of a space. */
export type ParametersOf<S extends Space> = { readonly [Name in keyof S]: ValueOf<S[Name]> };

/** A value of a dimension. */
export type ValueOf<D> = D extends Choice<infer V> ? V : number;

/** What a grid takes of a range. */
export type GridOptions = Pick<Uniform, 'steps'>;

/**
 * Makes the dimensions of a search space. `low` and `high` are included; `steps` is what a grid takes of a range.
 *
 * @example
 * ```ts
 * import { space } from 'weft-gpu';
 *
 * const parameters = {
 *   learningRate: space.logUniform(1e-4, 1e-2, { steps: 5 }),
 *   dropout: space.uniform(0, 0.5, { steps: 3 }),
 *   units: space.integer(64, 512, { log: true, steps: 4 }),
 *   batchSize: space.choice([32, 64, 128]),
 * };
 * ```
 * @namespace
 */
export const space = {
  /** Numbers, all equally likely. */
  uniform: (low: number, high: number, options: GridOptions = {}): Uniform => ({
    kind: 'uniform',
    low,
    high,
    ...options,
  }),
  /** Numbers above 0 whose logarithm is uniform: for learning rates and penalties. */
  logUniform: (low: number, high: number, options: GridOptions = {}): LogUniform => ({
    kind: 'logUniform',
    low,
    high,
    ...options,
  }),
  /** Whole numbers; with `log`, their logarithm is uniform. */
  integer: (low: number, high: number, options: GridOptions & Pick<Integer, 'log'> = {}): Integer => ({
    kind: 'integer',
    low,
    high,
    ...options,
  }),
  /** One of some values, which have no order. */
  choice: <const V extends ParameterValue>(values: readonly V[]): Choice<V> => ({ kind: 'choice', values }),
};

/** Says what is wrong with a dimension, if anything. */
function faultOf(dimension: Dimension): string | undefined {
  if (dimension?.kind === 'choice') {
    const { values } = dimension;
    if (!Array.isArray(values) || values.length === 0) return 'a choice needs at least one value';
    const odd = values.find((value) => !['number', 'string', 'boolean'].includes(typeof value));
    if (odd !== undefined)
      return `a choice is among numbers, texts and booleans, got ${JSON.stringify(odd) ?? odd}`;
    if (new Set(values).size < values.length) return 'a choice names a value twice';
    return undefined;
  }
  if (!['uniform', 'logUniform', 'integer'].includes(dimension?.kind))
    return `of unknown kind ${JSON.stringify(dimension?.kind)}; known: uniform, logUniform, integer, choice`;
  const { kind, low, high, steps } = dimension;
  if (!Number.isFinite(low) || !Number.isFinite(high))
    return `its bounds must be numbers, got ${low} and ${high}`;
  if (kind === 'integer' ? low > high : low >= high)
    return `low must be less than high, got ${low} and ${high}`;
  if (kind === 'integer' && !(Number.isSafeInteger(low) && Number.isSafeInteger(high)))
    return `bounds of integers must be whole numbers, got ${low} and ${high}`;
  if (kind === 'logUniform' && low <= 0)
    return `the low end of a logarithmic range must be above 0, got ${low}`;
  if (kind === 'integer' && dimension.log && low < 1)
    return `the low end of a logarithmic range of integers must be at least 1, got ${low}`;
  if (steps !== undefined && !(Number.isSafeInteger(steps) && steps >= 2))
    return `steps must be a whole number from 2 on, got ${steps}`;
  return undefined;
}

/** @throws WeftError naming the parameter and what is wrong with its dimension */
export function checkSpace(space: Space): void {
  const dimensions = Object.entries(space);
  if (dimensions.length === 0) throw new WeftError('search: the space has no parameter');
  for (const [name, dimension] of dimensions) {
    const fault = faultOf(dimension);
    if (fault) throw new WeftError(`search: parameter '${name}': ${fault}`);
  }
}

/** Whether a value is one that a dimension has. */
export function includes(dimension: Dimension, value: ParameterValue): boolean {
  if (dimension.kind === 'choice') return dimension.values.includes(value);
  const isNumber = dimension.kind === 'integer' ? Number.isSafeInteger(value) : typeof value === 'number';
  return isNumber && Number(value) >= dimension.low && Number(value) <= dimension.high;
}
