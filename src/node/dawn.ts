import { pathToFileURL } from 'node:url';
import { WeftError } from '../errors.ts';
import { isSoftwareAdapter } from '../gpu/gpu.ts';
import { runCommand } from './command.ts';
import { findPackage, PLATFORM } from './packages.ts';

/** What the `webgpu` package offers. */
interface Dawn {
  create(flags: string[]): GPU;
  globals: object;
}

/** An adapter that Dawn sees on this machine. */
export interface FoundAdapter {
  /** The device's name as its driver gives it. */
  name: string;
  backend: string;
  isSoftware: boolean;
}

export interface AdapterListing {
  /** The best first, by Dawn's own order for `high-performance`. */
  adapters: FoundAdapter[];
  /** What Dawn or the driver complained of; empty where it didn't. */
  problem: string;
}

/** The backends that compute shaders can be relied on, the platform's own first. */
const BACKENDS = ['metal', 'd3d12', 'vulkan'];

/** No adapter has this name: asked for it, Dawn answers with the names of those that there are. */
const NO_ADAPTER = '(none)';

/** Runs in a process of its own, where a driver may crash and this process' environment isn't settled by loading one. */
const LIST_ADAPTERS = `
  const say = (answer) => process.stdout.write(JSON.stringify(answer));
  import(process.argv[1])
    .then(({ create }) => create(['adapter=${NO_ADAPTER}']).requestAdapter({ powerPreference: 'high-performance' })
      .then(() => say({ list: '' }), (error) => say({ list: error.message })))
    .catch((error) => say({ failure: error.message }));
`;
const LIST_TIMEOUT_MS = 60_000;

/**
 * The `webgpu` package beside this one, or in the project that the process runs in.
 * @throws WeftError where it isn't installed.
 */
export function findDawn(): { path: string; version: string } {
  const found = findPackage('webgpu');
  if (!found) throw new WeftError('WebGPU under Node needs the package `webgpu` (Dawn): npm install webgpu');
  return { path: found.path, version: found.require('webgpu/package.json').version };
}

/** Loads Dawn into this process. @throws WeftError where its native part doesn't load here. */
export async function loadDawn(): Promise<Dawn> {
  const { path } = findDawn();
  try {
    return (await import(/* @vite-ignore */ pathToFileURL(path).href)) as Dawn;
  } catch (error) {
    throw new WeftError(`Dawn (${path}) doesn't load on ${PLATFORM}: ${(error as Error).message}`, {
      cause: error,
    });
  }
}

/**
 * Asks Dawn for its adapters, in a process with `env` beside this one's variables.
 * @throws WeftError where Dawn isn't installed or doesn't load.
 */
export async function listAdapters(env: Record<string, string> = {}): Promise<AdapterListing> {
  const url = pathToFileURL(findDawn().path).href;
  const child = await runCommand(process.execPath, ['-e', LIST_ADAPTERS, url], {
    env,
    timeoutMs: LIST_TIMEOUT_MS,
  });
  const complaints = child.stderr
    .split('\n')
    .filter((line) => line.trim() && !/^\s+at |artificially reduced/.test(line))
    .map((line) => line.replace(/^Warning: /, ''))
    .join('\n');
  if (child.code !== 0) {
    const how = child.signal ? `was ended by ${child.signal}` : `failed with exit code ${child.code}`;
    return { adapters: [], problem: `a process that asked for adapters ${how}\n${complaints}`.trim() };
  }
  const answer = JSON.parse(child.stdout) as { list: string } | { failure: string };
  if ('failure' in answer) {
    throw new WeftError(`Dawn doesn't load on ${PLATFORM}: ${answer.failure}`);
  }
  return { adapters: parseAdapterList(answer.list), problem: complaints };
}

/** The adapters in Dawn's answer to a name that it doesn't know: a line `* backend: 'vulkan', name: '…'` each. */
export function parseAdapterList(message: string): FoundAdapter[] {
  const lines = Array.from(
    message.matchAll(/^ \* backend: '([^']*)', name: '(.*)'$/gm),
    ([, backend, name]) => ({
      backend,
      name,
      isSoftware: isSoftwareAdapter({ description: name } as GPUAdapterInfo),
    }),
  );
  return BACKENDS.flatMap((backend) => lines.filter((line) => line.backend === backend));
}
