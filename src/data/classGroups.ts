import { WeftError } from '../errors.ts';
import type { ImageSet } from './batchSource.ts';

/** What a network of its own takes for one class each: groups of a data set's classes. Classes of no group are left out. */
export type ClassGroups = readonly (readonly number[])[];

/** A data set by groups of its classes. */
export interface GroupedSet extends ImageSet {
  /** The samples' numbers in the set that was grouped. */
  readonly numbers: Uint32Array;
  /** Their classes there. */
  readonly classes: Uint8Array;
}

/**
 * The samples of a data set whose classes are in a group, with the group's number for their label. A group of several classes is called by
 * their names with ` + ` between them. Pixels are copied only where samples are left out.
 * @throws WeftError where a group is empty, a class is in two, or is none
 * @example
 * ```ts
 * import { groupClasses } from 'weft-gpu';
 *
 * const size = { height: 1, width: 1, channels: 1 };
 * const set = { ...size, count: 3, images: Uint8Array.of(7, 8, 9), labels: Uint8Array.of(0, 1, 2), classNames: ['cat', 'dog', 'car'] };
 * const { labels, classNames } = groupClasses(set, [[0, 1], [2]]);
 * console.log(labels, classNames); // [0, 0, 1] ['cat + dog', 'car']
 * ```
 */
export function groupClasses(set: ImageSet, groups: ClassGroups): GroupedSet {
  const { labels, classNames, height, width, channels } = set;
  checkGroups('groupClasses', groups, classNames.length);
  const groupOf = new Map(groups.flatMap((group, number) => group.map((label) => [label, number] as const)));
  const numbers = Uint32Array.from(labels, (_, i) => i).filter((i) => groupOf.has(labels[i]));
  const size = height * width * channels;
  let { images } = set;
  if (numbers.length < set.count) {
    images = new Uint8Array(numbers.length * size);
    numbers.forEach((from, to) => {
      images.set(set.images.subarray(from * size, (from + 1) * size), to * size);
    });
  }
  return {
    ...set,
    images,
    labels: Uint8Array.from(numbers, (i) => groupOf.get(labels[i])!),
    count: numbers.length,
    classNames: groupNames(classNames, groups),
    numbers,
    classes: Uint8Array.from(numbers, (i) => labels[i]),
  };
}

/** What groups are called: by the names of their classes. */
export const groupNames = (classNames: readonly string[], groups: ClassGroups): string[] =>
  groups.map((group) => group.map((label) => classNames[label]).join(' + '));

/** @throws WeftError where a group is empty, or names what is no class or is in two groups. */
export function checkGroups(op: string, groups: ClassGroups, classes: number): void {
  if (groups.length === 0) throw new WeftError(`${op}: there are no groups of classes`);
  const seen = new Set<number>();
  groups.forEach((group, number) => {
    if (group.length === 0) throw new WeftError(`${op}: group ${number} has no classes`);
    for (const label of group) {
      if (!(Number.isInteger(label) && label >= 0 && label < classes))
        throw new WeftError(`${op}: group ${number} names ${label}; classes are from 0 to ${classes - 1}`);
      if (seen.has(label)) throw new WeftError(`${op}: class ${label} is named twice`);
      seen.add(label);
    }
  });
}
