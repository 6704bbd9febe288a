import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';

const program = fileURLToPath(new URL('../../bench/peers/bench.mjs', import.meta.url));

describe('npm run bench:peers', () => {
  it.each([
    [['--only', 'before'], "--only: the part 'before' needs --before COMMIT"],
    [
      ['--only', 'train', '--before', 'HEAD'],
      "--before: it is for the part 'before', but --only chooses train",
    ],
    [
      ['--before', 'HEAD', '--rounds', '20'],
      '--rounds must be at least 21 with --before, got 20: fewer are no verdict',
    ],
    [['--before', 'no-such-commit'], "--before: there is no commit 'no-such-commit'"],
    [
      ['--only', 'befor'],
      "--only: there is no 'befor'; there are inference, single, train, batch, convolution, before",
    ],
  ])('refuses %j before it builds anything', (options, message) => {
    const { status, stdout, stderr } = spawnSync(process.execPath, [program, ...options], {
      encoding: 'utf8',
    });
    expect(stderr).toContain(`Error: ${message}`);
    expect([status, stdout]).toEqual([1, '']);
  });
});
