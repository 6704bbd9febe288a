import fs from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { SearchManifest } from '../../src/experiments/search/folder.ts';
import {
  buildWeft,
  type Ended,
  errorOf,
  killOnceThere,
  safetensorsOf,
  signalAfter,
  temporaryFolder,
  weft,
} from './weft.ts';

const TIMEOUT = 300_000;

let folder: string;
/** A search that nothing came in the way of: a grid of four trials of a tiny network, half of which diverge. */
let whole: Ended;
let spaceFile: string;
const path = (name: string) => join(folder, name);
const search = (...args: string[]) => ['search', 'twoConv', ...args];
const readSearch = async (name: string): Promise<SearchManifest> =>
  JSON.parse(await fs.readFile(join(path(name), 'search.json'), 'utf8'));
const begin = (name: string) =>
  search(
    ...['--method', 'grid', '--space', spaceFile, '--set', 'width=4', '--limit', '32', '--epochs', '3'],
    ...['--no-tune', '--seed', '5', '--out', path(name)],
  );

beforeAll(async () => {
  await buildWeft();
  folder = await temporaryFolder();
  spaceFile = path('space.json');
  await fs.writeFile(
    spaceFile,
    JSON.stringify({
      'optimizer.learningRate': { kind: 'choice', values: [1e-3, 1e30] },
      dropout: { kind: 'uniform', low: 0, high: 0.5, steps: 2 },
    }),
  );
  whole = await weft(begin('whole'));
}, TIMEOUT);
afterAll(() => fs.rm(folder, { recursive: true }));

describe('weft search', () => {
  it('trains each trial, goes on after those that diverge, and says which is the best', async () => {
    expect(errorOf(whole)).toBe('');
    expect(whole.code).toBe(0);
    const { trials } = await readSearch('whole');
    expect(trials.map(({ number, state }) => [number, state])).toEqual(
      trials.map(({ parameters }, i) => [
        i + 1,
        parameters['optimizer.learningRate'] === 1e30 ? 'failed' : 'complete',
      ]),
    );
    const complete = trials.filter(({ state }) => state === 'complete');
    expect([trials.length, complete.length]).toEqual([4, 2]);
    for (const { message, state } of trials)
      if (state === 'failed') expect(message).toMatch(/^the loss is (NaN|-?Infinity) at epoch \d/);
    const best = complete.reduce((best, trial) => (trial.value! > best.value! ? trial : best));
    const { dropout } = best.parameters;
    const facts = [
      /^4 trials by grid over optimizer\.learningRate, dropout; compared on validation images/m,
      /^trial 4 of 4: optimizer\.learningRate /m,
      /^trial +optimizer\.learningRate +dropout +validation accuracy +time$/m,
      new RegExp(`^best: trial ${best.number}, validation accuracy ${best.value!.toFixed(4)}$`, 'm'),
      new RegExp(
        `: weft train twoConv --preset \\w+ --set width=4 --set optimizer.learningRate=0.001 --set dropout=${dropout}$`,
        'm',
      ),
      /^files: .*whole$/m,
    ];
    for (const fact of facts) expect(whole.stdout).toMatch(fact);
  });

  it('compares figures of the validation, and looks at no test image', async () => {
    const { trials } = await readSearch('whole');
    for (const { number, value, state } of trials) {
      const files = await fs.readdir(join(path('whole'), 'trials', `00${number}`));
      expect(files).not.toContain('result.json');
      expect(files).not.toContain('probabilities.safetensors');
      if (state === 'failed') continue;
      const history = await fs.readFile(join(path('whole'), 'trials', `00${number}`, 'history.json'), 'utf8');
      const accuracies = JSON.parse(history).epochs.map(
        ({ valAccuracy }: { valAccuracy: number }) => valAccuracy,
      );
      expect(accuracies).toHaveLength(3);
      expect(value).toBe(Math.max(...accuracies));
    }
    expect(await fs.readFile(join(path('whole'), 'search.svg'), 'utf8')).toMatch(/^<svg/);
  });

  it('has a report', async () => {
    const ended = await weft(['report', path('whole')]);
    expect(errorOf(ended)).toBe('');
    const page = await fs.readFile(join(path('whole'), 'report.html'), 'utf8');
    for (const text of ['<h2>Search for twoConv</h2>', 'Trials, the best first', '4 of 4, 2 failed', '<svg'])
      expect(page).toContain(text);
  });

  it(
    'has the same trials and networks, bit for bit, when it was stopped and killed on the way',
    async () => {
      const name = 'broken';
      const { trials } = await readSearch('whole');
      const stopped = await weft(begin(name), { control: signalAfter('trial 1 of 4', 'SIGINT') });
      expect(stopped.code).toBe(130);
      expect(stopped.stdout).toMatch(/stopped by SIGINT; go on: weft search twoConv --resume .*broken\n$/);
      expect((await readSearch(name)).trials).toEqual([]);
      // In the middle of the last trial that doesn't fail.
      const { number } = trials.findLast(({ state }) => state === 'complete')!;
      const checkpoint = join(path(name), 'trials', `00${number}`, 'checkpoint.safetensors');
      const killed = await weft(search('--resume', path(name)), { control: killOnceThere(checkpoint) });
      expect(killed.signal).toBe('SIGKILL');
      expect((await readSearch(name)).trials).toHaveLength(number - 1);
      const last = await weft(search('--resume', path(name)));
      expect(errorOf(last)).toBe('');

      const resumed = await readSearch(name);
      const told = (trials: SearchManifest['trials']) => trials.map(({ seconds, ...rest }) => rest);
      expect(told(resumed.trials)).toEqual(told(trials));
      expect(resumed.resumed).toHaveLength(2);
      const [expected, got] = await Promise.all([safetensorsOf(path('whole')), safetensorsOf(path(name))]);
      expect([...got.keys()]).toEqual([...expected.keys()]);
      for (const [file, bytes] of expected) expect(got.get(file)!.equals(bytes), file).toBe(true);
    },
    TIMEOUT,
  );

  it('refuses what makes no sense, before it makes a folder', async () => {
    const out = ['--out', path('none')];
    await fs.writeFile(path('bad.json'), JSON.stringify({ rate: { kind: 'uniform', low: 0, high: 1 } }));
    const bad = await weft(search('--space', path('bad.json'), ...out));
    expect(errorOf(bad)).toMatch(/^error: no setting 'rate'; there are batchSize, optimizer\.name/);
    const other = await weft(['search', 'v5', '--resume', path('whole')]);
    expect(errorOf(other)).toMatch(/^error: --resume .*whole: that is a search for twoConv, not for v5$/);
    const decided = await weft(search('--resume', path('whole'), '--seed', '1'));
    expect(errorOf(decided)).toMatch(/--resume.* cannot be used with option '--seed/);
    const nowhere = await weft(search('--resume', path('nowhere')));
    expect(errorOf(nowhere)).toMatch(/nowhere is no search: there is no .*search\.json$/);
    expect(await fs.readdir(folder)).not.toContain('none');
  });
});
