import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, watch } from 'node:fs';
import fs from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'tsup';
import { commandLine } from '../../tsup.cli.config.ts';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
/** Inside the project, where the bundle finds Dawn and its own version. */
const OUT = join(ROOT, '.cache', 'test-weft');

/** Bundles the command as it is packaged. */
export async function buildWeft(): Promise<void> {
  await build({ ...commandLine, config: false, silent: true, outDir: OUT });
}

export interface Ended {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
  readonly ms: number;
}

export interface WeftOptions {
  /** Is given the process, to interfere with it. */
  control?: (child: ChildProcess) => void;
  /** A module that the process loads first. */
  preload?: URL;
  /** Variables beside those of this process. */
  env?: Readonly<Record<string, string>>;
}

/** Runs the command to its end. */
export async function weft(
  args: readonly string[],
  { control, preload, env }: WeftOptions = {},
): Promise<Ended> {
  const start = performance.now();
  const flags = preload ? ['--import', preload.href] : [];
  const child = spawn(process.execPath, [...flags, join(OUT, 'weft.js'), ...args], {
    cwd: ROOT,
    env: { ...process.env, ...env },
  });
  control?.(child);
  let stdout = '';
  let stderr = '';
  child.stdout.on('data', (chunk) => {
    stdout += chunk;
  });
  child.stderr.on('data', (chunk) => {
    stderr += chunk;
  });
  const [code, signal] = await new Promise<[number | null, NodeJS.Signals | null]>((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code, signal) => resolve([code, signal]));
  });
  return { code, signal, stdout, stderr, ms: performance.now() - start };
}

/** What the command said went wrong. */
export const errorOf = ({ stderr }: Ended): string =>
  stderr
    .split('\n')
    .filter((line) => !/^Warning: /.test(line))
    .join('\n')
    .trim();

/** Sends a signal as soon as the output holds a text. */
export const signalAfter = (text: string, signal: NodeJS.Signals) => (child: ChildProcess) => {
  let seen = '';
  child.stdout?.on('data', (chunk) => {
    const before = seen.includes(text);
    seen += chunk;
    if (!before && seen.includes(text)) child.kill(signal);
  });
};

/** Kills the process as soon as a file of its run's folder is written anew: before it can write the next one. */
export const killAfterWrite = (folder: string, file: string) => (child: ChildProcess) => {
  const watcher = watch(folder, (event, name) => {
    // The rename over the old file; events on the temporary file have another name.
    if (event === 'rename' && name === file) child.kill('SIGKILL');
  });
  child.on('close', () => watcher.close());
};

/** Kills the process once a file is there, wherever that is. */
export const killOnceThere = (file: string) => (child: ChildProcess) => {
  const timer = setInterval(() => {
    if (existsSync(file)) child.kill('SIGKILL');
  }, 2);
  child.on('close', () => clearInterval(timer));
};

export const killAfterMs = (ms: number) => (child: ChildProcess) => {
  const timer = setTimeout(() => child.kill('SIGKILL'), ms);
  child.on('close', () => clearTimeout(timer));
};

/** A folder that is gone when the tests are done. */
export const temporaryFolder = (): Promise<string> => fs.mkdtemp(join(tmpdir(), 'weft-test-'));

/** The safetensors files below a folder, by path. */
export async function safetensorsOf(folder: string): Promise<Map<string, Buffer>> {
  const names = (await fs.readdir(folder, { recursive: true }))
    .filter((name) => name.endsWith('.safetensors'))
    .sort();
  return new Map(
    await Promise.all(names.map(async (name) => [name, await fs.readFile(join(folder, name))] as const)),
  );
}
