import type { Tensor } from '../tensor/tensor.ts';
import { launchUpdates, type Rule, type Update } from './shared/updates.ts';

/*
 * What is done to weights p beside an optimizer's step: copies `kept` of them, and their exponential moving average a.
 *
 *   keep      kept <- p
 *   perturb   kept <- p,  p <- p + scale * g
 *   restore   p <- kept, bit by bit, which taking off what was added would not give
 *   average   a <- decay * a + (1 - decay) * p
 *   swap      p <-> a
 */

const withoutGradient = { needsGradient: false, uniforms: {} } as const;
const keep: Rule = { ...withoutGradient, name: 'keep-weights', kinds: ['kept'], body: 'kept = p;' };
const restore: Rule = { ...withoutGradient, name: 'restore-weights', kinds: ['kept'], body: 'p = kept;' };
const perturb: Rule = {
  name: 'perturb-weights',
  kinds: ['kept'],
  scalars: ['scale'],
  body: 'kept = p; p += scale * g;',
};
const average: Rule = {
  ...withoutGradient,
  name: 'average-weights',
  kinds: ['average'],
  scalars: ['decay', 'renewal'],
  body: 'average = decay * average + renewal * p;',
};
const swap: Rule = {
  ...withoutGradient,
  name: 'swap-weights',
  kinds: ['average'],
  body: 'let weight = p; p = average; average = weight;',
};

/** Copies parameters to `state.kept`. */
export const keepWeights = (updates: readonly Update[]): void => launchUpdates(keep, updates);

/** Copies parameters to `state.kept`, then adds `scale` (f32 [1]) times their gradients to them. */
export const perturbWeights = (updates: readonly Update[], scale: Tensor): void =>
  launchUpdates(perturb, updates, { scalars: scale });

/** Copies `state.kept` back to the parameters; given `halt` (u32 [1]), only where that isn't 0. */
export const restoreWeights = (updates: readonly Update[], halt?: Tensor): void =>
  launchUpdates(restore, updates, { halt, onlyHalted: true });

/**
 * Takes the parameters into `state.average`.
 * @param rates f32 [2]: the share of the average that stays, and that of the parameters which comes in
 * @param halt u32 [1]: where it isn't 0, nothing changes
 */
export const averageWeights = (updates: readonly Update[], rates: Tensor, halt?: Tensor): void =>
  launchUpdates(average, updates, { scalars: rates, halt });

/** Exchanges parameters and `state.average`. */
export const swapWeights = (updates: readonly Update[]): void => launchUpdates(swap, updates);
