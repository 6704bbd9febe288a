import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import type { Given } from './context.ts';

/** How a run ended: `done`; `cut`, where its time was over; else what went wrong. */
export type Ending = 'done' | 'cut' | { readonly error: string };

/** What a run sets begins with this; whatever else it prints is for the terminal. */
const REPORT = '{"set"';
/** A run is asked to be done by then, and ended a little later. */
const GRACE_SECONDS = 3;
/** How many characters of a run's error output go into the report: the last ones. */
const KEPT_STDERR = 2000;

/** Dawn says this of every adapter. */
const HARMLESS = /artificially reduced/;

let current: ChildProcess | undefined;

/** Ends the run in progress with all processes that it began. */
export function killCurrent(): void {
  if (!current?.pid) return;
  try {
    // A group of its own, where there are groups.
    process.kill(process.platform === 'win32' ? current.pid : -current.pid, 'SIGKILL');
  } catch {}
}

/**
 * Runs a program as a run of the benchmark.
 * @param onFields told of the fields that it sets, as it sets them
 */
export async function runProcess(
  [program, ...args]: readonly string[],
  given: Given,
  environment: NodeJS.ProcessEnv,
  onFields: (fields: Record<string, unknown>) => void,
): Promise<Ending> {
  const child = spawn(program, args, {
    stdio: ['pipe', 'pipe', 'pipe'],
    env: environment,
    detached: process.platform !== 'win32',
  });
  current = child;
  let complaint = '';
  createInterface({ input: child.stderr }).on('line', (line) => {
    if (HARMLESS.test(line)) return;
    process.stderr.write(`${line}\n`);
    complaint = `${complaint}${line}\n`.slice(-KEPT_STDERR);
  });
  createInterface({ input: child.stdout }).on('line', (line) => {
    const fields = fieldsOf(line);
    if (fields) onFields(fields);
    else process.stdout.write(`  ${line}\n`);
  });
  // A program that is gone already can't be given anything: how it ended says why.
  child.stdin.on('error', () => {});
  child.stdin.write(`${JSON.stringify(given)}\n`);
  const timers: NodeJS.Timeout[] = [];
  const after = (seconds: number, then: () => void) => void timers.push(setTimeout(then, 1000 * seconds));
  try {
    return await new Promise<Ending>((resolve) => {
      let isOver = false;
      after(given.seconds + GRACE_SECONDS, () => {
        isOver = true;
        killCurrent();
        // A process that is stuck in a driver outlives even that.
        after(GRACE_SECONDS, () => resolve('cut'));
      });
      child.on('error', (error) => resolve({ error: error.message }));
      child.on('close', (code, signal) => {
        if (isOver) resolve('cut');
        else if (code === 0) resolve('done');
        else resolve({ error: `ended by ${signal ?? `exit code ${code}`}: ${complaint.trim()}` });
      });
    });
  } finally {
    for (const timer of timers) clearTimeout(timer);
    for (const stream of [child.stdin, child.stdout, child.stderr]) stream.destroy();
    child.unref();
    current = undefined;
  }
}

/** The fields that a line sets, if it is one of those. A program that ends in the middle of one leaves a part of it. */
function fieldsOf(line: string): Record<string, unknown> | undefined {
  if (!line.startsWith(REPORT)) return undefined;
  try {
    return JSON.parse(line).set;
  } catch {
    return undefined;
  }
}
