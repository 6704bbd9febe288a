import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { bundle, root, WEFT } from './side.mjs';

const git = (...args) => spawnSync('git', args, { cwd: root, encoding: 'utf8' });

/** The short name of an earlier commit, which must have Weft's sides. */
export function commitOf(commit) {
  const found = git('rev-parse', '--verify', '--quiet', '--short', `${commit}^{commit}`);
  if (found.status !== 0) throw new Error(`--before: there is no commit '${commit}'`);
  const name = found.stdout.trim();
  const missing = Object.values(WEFT).find((file) => git('cat-file', '-e', `${name}:${file}`).status !== 0);
  if (missing !== undefined) throw new Error(`--before: commit ${name} has no ${missing}`);
  return name;
}

/**
 * Builds Weft's sides as they were at a commit, with the bundler and the packages of today.
 *
 * They share the store of tuned choices with today's. So where both offer the same candidates, both run the same one, and a kernel is
 * compared with its own past: two that are nearly as fast, chosen by each side anew, would change places by chance.
 */
export async function prepareBefore(commit, outdir) {
  rmSync(outdir, { recursive: true, force: true });
  // Below the working tree, where packages are found, and gone afterwards: it is no part of what is checked there.
  const checkout = join(outdir, 'checkout');
  mkdirSync(checkout, { recursive: true });
  try {
    const tar = execFileSync('git', ['archive', '--format=tar', commit], { cwd: root, maxBuffer: Infinity });
    execFileSync('tar', ['-x', '-C', checkout], { input: tar });
    await bundle(checkout, WEFT, outdir);
  } finally {
    rmSync(checkout, { recursive: true });
  }
}
