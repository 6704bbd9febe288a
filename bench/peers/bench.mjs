/**
 * Whole steps of v5, Weft beside TensorFlow.js' WebGPU backend, on the same adapter in the same run: each side in a process of its
 * own, taking turns, so that whatever else the machine does meets both.
 *
 *   npm run bench:peers [-- --batch 64 --rounds 5 --json FILE]
 */
import { execFileSync, fork } from 'node:child_process';
import { existsSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { build } from 'esbuild';

const here = fileURLToPath(new URL('.', import.meta.url));
const { values: flags } = parseArgs({
  options: {
    batch: { type: 'string', default: '64' },
    rounds: { type: 'string', default: '5' },
    json: { type: 'string' },
  },
});
const batch = Number(flags.batch);
const rounds = Number(flags.rounds);
if (!(batch >= 1 && rounds >= 1))
  throw new Error(`--batch and --rounds must be at least 1, got ${flags.batch} and ${flags.rounds}`);

if (!existsSync(`${here}node_modules/@tensorflow/tfjs-core`)) {
  console.log('installing the peers (once) ...');
  execFileSync('npm', ['ci'], { cwd: here, stdio: 'inherit' });
}
const bundle = (entry, outfile) =>
  build({
    entryPoints: [entry],
    outfile,
    bundle: true,
    format: 'esm',
    platform: 'node',
    external: ['webgpu'],
    logLevel: 'warning',
  });
await bundle(`${here}weft.ts`, `${here}build/weft.mjs`);
await bundle(`${here}../../src/node/adapter.ts`, `${here}build/adapter.mjs`);
const { adapterEnvironment } = await import(`${here}build/adapter.mjs`);
const env = { ...process.env, ...(await adapterEnvironment()) };

/** A process that runs one side. */
class Side {
  constructor(modulePath) {
    this.process = fork(`${here}worker.mjs`, [modulePath], {
      env,
      stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
      serialization: 'advanced',
    });
    this.stderr = '';
    this.process.stderr.on('data', (text) => {
      this.stderr += text;
    });
    this.ready = this.answer();
  }

  answer() {
    return new Promise((resolve, reject) => {
      const ended = (code) => reject(new Error(`the process ended with ${code}: ${this.stderr}`));
      this.process.once('exit', ended);
      this.process.once('message', ({ result, error }) => {
        this.process.off('exit', ended);
        if (error) reject(new Error(error));
        else resolve(result);
      });
    });
  }

  async call(call, argument) {
    await this.ready;
    const answer = this.answer();
    this.process.send({ call, argument });
    return answer;
  }

  close() {
    this.process.kill();
  }
}

const median = (values) => [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)];
const spread = (values) => `${Math.min(...values).toFixed(0)}-${Math.max(...values).toFixed(0)}`;

const describer = new Side(`${here}build/weft.mjs`);
const { config, weights } = await describer.call('describe');
describer.close();

const size = batch * 28 * 28;
const images = {
  shape: [batch, 28, 28, 1],
  data: Float32Array.from(
    { length: size },
    (_, i) => 0.5 + 0.5 * Math.sin(i * 12.9898 + Math.floor(i / 784)),
  ),
};
const labels = Array.from({ length: batch }, (_, i) => i % 10);
const fixture = { config, weights, images, labels, learningRate: 1e-3 };
const sides = { weft: new Side(`${here}build/weft.mjs`), tfjs: new Side(`${here}tfjs.mjs`) };
try {
  const about = {};
  for (const [key, side] of Object.entries(sides)) about[key] = await side.call('open', fixture);
  console.log(`adapter: ${about.weft.adapter}; v5, batch ${batch}, ${rounds} rounds`);
  if (about.weft.adapter !== about.tfjs.adapter)
    throw new Error(`the sides use different adapters: ${about.weft.adapter} and ${about.tfjs.adapter}`);
  if (about.weft.parameters !== about.tfjs.parameters)
    throw new Error(`the models differ: ${about.weft.parameters} and ${about.tfjs.parameters} parameters`);

  // The same weights on the same images must predict the same: else the sides don't do the same work. These calls also warm up.
  const [weft, tfjs] = [(await sides.weft.call('predict')).value, (await sides.tfjs.call('predict')).value];
  const difference = weft.reduce((worst, value, i) => Math.max(worst, Math.abs(value - tfjs[i])), 0);
  console.log(`largest difference between the predicted probabilities: ${difference.toExponential(1)}`);
  if (!(difference < 1e-4)) throw new Error('the sides compute different things');
  for (const side of Object.values(sides)) for (let i = 0; i < 2; i++) await side.call('trainStep');

  const results = {};
  for (const call of ['trainStep', 'predict']) {
    const times = { weft: [], tfjs: [] };
    for (let round = 0; round < rounds; round++) {
      for (const [key, side] of Object.entries(sides)) times[key].push((await side.call(call)).ms);
    }
    const ratio = median(times.tfjs) / median(times.weft);
    results[call] = {
      ratio,
      ...Object.fromEntries(Object.entries(times).map(([key, ms]) => [key, { medianMs: median(ms), ms }])),
    };
    console.log(
      call === 'trainStep' ? 'training step (forward, backward, Adam, L2, dropout, batch-norm)' : 'inference',
    );
    for (const key of ['weft', 'tfjs']) {
      console.log(
        `  ${about[key].name.padEnd(28)} ${(median(times[key]) / batch).toFixed(1).padStart(8)} ms an image, median (step ${spread(times[key])} ms)`,
      );
    }
    console.log(`  ratio: ${ratio.toFixed(2)}`);
  }
  const { value: counts } = await sides.weft.call('creationCounts');
  console.log(
    `made by one recorded step of Weft: ${Object.entries(counts)
      .map(([name, count]) => `${count} ${name}`)
      .join(', ')}`,
  );
  if (flags.json)
    writeFileSync(
      flags.json,
      `${JSON.stringify({ adapter: about.weft.adapter, batch, date: new Date().toISOString(), peer: about.tfjs.name, difference, ...results, counts }, null, 2)}\n`,
    );
} finally {
  for (const side of Object.values(sides)) side.close();
}
