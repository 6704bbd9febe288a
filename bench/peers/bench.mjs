/**
 * Weft beside other libraries on the same adapter in the same run, with the bars that it must clear: steps of v5 beside
 * TensorFlow.js' WebGPU backend, one convolution beside jax-js. Each side is a process of its own and they take turns, so that
 * whatever else the machine does meets both.
 *
 *   npm run bench:peers [-- --only inference,single,train,batch,convolution --rounds N --json FILE]
 *
 * Exits with 1 where a bar is missed that must be cleared.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { chosenOf, roundsOf } from '../flags.mjs';
import { provenance } from '../provenance.mjs';
import { missed, textOf } from '../rows.mjs';
import { difference, spreadOf } from '../statistics.mjs';
import { inTurns } from '../turns.mjs';
import { GROUPS, TOLERANCE } from './parts.mjs';
import { here, installPeers, prepareWeft, Side } from './side.mjs';

const { values: flags } = parseArgs({
  options: { only: { type: 'string' }, rounds: { type: 'string' }, json: { type: 'string' } },
});
const nameOf = ({ key }) => key.split(' ')[0];
const names = [...new Set(GROUPS.flatMap(({ parts }) => parts.map(nameOf)))];
const chosen = chosenOf('--only', flags.only, names);
const rounds = roundsOf(flags.rounds);

const { versions: own, ...about } = provenance();
installPeers();
const env = await prepareWeft(
  { weft: `${here}weft.ts`, weftConvolution: `${here}weftConvolution.ts` },
  `${here}build`,
);

async function describe(module) {
  const side = new Side(`${here}${module}`, env);
  try {
    return await side.call('describe');
  } finally {
    side.close();
  }
}

/** Milliseconds for each of the things that a call does. */
async function time(sides, { side, call, argument, per, times = 1 }) {
  let total = 0;
  for (let i = 0; i < times; i++) total += (await sides[side].call(call, argument)).ms;
  return total / (times * per);
}

async function measure(part, sides, about) {
  const { key, what, unit, values, figure, must, aim, aimRate } = part;
  const beside = part.beside.side === 'peer' ? about.peer.name : 'Weft';
  console.log(`${what} ...`);
  let off;
  if (values) {
    const { value: found } = await sides.weft.call(...values);
    const { value: wanted } = await sides.peer.call(...values);
    off = difference(found, wanted);
    if (!(off < TOLERANCE)) throw new Error(`${what}: the sides differ by ${off} of the largest value`);
  }
  for (const one of [part.weft, part.beside]) await time(sides, { ...one, times: 1 });
  const turn = (one) => () => time(sides, one);
  const [weft, other] = await inTurns(rounds ?? part.rounds, turn(part.weft), turn(part.beside));
  const figureOf = (weftMs, otherMs) => (figure === 'speedup' ? otherMs / weftMs : weftMs / otherMs);
  // Of each round's two times: what slows the machine for a while slows both, where medians of each side may come from different whiles.
  const figures = spreadOf(weft.map((ms, i) => figureOf(ms, other[i])));
  const row = {
    key,
    what,
    value: figures.median,
    suffix: 'x',
    better: figure === 'speedup' ? 'higher' : 'lower',
    must,
    aim,
    spread: figures,
    unit,
    weft: spreadOf(weft),
    beside: { name: beside, ...spreadOf(other) },
    difference: off,
  };
  if (aimRate === undefined) return [row];
  const rate = { value: 1000 / row.weft.median, suffix: '/s', better: 'higher', aim: aimRate };
  return [row, { key: `${key} rate`, what, ...rate, unit, weft: row.weft }];
}

const rows = [];
let adapterInUse;

for (const { modules, fixture, parts } of GROUPS) {
  const wanted = parts.filter((part) => chosen.includes(nameOf(part)));
  if (wanted.length === 0) continue;
  const needed = new Set(wanted.flatMap(({ weft, beside }) => [weft.side, beside.side]));
  const sides = {};
  try {
    const given = await fixture(describe);
    const opened = {};
    for (const name of needed) {
      sides[name] = new Side(`${here}${modules[name]}`, env);
      opened[name] = await sides[name].call('open', given);
    }
    for (const { name, adapter, parameters } of Object.values(opened)) {
      adapterInUse ??= adapter;
      if (adapter !== adapterInUse)
        throw new Error(`${name} uses another adapter: ${adapter}, not ${adapterInUse}`);
      if (parameters !== opened.weft.parameters)
        throw new Error(`${name}'s model has ${parameters} parameters, Weft's ${opened.weft.parameters}`);
    }
    for (const part of wanted) rows.push(...(await measure(part, sides, opened)));
    if (wanted.some(({ key }) => key === 'train')) {
      const { value } = await sides.weft.call('creations', 64);
      const what = 'GPU objects made and values read back by one recorded training step';
      rows.push({ key: 'creations', what, value, suffix: '', better: 'lower', must: 0 });
    }
  } finally {
    for (const side of Object.values(sides)) side.close();
  }
}

const { dependencies } = JSON.parse(readFileSync(`${here}package.json`, 'utf8'));
const result = { adapter: adapterInUse, ...about, versions: { ...own, ...dependencies }, rows };

console.log(`\n${textOf(result)}`);
const differences = rows.flatMap((row) => row.difference ?? []);
if (differences.length > 0)
  console.log(
    `\nlargest difference of the sides' results beside the largest value: ${Math.max(...differences).toExponential(1)}`,
  );
if (flags.json) writeFileSync(flags.json, `${JSON.stringify(result, null, 2)}\n`);
for (const line of missed(rows)) {
  console.error(line);
  process.exitCode = 1;
}
