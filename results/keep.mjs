// Brings what a run came to into one file: node results/keep.mjs RUN "how it was run" > results/NAME.json
// Of a search or an ensemble, its search.json or ensemble.json is kept: node results/keep.mjs SEARCH "how it was run" > results/search-NAME.json
// Of a run that was stopped, the test comes from a third argument: what `weft evaluate RUN --full-test --json FILE` wrote.
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';

const [run, what, evaluation] = process.argv.slice(2);
if (!run || !what) throw new Error('usage: node results/keep.mjs RUN "what was run, and on what machine"');
const read = (name) => JSON.parse(readFileSync(join(run, name), 'utf8'));
// Where a user's home is, is nobody's business.
const withoutHome = (value) => JSON.parse(JSON.stringify(value).replaceAll(homedir(), '~'));
const kind = ['search', 'ensemble', 'manifest'].find((name) => existsSync(join(run, `${name}.json`)));
const file = withoutHome(read(`${kind}.json`));
const outcome = () => ({
  epochs: read('history.json').epochs,
  result: evaluation ? JSON.parse(readFileSync(evaluation, 'utf8'))[0] : read('result.json'),
});
const kept = {
  what,
  commit: execFileSync('git', ['rev-parse', '--short', 'HEAD'], { encoding: 'utf8' }).trim(),
  date: (file.created ?? file.made).slice(0, 10),
  [kind]: file,
  ...(kind === 'manifest' && outcome()),
};
process.stdout.write(`${JSON.stringify(kept, null, 2)}\n`);
