import { createRandom, type Random } from '../reference/array64.ts';
import { again, seed } from './seed.ts';

/** One random case of a property test. */
export interface Draw {
  /** Values; the same for the same seed, name and number. */
  readonly random: Random;
  /** What failed and how to see it again: belongs into every message. */
  readonly label: string;
  /** A whole number from `low` to `high`, both included. */
  int(low: number, high: number): number;
  pick<T>(choices: readonly T[]): T;
  chance(probability: number): boolean;
  /** An extent of an axis: often 1, often odd, sometimes as large as `largest`. */
  extent(largest?: number): number;
  /** A shape of `rank` axes with at most `elements` elements. */
  shape(rank: number, elements?: number): number[];
}

/** FNV-1a, so that each test has cases of its own. */
function hash(text: string): number {
  let value = 0x811c9dc5;
  for (const character of text) value = Math.imul(value ^ character.charCodeAt(0), 0x01000193);
  return value >>> 0;
}

function draw(name: string, number: number): Draw {
  const random = createRandom(hash(`${seed} ${name} ${number}`));
  const int = (low: number, high: number): number => low + random.integers(1, high - low + 1)[0];
  const chance = (probability: number): boolean => random.integers(1, 2 ** 20)[0] < probability * 2 ** 20;
  const extent = (largest = 40): number =>
    chance(0.2) ? 1 : chance(0.6) ? int(1, Math.min(largest, 9)) : int(1, largest);
  const shape = (rank: number, elements = 4000): number[] => {
    const extents: number[] = [];
    let left = elements;
    for (let axis = 0; axis < rank; axis++) {
      extents.push(extent(Math.max(1, Math.min(40, left))));
      left = Math.floor(left / extents[axis]);
    }
    return extents;
  };
  return {
    random,
    label: `${name}, case ${number} (${again})`,
    int,
    chance,
    extent,
    shape,
    pick: (choices) => choices[int(0, choices.length - 1)],
  };
}

/** `count` random cases for the property `name`. */
export const draws = (name: string, count: number): Draw[] =>
  Array.from({ length: count }, (_, number) => draw(name, number));
