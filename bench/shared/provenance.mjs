import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../..', import.meta.url));

/** Of what, on what and when a result is: read it before anything is built, whatever is edited while that runs. */
export function provenance() {
  const git = (...args) => execFileSync('git', args, { cwd: root, encoding: 'utf8' }).trim();
  const changed = git('status', '--porcelain', '--untracked-files=no', '--', ':/src', ':/bench');
  return {
    cores: availableParallelism(),
    date: new Date().toISOString(),
    commit: `${git('rev-parse', '--short', 'HEAD')}${changed ? ' and changes' : ''}`,
    versions: {
      weft: JSON.parse(readFileSync(`${root}package.json`, 'utf8')).version,
      node: process.version,
    },
  };
}
