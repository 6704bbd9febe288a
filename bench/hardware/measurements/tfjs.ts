/*
 * v5 in TensorFlow.js' WebGPU backend on the benchmark's adapter: a bundle of its own, since it is ten times the size of all else.
 */
import { v5 } from '../../../src/experiments/czerny/v5.ts';
import { openAdapter } from '../../../src/node/adapter.ts';
import { open } from '../../peers/tfjs.mjs';
import { RunContext, readGiven } from '../context.ts';
import { type Pace, paceOf } from '../pace.ts';

interface Row extends Pace {
  readonly step: 'training' | 'inference';
  readonly batch: number;
}

/** In order of worth. */
const STEPS: readonly [Row['step'], batch: number][] = [
  ['inference', 1],
  ['training', 64],
  ['inference', 512],
  ['training', 512],
  ['training', 128],
  ['training', 2048],
];

const context = new RunContext(await readGiven());
const largest = Math.max(...STEPS.map(([, batch]) => batch));
const size = 28 * 28;
const images = { size, data: Float32Array.from({ length: largest * size }, () => Math.random()) };
const labels = Array.from({ length: largest }, (_, i) => i % 10);
// Opened by the same rules as for Weft, so that both have the same adapter.
const opened = await openAdapter({ adapter: context.given.adapter });
const { about, trainStep, predict } = await open({
  config: v5.network(1).toConfig(),
  images,
  labels,
  learningRate: 3e-4,
  weights: undefined,
  adapter: opened.adapter,
});
const rows: Row[] = [];
for (const [step, batch] of STEPS) {
  if (context.secondsLeft < 0) {
    context.cut();
    break;
  }
  const pace = await paceOf(context, batch, () => (step === 'training' ? trainStep(batch) : predict(batch)));
  rows.push({ step, batch, ...pace });
  context.set({ tensorflowjs: { name: about.name, rows } });
}
process.stdout.write('', () => process.exit(0));
