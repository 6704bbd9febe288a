/*
 * Kills a training run with SIGKILL again and again, goes on with it, and compares every safetensors file with those of a run that
 * nothing came in the way of:
 *
 *   npm run build && node test/experiments/killResume.mjs [--kills 5] [-- OPTIONS OF weft train v5]
 *
 * Each kill falls at a random moment of the time that the whole run took, measured from the start of its process; the moments
 * are printed. Ends with code 1 where a file differs.
 */
import { spawn } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const WEFT = fileURLToPath(new URL('../../dist/weft.js', import.meta.url));
const DEFAULT = ['--limit', '128', '--batch-size', '16', '--epochs', '4'];

const { values, positionals } = parseArgs({
  options: { kills: { type: 'string', default: '5' } },
  allowPositionals: true,
});
const kills = Number(values.kills);

/** Runs `weft train v5`, killed after some time if it is still at work. */
function train(args, killAfterMs) {
  const start = performance.now();
  const child = spawn(process.execPath, [WEFT, 'train', 'v5', ...args], {
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  const timer = killAfterMs === undefined ? undefined : setTimeout(() => child.kill('SIGKILL'), killAfterMs);
  return new Promise((resolve) => {
    child.on('close', (code, signal) => {
      clearTimeout(timer);
      resolve({ code, signal, ms: performance.now() - start });
    });
  });
}

const safetensors = (folder) =>
  new Map(
    readdirSync(folder, { recursive: true })
      .filter((name) => name.endsWith('.safetensors'))
      .sort()
      .map((name) => [name, readFileSync(join(folder, name))]),
  );

const folder = mkdtempSync(join(tmpdir(), 'weft-kill-'));
const [whole, killed] = [join(folder, 'whole'), join(folder, 'killed')];
/** Prints and remembers which files differ. */
function compare() {
  const [expected, got] = [safetensors(whole), safetensors(killed)];
  const differing = [...expected]
    .filter(([name, bytes]) => !got.get(name)?.equals(bytes))
    .map(([name]) => name);
  console.log(
    differing.length > 0
      ? `different: ${differing.join(', ')}`
      : `the same bytes: ${[...expected.keys()].join(', ')}`,
  );
  if (differing.length > 0) process.exitCode = 1;
}

try {
  const { code, ms } = await train([...(positionals.length > 0 ? positionals : DEFAULT), '--out', whole]);
  if (code !== 0) throw new Error(`the whole run ended with code ${code}`);
  console.log(`the whole run took ${(ms / 1000).toFixed(1)} s`);

  let begun = false;
  for (let done = 0; done < kills; ) {
    const after = ms * Math.random();
    const { code, signal } = await train(
      begun ? ['--resume', killed] : ['--like', whole, '--out', killed],
      after,
    );
    // Killed before its manifest, a run is begun again.
    begun = readdirSync(folder).includes('killed') && readdirSync(killed).includes('manifest.json');
    if (signal !== 'SIGKILL') {
      if (code !== 0) throw new Error(`a resumed run ended with code ${code}`);
      console.log('it was through before the next kill, and is begun anew');
      compare();
      rmSync(killed, { recursive: true });
      begun = false;
      continue;
    }
    done++;
    console.log(
      `kill ${done} after ${(after / 1000).toFixed(2)} s; there: ${begun ? readdirSync(killed).join(', ') : 'nothing'}`,
    );
  }
  const last = await train(begun ? ['--resume', killed] : ['--like', whole, '--out', killed]);
  if (last.code !== 0) throw new Error(`the last run ended with code ${last.code}`);

  compare();
} finally {
  rmSync(folder, { recursive: true });
}
