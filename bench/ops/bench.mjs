/**
 * Every op and each of its gradients beside TensorFlow.js' WebGPU backend on the same adapter in the same run, worst ratio first. Each
 * side is a process of its own and they take turns, so that whatever else the machine does meets both.
 *
 *   npm run bench:ops [-- --only OP,... --size small|large --rounds N --json FILE]
 *
 * A run of everything is kept in results/ops-ADAPTER.json, or in FILE; a run of a part in FILE alone.
 * Exits with 1 where the sides' values disagree, or Weft fails.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { installPeers, here as peers, prepareWeft, Side } from '../peers/side.mjs';
import { chosenOf, roundsOf } from '../shared/flags.mjs';
import { provenance } from '../shared/provenance.mjs';
import { uniformNumbers } from '../shared/random.mjs';
import { textOf } from '../shared/rows.mjs';
import { slugOf } from '../shared/slug.mjs';
import { difference, spreadOf } from '../shared/statistics.mjs';
import { inTurns } from '../shared/turns.mjs';
import { cases, nameOf, withoutCounterpart } from './cases.mjs';
import { between } from './draws.mjs';
import { summaryOf } from './summary.mjs';

const SIZES = ['small', 'large'];
const ROUNDS = 5;
/** Agreement of the two sides: the largest difference beside the largest value. */
const TOLERANCE = 1e-4;
/**
 * Milliseconds of a sample: so many for the faster side that waiting for the GPU weighs little, but no more than so many for the slower,
 * which would take minutes where it is a hundred times as slow.
 */
const SAMPLE_MS = { faster: 20, slower: 150 };
const MOST_CALLS = 4096;

const { values: flags } = parseArgs({
  options: {
    only: { type: 'string' },
    size: { type: 'string' },
    rounds: { type: 'string' },
    json: { type: 'string' },
  },
});
const chosen = chosenOf('--only', flags.only, [...new Set(cases.map(({ op }) => op))]);
const sizes = chosenOf('--size', flags.size, SIZES);
const rounds = roundsOf(flags.rounds) ?? ROUNDS;

const here = fileURLToPath(new URL('.', import.meta.url));
const { versions: own, ...about } = provenance();
installPeers();
const env = await prepareWeft({ weft: 'bench/ops/weft.ts' }, `${here}build`);

/** A side that the next case finds in a new process, where one ended its process. */
class Lasting {
  constructor(module) {
    this.module = module;
  }

  async open() {
    if (this.side?.process.connected) return;
    this.side = new Side(this.module, env);
    this.about = await this.side.call('open');
  }

  async call(call, argument) {
    return (await this.side.call(call, argument)).value;
  }

  close() {
    this.side?.close();
  }
}

const weft = new Lasting(`${here}build/weft.mjs`);
const peer = new Lasting(`${here}tfjs.mjs`);

/** What TensorFlow.js can't do: no fault of Weft's. */
class PeerError extends Error {}

const onPeer = (call, argument) =>
  peer.call(call, argument).catch((error) => {
    throw new PeerError(error.message.split('\n')[0], { cause: error });
  });

/** A case's tensors, the same in every run. */
function draw({ op, inputs, attributes = {} }, size) {
  const next = uniformNumbers(1);
  const count = (shape) => shape.reduce((a, b) => a * b, 1);
  const drawn = (shape, draw) => ({ shape, data: draw(count(shape), next) });
  const made = Object.fromEntries(
    Object.entries(inputs).map(([name, input]) => [name, drawn(input[size], input.draw)]),
  );
  const shapes = Object.fromEntries(Object.entries(made).map(([name, { shape }]) => [name, shape]));
  return {
    given: {
      op,
      inputs: made,
      attributes: typeof attributes === 'function' ? attributes(shapes, size) : attributes,
    },
    // A random cotangent: with a constant one some of the work could be left out.
    cotangentOf: (shape) => drawn(shape, between(-1, 1)),
  };
}

/** How many calls a sample is, on both sides alike. */
async function callsOf(pass) {
  // The first call also makes what later ones find.
  await weft.call('time', { ...pass, times: 1 });
  await onPeer('time', { ...pass, times: 1 });
  for (let times = 1; ; ) {
    const ms = [await weft.call('time', { ...pass, times }), await onPeer('time', { ...pass, times })];
    const missing = Math.min(SAMPLE_MS.faster / Math.min(...ms), SAMPLE_MS.slower / Math.max(...ms));
    if (missing <= 1.2 || times === MOST_CALLS) return times;
    // In steps: of one call, most is waiting.
    times = Math.min(MOST_CALLS, Math.ceil(times * Math.min(missing, 8)));
  }
}

/**
 * @param peerFault how TensorFlow.js is known to go wrong here
 * @returns the shape of the values, on which both sides agree, and their difference
 * @throws Error where they don't
 */
