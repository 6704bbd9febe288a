import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'tsup';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { END, readReports, START, sectionOf, textOf } from '../../bench/hardware/page.mjs';
import { PARTS, secondsFor } from '../../bench/hardware/parts.ts';
import { runProcess } from '../../bench/hardware/processes.ts';
import { emptyReport, type Report } from '../../bench/hardware/report.ts';
import { hardware } from '../../bench/hardware/tsup.config.ts';
import { createRandom } from '../reference/array64.ts';
import { again, seed } from '../support/seed.ts';

const root = fileURLToPath(new URL('../../', import.meta.url));
/** Inside the project, where the bundle finds Dawn. */
const BUNDLE = join(root, '.cache', 'test-hardware');

let folder: string;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'weft-hardware-'));
  await build({ ...hardware, config: false, silent: true, outDir: BUNDLE });
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

interface Ended {
  readonly code: number | null;
  readonly output: string;
}

/** Runs the benchmark to its end. */
function benchmark(
  args: readonly string[],
  control: (child: ChildProcess) => void = () => {},
): Promise<Ended> {
  const options = [
    ...args,
    '--adapter',
    process.env.WEFT_ADAPTER ?? 'software',
    '--run',
    join(folder, 'run'),
  ];
  const child = spawn(process.execPath, [join(BUNDLE, 'bench-hardware.js'), ...options], { cwd: folder });
  control(child);
  let output = '';
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', (text) => {
      output += text;
    });
  return new Promise((resolve) => child.on('close', (code) => resolve({ code, output })));
}

function readReport(out: string): Report {
  const [name, ...others] = readdirSync(out).filter((file) => file.endsWith('.json'));
  expect(others).toEqual([]);
  return JSON.parse(readFileSync(join(out, name), 'utf8'));
}

/** Every part with all its fields. */
function expectWhole(report: Report): void {
  for (const { name, fields } of PARTS)
    expect(Object.keys(report[name]), name).toEqual(
      expect.arrayContaining(['cut', 'error', 'seconds', ...fields]),
    );
}

describe('the benchmark of hardware', () => {
  it('checks every op and v5, finds them right, and leaves what it has not measured null', async () => {
    const out = join(folder, 'correct');
    const { output } = await benchmark(['--minutes', '2', '--only', 'correct', '--out', out]);
    const report = readReport(out);
    expectWhole(report);
    expect(report.adapter, output).toMatchObject({ cut: false, error: null, isSoftware: true });
    expect(report.adapter.limits).toMatchObject({ maxComputeWorkgroupSizeX: expect.any(Number) });
    const { cases, failed, passed, error } = report.correct as Report['correct'] & {
      cases: { name: string; variant: string | null; failure: string | null }[];
    };
    expect(error, output).toBeNull();
    expect(cases.filter(({ failure }) => failure !== null)).toEqual([]);
    expect(failed).toBe(0);
    // A slow machine gets through fewer variants; each op and v5 come first.
    expect(passed).toBeGreaterThan(60);
    expect(cases.map(({ name }) => name)).toContain('v5, gradients at batch 4');
    expect(report.ceilings).toEqual({
      cut: true,
      error: null,
      seconds: null,
      checked: null,
      unchecked: null,
    });
  }, 200_000);

  it('leaves whole JSON, and no process, whenever it is killed', async () => {
    const random = createRandom(seed);
    let begun = 0;
    for (let kill = 0; kill < 4; kill++) {
      const out = join(folder, `killed-${kill}`);
      const moment = 300 + random.integers(1, 4000)[0];
      const runs: number[] = [];
      await benchmark(['--minutes', '0.3', '--only', 'ceilings', '--out', out], (child) => {
        const waitForFile = setInterval(() => {
          if (!existsSync(out) || readdirSync(out).every((file) => !file.endsWith('.json'))) return;
          clearInterval(waitForFile);
          setTimeout(() => {
            runs.push(...childrenOf(child.pid!));
            child.kill('SIGKILL');
          }, moment);
        }, 20);
      });
      begun += runs.length;
      expectWhole(readReport(out));
      expect(await survivors(runs), `killed after ${moment} ms, ${again}`).toEqual([]);
    }
    expect(begun).toBeGreaterThan(0);
  });

  it('measures one part anew and keeps the others of its file', async () => {
    const out = join(folder, 'kept');
    await benchmark(['--minutes', '1', '--only', 'ceilings', '--out', out]);
    const { checked } = readReport(out).ceilings;
    expect(checked).not.toBeNull();
    await benchmark(['--minutes', '0.1', '--only', 'adapter', '--out', out]);
    expect(readReport(out).ceilings.checked).toEqual(checked);
    // All of it anew has a file of its own.
    await benchmark(['--minutes', '0.01', '--out', out]);
    expect(readdirSync(out)).toHaveLength(2);
  });

  it.each([
    [['--minutes', '0'], "--minutes must be a number above 0, got '0'"],
    [['--minutes', 'soon'], "--minutes must be a number above 0, got 'soon'"],
    [
      ['--only', 'kernels,speed'],
      "--only: no part 'speed'; there are adapter, correct, ceilings, kernels, steps, training",
    ],
    [['--tfjs'], 'npm ci --prefix bench/peers'],
    [['--fast'], "'--fast'"],
    [['--out', '/dev/null/none'], "--out /dev/null/none: the folder can't be written"],
  ])('says what is wrong with %j', async (args, message) => {
    const { code, output } = await benchmark(args);
    expect(code).toBe(1);
    expect(output).toContain(message);
    expect(output).not.toContain('    at ');
  });
});

