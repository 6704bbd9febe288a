import fs from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { draws } from '../support/property.ts';
import { buildWeft, type Ended, errorOf, safetensorsOf, temporaryFolder, weft } from './weft.ts';

/** Two epochs of one step of the smallest network. */
const SMALL = ['--limit', '16', '--batch-size', '16', '--epochs', '2', '--no-tune'];
/** Taking over the lock of a killed process, and the manifest, before training goes on. */
const OPERATIONS_OF_RESUMING = 20;
const KILLS = 3;

let folder: string;
let whole: Ended;
const path = (name: string) => join(folder, name);
const train = (args: string[], operation?: number) =>
  weft(['train', 'twoConv', ...args], {
    preload: new URL(`killBefore.mjs${operation ? `?operation=${operation}` : ''}`, import.meta.url),
  });

beforeAll(async () => {
  await buildWeft();
  folder = await temporaryFolder();
  whole = await train([...SMALL, '--out', path('whole')]);
}, 300_000);
afterAll(() => fs.rm(folder, { recursive: true }));

it('a run that is killed before any operation on a file goes on to the same bits, though it is killed again as it begins to', async () => {
  expect(whole.code, whole.stderr).toBe(0);
  const operations = Number(/^operations: (\d+)$/m.exec(whole.stderr)?.[1]);
  expect(operations).toBeGreaterThan(40);
  const expected = await safetensorsOf(path('whole'));
  for (const [i, { int, label }] of draws('kill before an operation', KILLS).entries()) {
    const name = `killed-${i}`;
    const [first, second] = [int(1, operations), int(1, OPERATIONS_OF_RESUMING)];
    const message = `killed before operation ${first} of ${operations}, then before ${second}; ${label}`;
    const start = ['--like', path('whole'), '--out', path(name)];
    const killed = await train(start, first);
    expect(killed.signal, message).toBe('SIGKILL');
    // Killed before its manifest, a run is begun anew.
    const begun = async () =>
      (await fs.readdir(path(name)).catch((): string[] => [])).includes('manifest.json');
    const goOn = async () => ((await begun()) ? ['--resume', path(name)] : start);
    await train(await goOn(), second);
    const last = await train(await goOn());
    expect(
      errorOf(last)
        .replace(/^operations: \d+$/m, '')
        .trim(),
      message,
    ).toBe('');
    const got = await safetensorsOf(path(name));
    expect([...got.keys()], message).toEqual([...expected.keys()]);
    for (const [file, bytes] of expected)
      expect(got.get(file)!.equals(bytes), `${file}: ${message}`).toBe(true);
    const left = (await fs.readdir(path(name))).filter((file) => /^lock|\.tmp$/.test(file));
    expect(left, message).toEqual([]);
  }
}, 300_000);
