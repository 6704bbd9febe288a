import type { Random } from '../reference/array64.ts';
import type { WindowAttrs } from '../reference/windows.ts';

/** Windows up to 4x4 over images of at least 5x5, with any kind of padding. */
export function drawWindows(random: Random): WindowAttrs {
  const below = (limit: number) => random.integers(1, limit)[0];
  const poolSize = [1 + below(4), 1 + below(4)] as const;
  const before = [below(poolSize[0]), below(poolSize[1])] as const;
  const after = [below(poolSize[0]), below(poolSize[1])] as const;
  const paddings: readonly WindowAttrs['padding'][] = [
    'same',
    'valid',
    Math.min(...before),
    before,
    [
      [before[0], after[0]],
      [before[1], after[1]],
    ],
  ];
  return {
    poolSize,
    strides: [1 + below(4), 1 + below(4)],
    padding: paddings[below(paddings.length)],
    ceilMode: below(2) === 1,
  };
}
