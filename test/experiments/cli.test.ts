import fs from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import packageJson from '../../package.json' with { type: 'json' };
import { buildWeft, errorOf, temporaryFolder, weft } from './weft.ts';

let folder: string;
beforeAll(async () => {
  await buildWeft();
  folder = await temporaryFolder();
});
afterAll(() => fs.rm(folder, { recursive: true }));

describe('weft', () => {
  it('says what it can do, and its version', async () => {
    const help = await weft(['--help']);
    expect(help.code).toBe(0);
    for (const command of [
      'train',
      'tune',
      'evaluate',
      'ensemble',
      'collapse',
      'predict',
      'inspect',
      'data-report',
      'convert',
      'profile',
      'doctor',
    ])
      expect(help.stdout).toContain(command);
    expect((await weft(['--version'])).stdout.trim()).toBe(packageJson.version);
  });

  const wrong: [args: string[], message: string | RegExp][] = [
    [['fly'], "unknown command 'fly'"],
    [['train'], "missing required argument 'experiment'"],
    [['train', 'v99'], "no experiment 'v99'; there are "],
    [['train', 'v5', '--epocs', '3'], "unknown option '--epocs'\n(Did you mean --epochs?)"],
    [
      ['train', 'v5', '--preset', 'slow'],
      "option '--preset <name>' argument 'slow' is invalid. Allowed choices are recipe, quick.",
    ],
    [
      ['train', 'v5', '--epochs', '0'],
      "option '--epochs <n>' argument '0' is invalid. It must be a whole number, at least 1 and at most 10000.",
    ],
    [['train', 'v5', '--epochs', '1.5'], "option '--epochs <n>' argument '1.5' is invalid"],
    [['train', 'v5', '--repeats', '-1'], "option '--repeats <n>' argument '-1' is invalid"],
    [['train', 'v5', '--limit', 'all'], "option '--limit <n>' argument 'all' is invalid"],
    [['train', 'v5', '--batch-size', ''], "option '--batch-size <n>' argument '' is invalid"],
    [
      ['train', 'v5', '--seed', '9007199254740992'],
      "option '--seed <n>' argument '9007199254740992' is invalid",
    ],
    [
      ['train', 'v5', '--lr', '0'],
      "option '--lr <rate>' argument '0' is invalid. It must be a number above 0.",
    ],
    [['train', 'v5', '--lr', 'NaN'], "option '--lr <rate>' argument 'NaN' is invalid"],
    [
      ['train', 'v5', '--max-time', '10d'],
      "option '--max-time <time>' argument '10d' is invalid. It must be a time such as 90s, 10m or 1h.",
    ],
    [['train', 'v5', '--name', '../x'], "option '--name <name>' argument '../x' is invalid"],
    [['train', 'v5', '--epochs'], "option '--epochs <n>' argument missing"],
    [
      ['train', 'v5', '--limit', '5', '--full-test'],
      "option '--full-test' cannot be used with option '--limit <n>'",
    ],
    [
      ['train', 'v5', '--resume', 'x', '--lr', '1'],
      "option '--resume <run>' cannot be used with option '--lr <rate>'",
    ],
    [
      ['train', 'v5', '--resume', 'x', '--no-augment'],
      "option '--resume <run>' cannot be used with option '--no-augment'",
    ],
    [
      ['train', 'v5', '--like', 'x', '--no-tune'],
      "option '--like <run>' cannot be used with option '--no-tune'",
    ],
    [['tune', 'v99'], "no experiment 'v99'; there are "],
    [['tune', 'v5', '--batch-size', '0'], "option '--batch-size <n>' argument '0' is invalid"],
    [
      ['train', 'v5', '--resume', 'x', '--like', 'y'],
      "option '--resume <run>' cannot be used with option '--like <run>'",
    ],
    [
      ['train', 'v5', '--like', 'x', '--seed', '1'],
      "option '--like <run>' cannot be used with option '--seed <n>'",
    ],
    [
      ['train', 'v5', '--out', 'x', '--name', 'y'],
      "option '--out <dir>' cannot be used with option '--name <name>'",
    ],
    [
      ['train', 'v5', '--resume', '/no/such/run'],
      '/no/such/run is no run: there is no /no/such/run/manifest.json',
    ],
    [['train', 'v5', 'extra'], 'too many arguments'],
    [['evaluate'], "missing required argument 'run'"],
    [['evaluate', '/no/such/run'], '/no/such/run is no run'],
    [['ensemble'], "missing required argument 'run'"],
    [['ensemble', '/no/such/run', '/no/such/run'], '/no/such/run is no run'],
    [['collapse', 'a', 'b'], "required option '--beside <run...>' not specified"],
    [['collapse', '/no/such/run', 'b', '--beside', 'c'], '/no/such/run is no run'],
    [['predict', '/no/such/run', 'x.png'], '/no/such/run is no run'],
    [['inspect'], "missing required argument 'run'"],
    [['inspect', '/no/such/run'], '/no/such/run is no run'],
    [['inspect', 'run', '--out', 'x'], "--out is for a model's file"],
    [['inspect', 'run', '--limit', '0'], 'It must be a whole number, at least 1.'],
    [['data-report', '--augment', 'twoConv'], '--augment twoConv: its recipe augments no images'],
    [['data-report', '--autoencoder', '/no/such/run'], '/no/such/run is no run'],
    [['profile'], "missing required argument 'experiment'"],
    [['profile', 'v99'], "no experiment 'v99'; there are "],
    [
      ['profile', 'v5', '--batch', '0'],
      "option '--batch <n>' argument '0' is invalid. It must be a whole number, at least 1.",
    ],
    [['profile', 'v5', '--trace'], "option '--trace <file>' argument missing"],
    [['profile', 'v5', '--data', 'x'], "unknown option '--data'"],
    [['doctor', '--fix'], "unknown option '--fix'"],
  ];
  it.concurrent.each(wrong)('%j is refused by name', async (args, message) => {
    const ended = await weft(args);
    expect(ended.code).toBe(1);
    expect(ended.stdout).toBe('');
    expect(errorOf(ended)).toContain(message);
    expect(errorOf(ended)).not.toContain('    at ');
  });

  it('names a data file that is cut short, and begins no run', async () => {
    const data = join(folder, 'data');
    await fs.mkdir(data);
    for (const part of ['train-images-idx3', 'train-labels-idx1', 't10k-images-idx3', 't10k-labels-idx1']) {
      await fs.writeFile(join(data, `${part}-ubyte`), Buffer.alloc(60_008));
    }
    const out = join(folder, 'run');
    const ended = await weft(['train', 'v5', '--data', data, '--out', out]);
    expect(ended.code).toBe(1);
    expect(errorOf(ended)).toMatch(/^error: .*data.*ubyte: expected/);
    await expect(fs.access(out)).rejects.toThrow('ENOENT');
  });

  it('names an adapter that is missing, and leaves nothing of the run', async () => {
    const out = join(folder, 'no-adapter');
    const ended = await weft(['train', 'v5', '--adapter', 'no such thing', '--out', out]);
    expect(ended.code).toBe(1);
    expect(errorOf(ended)).toMatch(/^error: no adapter 'no such thing'/);
    await expect(fs.access(out)).rejects.toThrow('ENOENT');
  });

  it('ends without a word where nobody reads on, as other programs do', async () => {
    const closed = await weft(['models'], { control: (child) => child.stdout!.destroy() });
    expect([closed.code, closed.stderr]).toEqual([141, '']);
  });

  it('has a doctor, whose exit code says whether anything is missing', async () => {
    const well = await weft(['doctor']);
    expect(well.stdout).toMatch(/^adapter +\S/m);
    expect(well.stdout).toMatch(/maxStorageBufferBindingSize +\d/);
    expect(well.code).toBe(well.stdout.includes('nothing is missing') ? 0 : 1);
    const ill = await weft(['doctor', '--data', folder]);
    expect(ill.code).toBe(1);
    expect(ill.stdout).toContain(`missing: ${folder} holds no`);
  });

  it('tells what nobody foresaw in one line, and where it was where that is asked for', async () => {
    const preload = new URL(
      "data:text/javascript,import os from 'node:os'; os.totalmem = () => { throw new TypeError('no\\n total') }",
    );
    const ended = await weft(['doctor'], { preload });
    expect(ended.code).toBe(1);
    expect(errorOf(ended)).toBe(
      `error: TypeError: no total. This is a fault of weft ${packageJson.version}: please report it, with what WEFT_STACK=1 shows beside it`,
    );
    const asked = await weft(['doctor'], { preload, env: { WEFT_STACK: '1' } });
    expect(errorOf(asked)).toMatch(/please report it\nTypeError: no\n total\n {4}at /);
  });

  it('lets no control code of an argument through to the terminal', async () => {
    for (const args of [['fly\u001b[2J'], ['models', 'fly\u001b[2J'], ['predict', 'fly\u001b[2J', 'x.png']]) {
      const ended = await weft(args);
      expect(ended.code).toBe(1);
      expect(ended.stderr).toContain('fly\\u001b[2J');
      expect(ended.stderr).not.toContain('\u001b');
    }
  });
});
