import { type ClassGroups, type GroupedSet, groupClasses } from '../data/classGroups.ts';
import type { DataSet } from '../data/fashionMnist.ts';

/** A data set as an experiment takes it: whole, or by groups of its classes. */
export type ExperimentSet = DataSet & Partial<Pick<GroupedSet, 'classes' | 'numbers'>>;

/** Classes of the whole set: samples are chosen by them, so that networks of groups get those that others do. */
export const classesIn = ({ classes, labels }: ExperimentSet): Uint8Array => classes ?? labels;

/** A sample's number in the whole set. */
export const numberIn = ({ numbers }: ExperimentSet, sample: number): number => numbers?.[sample] ?? sample;

/** Training and test set by groups of their classes, if there are groups. */
export const groupSets = <D extends { readonly train: DataSet; readonly test: DataSet }>(
  data: D,
  groups: ClassGroups | undefined,
): D =>
  groups ? { ...data, train: groupClasses(data.train, groups), test: groupClasses(data.test, groups) } : data;
