import { spawn } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';
import { WeftError } from '../errors.ts';

export interface CommandOptions {
  cwd?: string;
  /** Variables beside this process' own. */
  env?: Record<string, string>;
  /** The command is ended after so long; default: never. */
  timeoutMs?: number;
}

export interface CommandResult {
  /** The exit code; -1 where the command was ended by a signal. */
  code: number;
  signal: NodeJS.Signals | null;
  /** Whether it was ended because its time was over. */
  timedOut: boolean;
  stdout: string;
  stderr: string;
}

/** What a program in the language C says of a full disk. */
const NO_SPACE = /No space left on device|Disk quota exceeded/;

/**
 * Runs a program to its end without a shell.
 * @throws WeftError where there is no such program; an error with the code `ENOSPC` where it complains of a full disk.
 */
export function runCommand(
  program: string,
  args: string[],
  options: CommandOptions = {},
): Promise<CommandResult> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, {
      cwd: options.cwd,
      env: { ...process.env, ...options.env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const output = { stdout: '', stderr: '' };
    for (const stream of ['stdout', 'stderr'] as const) {
      child[stream].setEncoding('utf8');
      child[stream].on('data', (text: string) => {
        output[stream] += text;
      });
    }
    let timedOut = false;
    // Not Node's own `timeout`: where there is no such program, that keeps the process alive until it is over.
    const end = () => {
      timedOut = true;
      child.kill('SIGKILL');
      // Programs that it started may have them open still.
      for (const stream of [child.stdout, child.stderr]) stream.destroy();
    };
    const timer = options.timeoutMs === undefined ? undefined : setTimeout(end, options.timeoutMs);
    child.on('error', (error) => {
      clearTimeout(timer);
      reject(new WeftError(`could not run ${program}: ${error.message}`, { cause: error }));
    });
    child.on('close', (code, signal) => {
      clearTimeout(timer);
      if (NO_SPACE.test(output.stderr))
        reject(Object.assign(new Error(`${program}: disk full`), { code: 'ENOSPC' }));
      else resolve({ code: code ?? -1, signal, timedOut, ...output });
    });
  });
}

/** As `runCommand`, for a command that has to succeed. @throws WeftError with its last lines where it fails. */
export async function mustRun(
  program: string,
  args: string[],
  options: CommandOptions = {},
): Promise<string> {
  const result = await runCommand(program, args, options);
  if (result.code === 0) return result.stdout;
  if (result.timedOut) throw new WeftError(`${program} didn't end within ${options.timeoutMs! / 1000} s`);
  const how = result.signal ? `was ended by ${result.signal}` : `failed with exit code ${result.code}`;
  throw new WeftError(`${program} ${how}: ${lastLines(result.stderr || result.stdout)}`);
}

/** Whether a program of this name can be run. */
export function hasProgram(name: string): boolean {
  return (process.env.PATH ?? '').split(delimiter).some((folder) => {
    try {
      accessSync(join(folder, name), constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}

export function lastLines(text: string, count = 4): string {
  return text.trim().split('\n').slice(-count).join('\n');
}
