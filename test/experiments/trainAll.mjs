// Trains every experiment a little and says whether its loss falls: node test/experiments/trainAll.mjs [NAME...] (after `npm run build:cli`).
// Networks of up to 120 million multiply-adds: 2 epochs on 512 images, in batches of 32; larger ones: 10 steps on one batch of 8; InceptionV3: 3 steps on
// one of 4, all layers from random weights.
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const weft = fileURLToPath(new URL('../../dist/weft.js', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'weft-train-all-'));
const rows = execFileSync('node', [weft, 'models'], { encoding: 'utf8' })
  .split('\n')
  .slice(2)
  .map((line) => line.trim().split(/ {2,}/))
  .filter((cells) => cells.length > 5);

/** One batch, again and again: an epoch is a step. */
const oneBatch = (size, steps) => ['--limit', size, '--batch-size', size, '--epochs', steps, '--no-augment'];

function optionsFor(name, multiplyAdds) {
  if (name === 'inceptionV3') return [...oneBatch(4, 3), '--unfrozen'];
  return multiplyAdds > 120 ? oneBatch(8, 10) : ['--limit', 512, '--epochs', 2, '--batch-size', 32];
}

let failed = false;
const wanted = process.argv.slice(2);
for (const cells of rows) {
  const [name] = cells;
  if (wanted.length > 0 && !wanted.includes(name)) continue;
  const multiplyAdds = Number.parseFloat(cells.find((cell) => / M$/.test(cell)));
  const out = join(folder, name);
  const options = ['--preset', 'recipe', '--repeats', 1, '--seed', 1, '--no-tune', '--out', out];
  const started = Date.now();
  const ended = spawnSync('node', [weft, 'train', name, ...options, ...optionsFor(name, multiplyAdds)], {
    encoding: 'utf8',
  });
  const seconds = ((Date.now() - started) / 1000).toFixed(0);
  let losses = [];
  if (ended.status === 0) {
    const { epochs } = JSON.parse(readFileSync(join(out, 'history.json'), 'utf8'));
    losses = epochs.map(({ loss }) => loss);
  }
  const falls = losses.length > 1 && losses[losses.length - 1] < losses[0];
  failed ||= !falls;
  const figures = losses.map((loss) => loss.toFixed(4)).join(' ');
  console.log(
    `${name.padEnd(16)} ${falls ? 'falls' : 'FAILS'}  ${figures}  ${seconds} s${ended.status === 0 ? '' : `\n${ended.stderr}`}`,
  );
}
rmSync(folder, { recursive: true });
process.exitCode = failed ? 1 : 0;
