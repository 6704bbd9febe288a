import fs from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Console } from '../../src/experiments/console.ts';
import { v5 } from '../../src/experiments/czerny/v5.ts';
import { chromeTrace, type Figures, formatProfile, profileStep } from '../../src/experiments/profile.ts';
import { temporaryFolder } from './weft.ts';

let folder: string;
beforeAll(async () => {
  folder = await temporaryFolder();
});
afterAll(() => fs.rm(folder, { recursive: true }));

const WIDTH = 4;
const narrow = { ...v5, network: (seed: number) => v5.network(seed, WIDTH) };

/** Profiles v5 at a small width. */
async function profiled(inference: boolean): Promise<{ text: string; figures: Figures; trace: Trace }> {
  let text = '';
  const out = Object.assign(new Console(), {
    line: (line = '') => {
      text += `${line}\n`;
    },
  });
  const [json, trace] = ['figures.json', 'trace.json'].map((name) => join(folder, name));
  const adapter = process.env.WEFT_ADAPTER;
  expect(await profileStep(narrow, { batch: 3, inference, json, trace, adapter }, out)).toBe(0);
  const [figures, traced] = await Promise.all(
    [json, trace].map(async (path) => JSON.parse(await fs.readFile(path, 'utf8'))),
  );
  return { text, figures, trace: traced };
}

interface Trace {
  traceEvents: {
    name: string;
    ph: string;
    ts?: number;
    dur?: number;
    pid: number;
    tid: number;
    args: Record<string, unknown>;
  }[];
}

const flopsOf = ({ dispatches }: Figures, op: string, pass: string) => {
  const pieces = dispatches.filter((dispatch) => dispatch.op === op && dispatch.pass === pass);
  expect(pieces.length).toBeGreaterThan(0);
  return pieces[0].flops;
};

describe('weft profile', () => {
  it('shows every dispatch of a training step, by op and pass, and its memory', async () => {
    const { text, figures, trace } = await profiled(false);
    expect([figures.experiment, figures.step, figures.batch]).toEqual(['v5', 'training', 3]);
    const convolution = `conv2d 3x3 28x28 ${WIDTH}-${2 * WIDTH}`;
    const flops = 2 * 3 * 28 * 28 * 9 * WIDTH * 2 * WIDTH;
    for (const pass of ['forward', 'input gradient', 'filter gradient']) {
      expect(text).toContain(`${convolution}, ${pass}`);
      expect(flopsOf(figures, convolution, pass)).toBe(flops);
    }
    expect(flopsOf(figures, `dense ${8 * WIDTH}-10`, 'weight gradient')).toBe(2 * 3 * 8 * WIDTH * 10);
    for (const part of ['adam', '3x3 convolutions', 'all else', 'in use at the peak', 'clock: '])
      expect(text).toContain(part);
    const msOf = (dispatches: Figures['dispatches']) => dispatches.reduce((total, { ms }) => total + ms, 0);
    const convolutions = figures.dispatches.filter(({ op }) => op.startsWith('conv2d 3x3'));
    expect(figures.shareOf3x3).toBeCloseTo(msOf(convolutions) / msOf(figures.dispatches), 6);
    const { livePeakBytes, allocatedBytes, arenas, atPeak } = figures.memory;
    // What the first convolution and the first batch-norm write, 28x28 pixels, is kept for the backward pass.
    expect(livePeakBytes).toBeGreaterThan(3 * 784 * 4 * (WIDTH + WIDTH));
    expect(allocatedBytes).toBeGreaterThanOrEqual(livePeakBytes);
    expect(arenas.reduce((total, bytes) => total + bytes, 0)).toBe(allocatedBytes);
    expect(atPeak.reduce((total, { bytes }) => total + bytes, 0)).toBe(livePeakBytes);

    const complete = trace.traceEvents.filter(({ ph }) => ph === 'X');
    expect(complete.map(({ name }) => name)).toEqual(figures.dispatches.map(({ kernel }) => kernel));
    const rowNames = new Map(
      trace.traceEvents.filter(({ name }) => name === 'thread_name').map(({ tid, args }) => [tid, args.name]),
    );
    let end = 0;
    for (const [i, { ts, dur, tid, args }] of complete.entries()) {
      const { op, pass, ms } = figures.dispatches[i];
      expect(rowNames.get(tid)).toBe(pass ? `${op}, ${pass}` : op);
      expect([args.op, args.pass]).toEqual([op, pass]);
      expect([ts, dur]).toEqual([end, ms * 1000]);
      end += dur!;
    }
    expect(new Set(rowNames.values()).size).toBe(rowNames.size);
  });

  it('shows a step of inference, without gradients', async () => {
    const { text, figures } = await profiled(true);
    expect(figures.step).toBe('inference');
    expect(text).toContain(`conv2d 3x3 28x28 ${WIDTH}-${2 * WIDTH}, forward`);
    expect(text).not.toMatch(/gradient|backward|adam/);
  });

  it('names a file that can not be written, and an adapter that is missing', async () => {
    const out = Object.assign(new Console(), { line: () => {} });
    const trace = join(folder, 'no', 'such', 'folder.json');
    const adapter = process.env.WEFT_ADAPTER;
    await expect(profileStep(narrow, { batch: 1, inference: true, trace, adapter }, out)).rejects.toThrow(
      `could not write ${trace}`,
    );
    await expect(profileStep(narrow, { batch: 1, adapter: 'no such thing' }, out)).rejects.toThrow(
      "no adapter 'no such thing'",
    );
  });
});

