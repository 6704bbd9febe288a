/**
 * Measures what the README's performance table says, and writes the table from it.
 *
 *   npm run bench:readme [-- --only PART,...] [--rounds N]
 *
 * Options are those of `npm run bench:peers`; the parts it chooses replace their rows in results/performance-ADAPTER.json, with
 * `profile` for what `weft profile v5` says. The table stands in the README between two comments, made from that file.
 */
import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { provenance } from './shared/provenance.mjs';
import { markdownOf } from './shared/rows.mjs';
import { slugOf } from './shared/slug.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));
const START = '<!-- performance: written by `npm run bench:readme` -->';
const END = '<!-- performance end -->';

const { values: flags } = parseArgs({ options: { only: { type: 'string' }, rounds: { type: 'string' } } });
const only = flags.only?.split(',');
const peers = only?.filter((part) => part !== 'profile');
const folder = mkdtempSync(join(tmpdir(), 'weft-bench-'));

/** Runs a program that writes its result as JSON; a missed bar (exit code 1) is a result as well. */
function measure(name, args) {
  const file = join(folder, `${name}.json`);
  const { status } = spawnSync(process.execPath, [...args, '--json', file], { cwd: root, stdio: 'inherit' });
  if (!existsSync(file)) throw new Error(`${name} ended with ${status} and no result`);
  return JSON.parse(readFileSync(file, 'utf8'));
}

/** What `weft profile` says of training steps, with the bars that they must clear. */
function profile() {
  const about = provenance();
  execFileSync('npm', ['run', '--silent', 'build:cli'], { cwd: root, stdio: 'inherit' });
  const of = (batch) => measure(`profile-${batch}`, ['dist/weft.js', 'profile', 'v5', '--batch', `${batch}`]);
  const [step, large] = [of(64), of(512)];
  const lower = { better: 'lower' };
  const rows = [
    {
      key: 'outside',
      what: 'share of a v5 training step, batch 64, outside 3x3 convolutions',
      value: 100 * (1 - step.shareOf3x3),
      suffix: ' %',
      ...lower,
      must: 30,
      aim: 15,
    },
    {
      key: 'memory',
      what: 'memory of a v5 training step, batch 512',
      value: large.memory.allocatedBytes / 2 ** 20,
      suffix: ' MiB',
      ...lower,
      must: 600,
      aim: 450,
    },
  ];
  return { adapter: step.adapter, ...about, rows };
}

const found = [];
try {
  if (!peers || peers.length > 0) {
    const options = [
      ...(peers ? ['--only', peers.join(',')] : []),
      ...(flags.rounds ? ['--rounds', flags.rounds] : []),
    ];
    found.push(measure('peers', ['bench/peers/bench.mjs', ...options]));
  }
  if (!only || only.includes('profile')) found.push(profile());
} finally {
  rmSync(folder, { recursive: true });
}
const { adapter, cores } = found[0];
const path = join(root, 'results', `performance-${slugOf(adapter)}.json`);
const rows = new Map(
  existsSync(path) ? JSON.parse(readFileSync(path, 'utf8')).rows.map((row) => [row.key, row]) : [],
);
for (const { date, commit, versions, rows: measured } of found)
  for (const row of measured) rows.set(row.key, { ...row, date, commit, versions });
const performance = { adapter, cores, rows: [...rows.values()] };
writeFileSync(path, `${JSON.stringify(performance, null, 2)}\n`);

const readme = readFileSync(join(root, 'README.md'), 'utf8');
const [start, end] = [readme.indexOf(START), readme.indexOf(END)];
if (start < 0 || end < start) throw new Error(`README.md has no place for the table: ${START} ... ${END}`);
writeFileSync(
  join(root, 'README.md'),
  `${readme.slice(0, start + START.length)}\n\n${markdownOf(performance)}\n\n${readme.slice(end)}`,
);
console.log(`wrote ${path} and the README's table`);
