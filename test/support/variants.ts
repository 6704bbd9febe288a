import { type Candidate, choicesOf, listenToChoices } from '../../src/tensor/choices.ts';
import { currentGpu } from '../../src/tensor/device.ts';

/**
 * Runs `fn` with variants chosen by name. Where the name doesn't suit, `plain` takes its place: there always is one, it compiles fast, and
 * one shader serves all shapes.
 * @param nameFor the variant for a decision's key, of those that suit; undefined leaves it open
 */
export function withVariants<T>(
  nameFor: (key: string, offered: readonly Candidate[]) => string | undefined,
  fn: () => T,
): T {
  const choices = choicesOf(currentGpu());
  try {
    return listenToChoices(({ key, candidates }) => {
      const wanted = nameFor(key, candidates);
      if (wanted === undefined) return;
      const suits = candidates.some(({ name }) => name === wanted);
      choices.set(key, suits ? wanted : 'plain');
    }, fn);
  } finally {
    choices.clear();
  }
}