describe('the tables', () => {
  const dispatch = { kernel: 'k', bytes: 2e6, workgroups: 3, ms: 2 };
  const figures: Figures = {
    experiment: 'v5',
    step: 'training',
    batch: 64,
    adapter: 'an adapter',
    shareOf3x3: 0.5,
    plainStepMs: 12,
    clock: 'cpu',
    repetitions: 3,
    dispatches: [
      { ...dispatch, op: 'conv2d 3x3 8x8 4-8', pass: 'forward', work: 0, flops: 12e6 },
      { ...dispatch, op: 'conv2d 3x3 8x8 4-8', pass: 'forward', work: 0, flops: 12e6, kernel: 'turn' },
      { ...dispatch, op: 'adam', pass: '', work: 1, ms: 4, kernel: 'adam' },
      { ...dispatch, op: 'conv2d 5x5 8x8 4-8', pass: 'forward', work: 2, flops: 1e6, ms: 0 },
    ],
    memory: {
      livePeakBytes: 2 ** 20,
      allocatedBytes: 2 ** 21,
      arenas: [2 ** 21],
      peakCommand: 'k',
      atPeak: [],
    },
  };
  const rowOf = (text: string, title: string) =>
    text
      .split('\n')
      .find((line) => line.startsWith(title))
      ?.slice(title.length)
      .trim()
      .split(/\s{2,}/);

  it('rate an op by its operations over the time of all its dispatches', () => {
    const text = formatProfile(figures);
    expect(rowOf(text, 'conv2d 3x3 8x8 4-8, forward: turn')).toEqual([
      '3',
      '1',
      '2.000',
      '25.0 %',
      '2.00',
      '1.0',
      '3.0',
    ]);
    expect(rowOf(text, 'conv2d 3x3 8x8 4-8, forward  ')).toEqual([
      '2',
      '4.000',
      '50.0 %',
      '4.00',
      '1.0',
      '3.0',
    ]);
    expect(rowOf(text, '3x3 convolutions')).toEqual(['2', '4.000', '50.0 %', '4.00', '1.0', '3.0']);
    expect(rowOf(text, 'all else')?.slice(0, 3)).toEqual(['2', '4.000', '50.0 %']);
    // What took no time has no rate.
    expect(rowOf(text, 'conv2d 5x5 8x8 4-8, forward: k')).toEqual(['3', '1', '0.000', '0.0 %', '2.00']);
    expect(text).toContain('memory: 1.0 MiB in use at the peak, 2.0 MiB allocated');
  });

  it('show equal dispatches in a row as one row, and leave them apart elsewhere', () => {
    const product = { ...dispatch, op: 'conv2d 3x3 8x8 4-8', pass: 'forward', work: 0, kernel: 'product' };
    const dispatches = [
      { ...product, kernel: 'turn' },
      ...[1, 2, 3].map((ms) => ({ ...product, ms })),
      // Fewer images are left for the last part, ...
      { ...product, workgroups: 1, ms: 0.5 },
      { ...product, kernel: 'turn' },
      { ...product, ms: 4 },
      // ... and the next layer is the same again.
      { ...product, work: 1, ms: 5 },
      { ...product, work: 2, pass: 'input gradient', ms: 6 },
    ];
    const text = formatProfile({ ...figures, dispatches });
    const rows = text
      .slice(0, text.indexOf('\n\n', text.indexOf(': turn')))
      .split('\n')
      .filter((line) => line.startsWith(product.op))
      .map((line) =>
        line
          .slice(`${product.op}, `.length)
          .split(/\s{2,}/)
          .slice(0, 6),
      );
    expect(rows).toEqual([
      ['forward: turn', '3', '1', '2.000', '7.8 %', '2.00'],
      ['forward: product', '3', '3', '6.000', '23.5 %', '6.00'],
      ['forward: product', '1', '1', '0.500', '2.0 %', '2.00'],
      ['forward: turn', '3', '1', '2.000', '7.8 %', '2.00'],
      ['forward: product', '3', '1', '4.000', '15.7 %', '2.00'],
      ['forward: product', '3', '1', '5.000', '19.6 %', '2.00'],
      ['input gradient: product', '3', '1', '6.000', '23.5 %', '2.00'],
    ]);
    expect(
      (chromeTrace({ ...figures, dispatches }) as Trace).traceEvents.filter(({ ph }) => ph === 'X'),
    ).toHaveLength(dispatches.length);
  });

  it('warn where the clock is the CPU’s, and only there', () => {
    expect(formatProfile(figures)).toContain('warning: this adapter has no timestamps');
    expect(formatProfile({ ...figures, clock: 'gpu' })).not.toContain('warning');
  });

  it('have a trace, one row an op and pass', () => {
    const { traceEvents } = chromeTrace(figures) as Trace;
    expect(traceEvents.filter(({ ph }) => ph === 'X').map(({ tid, ts, dur }) => [tid, ts, dur])).toEqual([
      [1, 0, 2000],
      [1, 2000, 2000],
      [2, 4000, 4000],
      [3, 8000, 0],
    ]);
  });
});
