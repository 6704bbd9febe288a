import type { DeadChannels } from '../../analysis/featureMaps.ts';
import { table } from '../../report/table.ts';

/** Numbers in words, runs of neighbours together: `0-3, 7`; `none`. @param most so many runs, at most, are written out */
export function listNumbers(numbers: readonly number[], most = Number.POSITIVE_INFINITY): string {
  const runs: [first: number, last: number][] = [];
  for (const number of numbers) {
    const run = runs.at(-1);
    if (run && number === run[1] + 1) run[1] = number;
    else runs.push([number, number]);
  }
  const words = runs.map(([first, last]) => (first === last ? `${first}` : `${first}-${last}`));
  if (words.length === 0) return 'none';
  return words.length <= most ? words.join(', ') : `${words.slice(0, most).join(', ')} ...`;
}

/** How many channels each layer has, how many of them are dead, and which. */
export function deadTable(layers: readonly DeadChannels[]): string {
  const rows = layers.map(({ layer, channels, dead }) => [
    layer,
    String(channels),
    String(dead.length),
    listNumbers(dead, 8),
  ]);
  return table(['layer', 'channels', 'dead', 'which'], rows);
}