async function agree(pass, { of = (values) => values, tolerance = TOLERANCE } = {}, peerFault) {
  const found = await weft.call('values', pass);
  const wanted = await onPeer('values', pass);
  if (`${found.shape}` !== `${wanted.shape}`)
    throw new Error(`Weft gives [${found.shape}], TensorFlow.js [${wanted.shape}]`);
  const off = difference(of(found.data), of(wanted.data));
  if (off < tolerance) return { shape: found.shape, off };
  if (peerFault) throw new PeerError(peerFault);
  throw new Error(
    `the sides differ by ${off.toExponential(1)} of the largest value, at most ${tolerance} is right`,
  );
}

async function measure(pass, off) {
  const times = await callsOf(pass);
  const call = { ...pass, times };
  const [mine, others] = await inTurns(
    rounds,
    () => weft.call('time', call),
    () => onPeer('time', call),
  );
  const ratios = spreadOf(mine.map((ms, i) => others[i] / ms));
  const each = (all) => spreadOf(all.map((ms) => ms / times));
  return {
    value: ratios.median,
    suffix: 'x',
    better: 'higher',
    spread: ratios,
    unit: 'ms',
    weft: each(mine),
    beside: { name: peer.about.name, ...each(others) },
    calls: times,
    difference: off,
  };
}

const rows = [];
let failures = 0;

/** Adds a row: what `find` gives, or why there is nothing. */
async function addRow(named, find) {
  process.stdout.write(`${named.what} ... `);
  let row;
  try {
    row = { ...named, ...(await find()) };
    console.log(`${row.value.toPrecision(3)}x`);
  } catch (error) {
    const reason =
      error instanceof PeerError
        ? `TensorFlow.js: ${error.message}`
        : `failed: ${error.message.split('\n')[0]}`;
    row = { ...named, reason };
    console.log(reason);
    if (!(error instanceof PeerError)) {
      console.error(`${named.what}: ${error.stack}`);
      failures++;
    }
  }
  rows.push(row);
}

async function run(one, size) {
  await weft.open();
  await peer.open();
  if (weft.about.adapter !== peer.about.adapter)
    throw new Error(
      `${peer.about.name} uses another adapter: ${peer.about.adapter}, not ${weft.about.adapter}`,
    );
  const { given, cotangentOf } = draw(one, size);
  const named = (words) => ({
    key: `${nameOf(one)}, ${size}, ${words}`,
    what: `${nameOf(one)}, ${size}: ${words}`,
  });
  let shape;
  await addRow(named('forward'), async () => {
    await weft.call('prepare', given);
    await onPeer('prepare', given);
    const { shape: found, off } = await agree({}, one.agreement);
    shape = found;
    return measure({}, off);
  });
  if (!shape) return;
  const cotangent = cotangentOf(shape);
  for (const gradientOf of one.gradients)
    await addRow(named(`gradient of ${gradientOf}`), async () => {
      await weft.call('setCotangent', cotangent);
      await onPeer('setCotangent', cotangent);
      const { off } = await agree({ gradientOf }, one.agreement, one.peerFaults?.[gradientOf]);
      return measure({ gradientOf }, off);
    });
}

const start = performance.now();
try {
  for (const size of sizes)
    for (const one of cases.filter(({ op }) => chosen.includes(op))) await run(one, size);
} finally {
  weft.close();
  peer.close();
}

const { dependencies } = JSON.parse(readFileSync(`${peers}package.json`, 'utf8'));
const versions = {
  ...own,
  '@tensorflow/tfjs-backend-webgpu': dependencies['@tensorflow/tfjs-backend-webgpu'],
};
/** Rows without a figure come last. */
const rank = ({ value = Number.MAX_VALUE }) => value;
const result = {
  adapter: weft.about.adapter,
  ...about,
  versions,
  minutes: (performance.now() - start) / 60_000,
  withoutCounterpart,
  rows: rows.toSorted((a, b) => rank(a) - rank(b)),
};
console.log(`\n${textOf(result)}`);
console.log('\nwithout a counterpart in TensorFlow.js:');
for (const [op, why] of Object.entries(withoutCounterpart)) console.log(`  ${op}: ${why}`);
console.log(`\n${summaryOf(result)}; ${result.minutes.toFixed(1)} minutes`);

/** A row a line: there are hundreds. */
function jsonOf({ rows, ...head }) {
  const short = (_, value) => (typeof value === 'number' ? Number(value.toPrecision(5)) : value);
  const lines = rows.map((row) => `    ${JSON.stringify(row, short)}`);
  return `${JSON.stringify(head, short, 2).slice(0, -2)},\n  "rows": [\n${lines.join(',\n')}\n  ]\n}\n`;
}

const everything = flags.only === undefined && flags.size === undefined;
const kept = everything
  ? fileURLToPath(new URL(`../../results/ops-${slugOf(result.adapter)}.json`, import.meta.url))
  : undefined;
const file = flags.json ?? kept;
if (file) writeFileSync(file, jsonOf(result));
if (failures > 0) process.exitCode = 1;
