/*
 * node dist/bench-hardware.js [--minutes 8] [--out DIR] [--only PART,...] [--tfjs] [--adapter NAME] [--run DIR]
 *
 * Measures all that a GPU can tell in a few minutes and writes one file: see parts.ts. It needs only this file and Dawn. PyTorch and
 * TensorFlow.js are left out where they aren't there.
 */
import { accessSync, constants, existsSync, mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { WeftError } from '../../src/errors.ts';
import { adapterEnvironment } from '../../src/node/adapter.ts';
import { slugOf } from '../shared/slug.mjs';
import { RunContext, readGiven } from './context.ts';
import { adapter } from './measurements/adapter.ts';
import { ceilings } from './measurements/ceilings.ts';
import { correct } from './measurements/correct.ts';
import { kernels } from './measurements/kernels.ts';
import pytorch from './measurements/pytorch.py';
import { steps } from './measurements/steps.ts';
import { training } from './measurements/training.ts';
import { PARTS, type Part, type PartName, type RunName, secondsFor } from './parts.ts';
import { killCurrent, runProcess } from './processes.ts';
import { emptyPart, emptyReport, type PartResult, type Report, ReportFile } from './report.ts';

/** The commit that this was built from. */
declare const WEFT_COMMIT: string;

const SELF = fileURLToPath(import.meta.url);
const TENSORFLOWJS = fileURLToPath(new URL('bench-tfjs.js', import.meta.url));
/** The argument by which the benchmark begins its runs. */
const RUN = 'run';
/** A part that has less time isn't begun. */
const LEAST_SECONDS = 1;

/** What runs do in processes of this program. */
const OWN_RUNS: Partial<Record<string, (context: RunContext) => Promise<void>>> = {
  adapter,
  correct,
  ceilings: (context) => ceilings(context, 'checked'),
  'ceilings-unchecked': (context) => ceilings(context, 'unchecked'),
  kernels,
  steps,
  training,
};

interface Options {
  minutes: number;
  out: string;
  only?: PartName[];
  tfjs: boolean;
  adapter: string;
  run?: string;
}

function readOptions(args: string[]): Options {
  const { values } = parseArgs({
    args,
    options: {
      minutes: { type: 'string', default: '8' },
      out: { type: 'string', default: 'results' },
      only: { type: 'string' },
      tfjs: { type: 'boolean', default: false },
      adapter: { type: 'string', default: 'auto' },
      run: { type: 'string' },
    },
  });
  const minutes = Number(values.minutes);
  if (!(minutes > 0 && Number.isFinite(minutes)))
    throw new WeftError(`--minutes must be a number above 0, got '${values.minutes}'`);
  const names = PARTS.map(({ name }) => name);
  const only = values.only?.split(',') as PartName[] | undefined;
  const stranger = only?.find((name) => !names.includes(name));
  if (stranger !== undefined)
    throw new WeftError(`--only: no part '${stranger}'; there are ${names.join(', ')}`);
  if (values.tfjs && !existsSync(TENSORFLOWJS))
    throw new WeftError(
      `--tfjs: there is no ${TENSORFLOWJS}. Install TensorFlow.js (npm ci --prefix bench/peers), then build again`,
    );
  return { ...values, minutes, only };
}

function commandFor(run: RunName): string[] {
  if (run === 'pytorch') return ['python3', '-c', pytorch];
  if (run === 'tensorflowjs') return [process.execPath, TENSORFLOWJS];
  return [process.execPath, SELF, RUN, run];
}

/** The parts in their order, each with what is left of the time, and the file. */
class Benchmark {
  private readonly report: Report;
  private readonly environment: NodeJS.ProcessEnv;
  private readonly end: number;
  private file: ReportFile | undefined;

  constructor(
    private readonly options: Options,
    variables: Record<string, string>,
  ) {
    const { minutes } = options;
    this.environment = { ...process.env, ...variables };
    this.report = emptyReport({ commit: WEFT_COMMIT, date: new Date().toISOString(), minutes });
    // Counted from the start of the process: it may have taken a while to find an adapter.
    this.end = 60_000 * minutes;
  }

  /** Resolves with the names of the parts that failed. */
  async run(): Promise<PartName[]> {
    const { only } = this.options;
    // The adapter names the file, so it always comes.
    const chosen = PARTS.filter(({ name }) => name === 'adapter' || !only || only.includes(name));
    for (const [i, part] of chosen.entries()) {
      const left = (this.end - performance.now()) / 1000;
      await this.measure(part, secondsFor(part, chosen.slice(i + 1), left));
      if (!this.file)
        throw new WeftError(
          `the adapter doesn't tell its name: ${this.report.adapter.error ?? 'it took too long'}`,
        );
    }
    console.log(`wrote ${this.file!.path}`);
    return chosen.map(({ name }) => name).filter((name) => this.report[name].error !== null);
  }

  private async measure(part: Part, seconds: number): Promise<void> {
    const { name, runs } = part;
    if (seconds < LEAST_SECONDS) {
      console.log(`${name}: no time left`);
      return;
    }
    console.log(`${name}: at most ${Math.round(seconds)} s`);
    const result = emptyPart(name);
    this.report[name] = result;
    const start = performance.now();
    const endings: boolean[] = [];
    const names = (Object.keys(runs) as RunName[]).filter((run) => this.isWanted(run));
    for (const [i, run] of names.entries()) {
      const spent = (performance.now() - start) / 1000;
      const shares = names.slice(i).reduce((total, later) => total + runs[later]!, 0);
      endings.push(await this.runOne(run, result, ((seconds - spent) * runs[run]!) / shares));
      result.seconds = (performance.now() - start) / 1000;
      await this.file?.save();
    }
    result.cut = endings.includes(false);
    await this.file?.save();
    const about = result.error ? `failed: ${result.error}` : result.cut ? 'cut' : 'done';
    console.log(`${name}: ${about}, ${Math.round(result.seconds!)} s`);
  }

  private isWanted(run: RunName): boolean {
    return run !== 'tensorflowjs' || this.options.tfjs;
  }

  /** Resolves with whether the run measured everything. */
  private async runOne(run: RunName, result: PartResult, seconds: number): Promise<boolean> {
    const { adapter } = this.options;
    let isWhole = true;
    const given = { seconds, adapter, folder: this.trainingFolder(), report: this.report };
    const ending = await runProcess(commandFor(run), given, this.environment, ({ cut, ...fields }) => {
      if (cut) isWhole = false;
      Object.assign(result, fields);
      this.nameFile();
      // Where it can't be written, the end of the part says so.
      this.file?.save().catch(() => {});
    });
    if (typeof ending === 'object')
      result.error = [result.error, `${run} ${ending.error}`].filter(Boolean).join('\n');
    return isWhole && ending === 'done';
  }

  /**
   * Opens the file as soon as the adapter's name is known. With `only`, the other parts of an existing file are kept; without, a new file
   * is written beside it.
   */
  private nameFile(): void {
    const { name } = this.report.adapter;
    if (this.file || typeof name !== 'string') return;
    const base = join(this.options.out, `hardware-${slugOf(name)}-${WEFT_COMMIT}`);
    let path = `${base}.json`;
    if (this.options.only && existsSync(path)) {
      const before: Report = JSON.parse(readFileSync(path, 'utf8'));
      for (const { name } of PARTS)
        if (name !== 'adapter') this.report[name] = before[name] ?? emptyPart(name);
    } else for (let number = 2; existsSync(path); number++) path = `${base}-${number}.json`;
    this.file = new ReportFile(path, this.report);
  }

  private trainingFolder(): string {
    const { name } = this.report.adapter;
    return this.options.run ?? join('runs', `hardware-${slugOf(String(name))}-${WEFT_COMMIT}`);
  }
}

function makeFolder(out: string): void {
  try {
    mkdirSync(out, { recursive: true });
    accessSync(out, constants.W_OK);
  } catch (error) {
    throw new WeftError(`--out ${out}: the folder can't be written (${(error as Error).message})`);
  }
}

async function benchmark(args: string[]): Promise<void> {
  const options = readOptions(args);
  for (const signal of ['SIGINT', 'SIGTERM'] as const)
    process.on(signal, () => {
      killCurrent();
      process.exit(signal === 'SIGINT' ? 130 : 143);
    });
  makeFolder(options.out);
  const variables = await adapterEnvironment({
    adapter: options.adapter,
    onNote: (line) => console.log(line),
  });
  const failed = await new Benchmark(options, variables).run();
  if (failed.length > 0) process.exitCode = 1;
}

async function runPart(name: string): Promise<void> {
  await OWN_RUNS[name]!(new RunContext(await readGiven()));
  // Dawn keeps a process alive for as long as a device is held.
  process.stdout.write('', () => process.exit(0));
}

const [first, ...rest] = process.argv.slice(2);
try {
  if (first === RUN) await runPart(rest[0]);
  else await benchmark(process.argv.slice(2));
} catch (error) {
  const isOurs =
    error instanceof WeftError || (error as { code?: string }).code?.startsWith('ERR_PARSE_ARGS');
  console.error(isOurs ? (error as Error).message : error);
  process.exit(1);
}
