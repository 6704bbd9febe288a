/**
 * Weft beside other libraries on the same adapter in the same run, with the bars that it must clear: steps of v5 beside
 * TensorFlow.js' WebGPU backend, one convolution beside jax-js. Each side is a process of its own and they take turns, so that
 * whatever else the machine does meets both.
 *
 *   npm run bench:peers [-- --only inference,single,train,batch,convolution,before --before COMMIT --rounds N --json FILE]
 *
 * With --before, Weft as it was at that commit is one more side, and Weft of today must not be slower. Exits with 1 where a bar is
 * missed that must be cleared.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { chosenOf, roundsOf } from '../shared/flags.mjs';
import { provenance } from '../shared/provenance.mjs';
import { missed, textOf } from '../shared/rows.mjs';
import { difference, spreadOf } from '../shared/statistics.mjs';
import { inTurns } from '../shared/turns.mjs';
import { commitOf, prepareBefore } from './before.mjs';
import { BEFORE, GROUPS, LEAST_ROUNDS_BESIDE_BEFORE, TOLERANCE } from './parts.mjs';
import { here, installPeers, prepareWeft, Side, WEFT } from './side.mjs';

const { values: flags } = parseArgs({
  options: {
    only: { type: 'string' },
    before: { type: 'string' },
    rounds: { type: 'string' },
    json: { type: 'string' },
  },
});
const nameOf = ({ key }) => key.split(' ')[0];
const names = [...new Set(GROUPS.flatMap(({ parts }) => parts.map(nameOf)))];
const chosen = chosenOf('--only', flags.only, names).filter(
  (name) => flags.only !== undefined || name !== 'before' || flags.before !== undefined,
);
const besideBefore = chosen.includes('before');
if (besideBefore !== (flags.before !== undefined))
  throw new Error(
    besideBefore
      ? "--only: the part 'before' needs --before COMMIT"
      : `--before: it is for the part 'before', but --only chooses ${chosen.join(', ')}`,
  );
const rounds = roundsOf(flags.rounds);
if (besideBefore && rounds < LEAST_ROUNDS_BESIDE_BEFORE)
  throw new Error(
    `--rounds must be at least ${LEAST_ROUNDS_BESIDE_BEFORE} with --before, got ${rounds}: fewer are no verdict`,
  );
const before = besideBefore ? commitOf(flags.before) : undefined;

const { versions: own, ...about } = provenance();
installPeers();
const env = await prepareWeft(WEFT, `${here}build`);
if (before) await prepareBefore(before, `${here}${BEFORE}`);

async function describe(module) {
  const side = new Side(`${here}${module}`, env);
  try {
    return await side.call('describe');
  } finally {
    side.close();
  }
}

/** Milliseconds for each of the things that so many calls do. */
async function time(sides, { side, call, argument, per }, times = 1) {
  let total = 0;
  for (let i = 0; i < times; i++) total += (await sides[side].call(call, argument)).ms;
  return total / (times * per);
}

/** Adds so many rounds to what was measured of a part. */
async function measure({ what, weft, beside, values, turnMs }, sides, count, measured) {
  if (values) {
    const { value: found } = await sides.weft.call(...values);
    const { value: wanted } = await sides[beside.side].call(...values);
    const off = difference(found, wanted);
    if (!(off < TOLERANCE)) throw new Error(`${what}: the sides differ by ${off} of the largest value`);
    measured.difference = Math.max(off, measured.difference ?? 0);
  }
  for (const one of [weft, beside]) await time(sides, one);
  // As many calls on both sides.
  const calls = turnMs && Math.ceil(turnMs / (weft.per * (await time(sides, weft))));
  const turn = (one) => () => time(sides, one, calls ?? one.times);
  const [weftMs, besideMs] = await inTurns(count, turn(weft), turn(beside));
  measured.weft.push(...weftMs);
  measured.beside.push(...besideMs);
}

function rowsOf({ key, what, unit, figure, must, aim, aimRate }, { weft, beside, difference }, name) {
  const figureOf = (weftMs, otherMs) => (figure === 'speedup' ? otherMs / weftMs : weftMs / otherMs);
  // Of each round's two times: what slows the machine for a while slows both, where medians of each side may come from different whiles.
  const figures = spreadOf(weft.map((ms, i) => figureOf(ms, beside[i])));
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
    beside: { name, ...spreadOf(beside) },
    difference,
  };
  if (aimRate === undefined) return [row];
  const rate = { value: 1000 / row.weft.median, suffix: '/s', better: 'higher', aim: aimRate };
  return [row, { key: `${key} rate`, what, ...rate, unit, weft: row.weft }];
}

const rows = [];
let adapterInUse;

/** Starts a process for each of the modules, and runs `use` with them. */
async function withSides(modules, given, use) {
  const sides = {};
  try {
    const opened = {};
    for (const [name, module] of modules) {
      sides[name] = new Side(`${here}${module}`, env);
      opened[name] = await sides[name].call('open', given);
    }
    if (opened.before) opened.before.name += ` at ${before}`;
    for (const { name, adapter, parameters } of Object.values(opened)) {
      adapterInUse ??= adapter;
      if (adapter !== adapterInUse)
        throw new Error(`${name} uses another adapter: ${adapter}, not ${adapterInUse}`);
      if (parameters !== opened.weft.parameters)
        throw new Error(`${name}'s model has ${parameters} parameters, Weft's ${opened.weft.parameters}`);
    }
    await use(sides, opened);
  } finally {
    for (const side of Object.values(sides)) side.close();
  }
}

for (const { modules, fixture, parts, openings = 1 } of GROUPS) {
  const wanted = parts.filter((part) => chosen.includes(nameOf(part)));
  if (wanted.length === 0) continue;
  const needed = new Set(wanted.flatMap(({ weft, beside }) => [weft.side, beside.side]));
  const modulesNeeded = Object.entries(modules).filter(([name]) => needed.has(name));
  const given = await fixture(describe);
  const measured = new Map(wanted.map((part) => [part, { weft: [], beside: [] }]));
  const names = {};
  let creations;
  for (let opening = 0; opening < openings; opening++) {
    const order = opening % 2 === 0 ? modulesNeeded : modulesNeeded.toReversed();
    await withSides(order, given, async (sides, opened) => {
      for (const name of needed) names[name] = opened[name].name;
      for (const part of wanted) {
        console.log(`${part.what}${openings > 1 ? `, ${opening + 1} of ${openings}` : ''} ...`);
        await measure(part, sides, Math.ceil((rounds ?? part.rounds) / openings), measured.get(part));
      }
      if (wanted.some(({ key }) => key === 'train'))
        creations = (await sides.weft.call('creations', 64)).value;
    });
  }
  for (const part of wanted) rows.push(...rowsOf(part, measured.get(part), names[part.beside.side]));
  if (creations !== undefined) {
    const what = 'GPU objects made and values read back by one recorded training step';
    rows.push({ key: 'creations', what, value: creations, suffix: '', better: 'lower', must: 0 });
  }
}

const { dependencies } = JSON.parse(readFileSync(`${here}package.json`, 'utf8'));
const result = { adapter: adapterInUse, ...about, before, versions: { ...own, ...dependencies }, rows };

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
