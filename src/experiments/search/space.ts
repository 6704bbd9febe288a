import * as v from 'valibot';
import { WeftError } from '../../errors.ts';
import { dictionary, finiteNumber, type Schema, wholeNumber } from '../../schema.ts';
import { checkSpace, type Dimension, type ParameterValue, type Space, space } from '../../search/space.ts';
import type { Experiment } from '../experiment.ts';
import { flag, list } from '../fields.ts';
import { readJson } from '../jsonFile.ts';
import { parameterValue } from '../manifest.ts';
import type { OpenPreset } from '../presets.ts';
import { withNetworkSettings, withRecipeSettings } from '../settings.ts';

const BATCH_SIZES = [32, 64, 128, 256];

/** From a tenth of a value to ten times as much. */
function decadesAround(value: number, steps: number): Dimension {
  const [low, high] = [value / 10, value * 10].map((bound) => Number(bound.toPrecision(12)));
  return space.logUniform(low, high, { steps });
}

/** What is searched where nothing else is said: the settings that a recipe and its network have, around the values that they have there. */
export function defaultSpace(
  experiment: Experiment,
  { optimizer, trainingImages }: OpenPreset,
  limit = Number.POSITIVE_INFINITY,
): Space {
  const images = trainingImages === 'measured' ? limit : trainingImages;
  const { layers } = experiment.network(0);
  const hasDropout = layers.some(({ kind }) => kind === 'dropout');
  const l2 = layers.flatMap(({ penalties }) => penalties.map((penalty) => penalty.l2))[0];
  const sizes = BATCH_SIZES.filter((size) => size <= images);
  return {
    'optimizer.learningRate': decadesAround(optimizer.learningRate, 5),
    ...(optimizer.name === 'SGD' && optimizer.momentum
      ? { 'optimizer.momentum': space.uniform(0.8, 0.99, { steps: 3 }) }
      : {}),
    ...(optimizer.weightDecay ? { 'optimizer.weightDecay': decadesAround(optimizer.weightDecay, 3) } : {}),
    ...(sizes.length > 1 ? { batchSize: space.choice(sizes) } : {}),
    ...(hasDropout ? { dropout: space.uniform(0, 0.6, { steps: 4 }) } : {}),
    ...(l2 ? { l2: decadesAround(l2, 3) } : {}),
  };
}

const ends = { low: finiteNumber, high: finiteNumber, steps: v.optional(wholeNumber({ min: 2, max: 1e6 })) };

const dimension: Schema<Dimension> = v.variant(
  'kind',
  [
    v.object({ kind: v.literal('uniform'), ...ends }),
    v.object({ kind: v.literal('logUniform'), ...ends }),
    v.object({ kind: v.literal('integer'), ...ends, log: v.optional(flag) }),
    v.object({ kind: v.literal('choice'), values: list(parameterValue, 1000) }),
  ],
  "'uniform', 'logUniform', 'integer' or 'choice'",
);

/** A space as a file holds it, which `checkSpace` may still refuse. */
export const spaceSchema: Schema<Space> = dictionary(dimension);

/** Reads a space from a JSON file. @throws WeftError where it is none */
export async function readSpace(path: string): Promise<Space> {
  const read = await readJson(path, spaceSchema);
  if (read) return read;
  throw new WeftError(`--space ${path}: there is no such file`);
}

/** The values of a dimension between which all others lie. */
const endsOf = (dimension: Dimension): readonly ParameterValue[] =>
  dimension.kind === 'choice' ? dimension.values : [dimension.low, dimension.high];

/**
 * Checks that an experiment has what a space names, and takes its outermost values.
 * @throws WeftError naming the setting, and those that there are
 */
export function checkSettingsSpace(experiment: Experiment, preset: OpenPreset, searched: Space): void {
  checkSpace(searched);
  const first = Object.fromEntries(Object.entries(searched).map(([name, of]) => [name, endsOf(of)[0]]));
  for (const [name, dimension] of Object.entries(searched)) {
    for (const value of endsOf(dimension)) {
      const settings = { ...first, [name]: value };
      withRecipeSettings(preset, settings);
      withNetworkSettings(experiment, settings).network(0);
    }
  }
}
