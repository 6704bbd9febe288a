import { readFile } from 'node:fs/promises';
import { WeftError } from '../../errors.ts';
import { checkSpace, type Dimension, type ParameterValue, type Space, space } from '../../search/space.ts';
import type { Experiment } from '../experiment.ts';
import { parseJson } from '../folder.ts';
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

/** Reads a space from a JSON file. @throws WeftError where it is none */
export async function readSpace(path: string): Promise<Space> {
  const file = await readFile(path).catch((error: Error) => {
    throw new WeftError(`--space ${path}: could not be read: ${error.message}`, { cause: error });
  });
  const read = parseJson<Space>(path, file);
  if (typeof read !== 'object' || read === null || Array.isArray(read))
    throw new WeftError(`--space ${path}: it must hold an object with a dimension for each setting`);
  return read;
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