const childrenOf = (pid: number): number[] =>
  readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').split(' ').filter(Boolean).map(Number);

/** Those of some processes that are still there after a while in which they may end. */
async function survivors(pids: readonly number[]): Promise<number[]> {
  for (const end = Date.now() + 5000; Date.now() < end && pids.some(isAlive); )
    await new Promise((resolve) => setTimeout(resolve, 50));
  return pids.filter(isAlive);
}

function isAlive(pid: number): boolean {
  try {
    // A process that ended and that nobody has asked about yet is a zombie.
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
  } catch {
    return false;
  }
}

describe('a run in a process of its own', () => {
  const given = {
    seconds: 1,
    adapter: 'auto',
    folder: '',
    report: emptyReport({ commit: '', date: '', minutes: 1 }),
  };
  const run = async (program: string, seconds = 30) => {
    const fields: Record<string, unknown> = {};
    const command = [process.execPath, '-e', program];
    const ending = await runProcess(command, { ...given, seconds }, process.env, (set) =>
      Object.assign(fields, set),
    );
    return { ending, fields };
  };
  const set = (fields: object) => `console.log(JSON.stringify({ set: ${JSON.stringify(fields)} }));`;

  it('tells what it sets', async () => {
    const program = `${set({ a: 1 })} console.log('by the way'); ${set({ b: [2] })} process.exit(0);`;
    expect(await run(program)).toEqual({ ending: 'done', fields: { a: 1, b: [2] } });
  });

  it('that ends in the middle of a line keeps what it set before', async () => {
    const { ending, fields } = await run(`${set({ a: 1 })} process.stdout.write('{"set": {"b": [1,');`);
    expect({ ending, fields }).toEqual({ ending: 'done', fields: { a: 1 } });
  });

  it('that fails keeps what it set, and says why', async () => {
    const { ending, fields } = await run(
      `${set({ a: 1 })} console.error('no such kernel'); process.exit(3);`,
    );
    expect(fields).toEqual({ a: 1 });
    expect(ending).toEqual({ error: 'ended by exit code 3: no such kernel' });
  });

  it('that crashes is named by its signal', async () => {
    const { ending } = await run(
      `${set({ a: 1 })} process.kill(process.pid, 'SIGSEGV'); setInterval(() => {}, 1e6);`,
    );
    expect(ending).toEqual({ error: 'ended by SIGSEGV: ' });
  });

  it('that hangs is ended, with what it began', async () => {
    const program = `
      const { spawn } = require('node:child_process');
      const inner = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1e6)']);
      console.log(JSON.stringify({ set: { inner: inner.pid } }));
      setInterval(() => {}, 1e6);`;
    const { ending, fields } = await run(program, 0.5);
    expect(ending).toBe('cut');
    expect(await survivors([fields.inner as number])).toEqual([]);
  });

  it('that is not there is an error', async () => {
    const ending = await runProcess(['/no/such/python3'], given, process.env, () => {});
    expect(ending).toEqual({ error: 'spawn /no/such/python3 ENOENT' });
  });
});

describe('the time of a part', () => {
  it('grows by what those before it left, between what it needs and what is enough', () => {
    const [first, second] = PARTS;
    const after = PARTS.slice(2);
    const all = 4 * PARTS.reduce((total, { share }) => total + share, 0);
    expect(secondsFor(first, PARTS.slice(1), all)).toBeCloseTo(4 * first.share);
    expect(secondsFor(first, PARTS.slice(1), 1)).toBe(first.least);
    expect(secondsFor(second, after, all - 4 * first.share)).toBeCloseTo(4 * second.share);
    expect(secondsFor(second, after, all)).toBeGreaterThan(4 * second.share);
    expect(secondsFor(second, after, 1e6)).toBe(second.most);
    expect(secondsFor(second, after, -1)).toBe(0);
    expect(secondsFor(PARTS.at(-1)!, [], 1234)).toBe(1234);
  });
});

describe('the page about adapters', () => {
  it('stands in docs/performance.md as the measured results make it', () => {
    const reports = readReports();
    expect(reports.length).toBeGreaterThan(0);
    const page = readFileSync(new URL('docs/performance.md', `file://${root}`), 'utf8');
    expect(page).toContain(`${START}\n\n${sectionOf(reports)}\n\n${END}`);
  });

  it('says of a part without time that it had none, and shows what the others have', () => {
    const [measured] = readReports();
    const report: Report = {
      ...measured,
      kernels: emptyReport({ commit: '', date: '', minutes: 1 }).kernels,
    };
    const text = textOf(report);
    expect(text).toContain(`### ${measured.adapter.name}`);
    expect(text).toContain('Nothing was tuned.\n\nNot measured: there was no time.');
    const blank = {
      ...emptyReport({ commit: 'abc', date: '2026-01-02', minutes: 1 }),
      adapter: measured.adapter,
    };
    expect(textOf(blank)).toContain('v5 was not trained: there was no time.');
  });

  it('shows each adapter once, by its newest file, and GPUs first', () => {
    const [measured] = readReports();
    const made = (name: string, date: string, isSoftware: boolean, commit: string) => ({
      ...measured,
      date,
      commit,
      adapter: { ...measured.adapter, name, isSoftware },
    });
    const text = sectionOf([
      made('a software adapter', '2026-03-01', true, 'one'),
      made('GPU', '2026-02-01', false, 'two'),
      made('GPU', '2026-01-01', false, 'three'),
    ]);
    expect(text.match(/^### .*/gm)).toEqual(['### GPU', '### a software adapter']);
    expect(text).toContain('at two');
    expect(text).not.toContain('at three');
  });
});
