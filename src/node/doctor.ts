import os from 'node:os';
import { type OpenAdapter, openAdapter } from './adapter.ts';
import { aptProblem } from './apt.ts';
import { cachePath, freeBytes, isCacheWritable } from './cacheDir.ts';
import { type FoundAdapter, findDawn } from './dawn.ts';
import { chosenDataFolder, fashionMnistCache, isFashionMnistCached, readFolder } from './fashionMnist.ts';
import { isLavapipeCached, lavapipeFolder } from './lavapipe.ts';
import { readOsRelease } from './osRelease.ts';
import { PLATFORM } from './packages.ts';

/** What this machine offers and what it lacks. */
export interface DoctorReport {
  /** Whether nothing is missing: a process that reports the opposite should end with a non-zero code. */
  ok: boolean;
  system: { name: string; platform: string; node: string; cores: number; memoryBytes: number };
  cache: { path: string; isWritable: boolean; freeBytes?: number };
  /** The version of the package `webgpu`. */
  dawn?: string;
  /** The adapters that can be used as things are, without downloads. */
  adapters: FoundAdapter[];
  /** The adapter that would be used. */
  adapter?: {
    name: string;
    isSoftware: boolean;
    /** The least and the greatest width of a subgroup; 0 where the adapter doesn't say. */
    subgroupSizes: [number, number];
    limits: Record<string, number>;
    features: string[];
  };
  /** The folder of a lavapipe that was downloaded. */
  lavapipe?: string;
  /** The folder of a whole Fashion-MNIST. */
  data?: string;
  /** What isn't there and, where its own words don't say, how to get it. */
  missing: { what: string; remedy?: string }[];
}

/** What `doctorReport` looks for. */
export interface DoctorOptions {
  /** See `AdapterOptions.adapter`. */
  adapter?: string;
  /** See `FashionMnistOptions.dir`. */
  dir?: string;
}

/** The limits that compute shaders run into, the others being about pictures. */
const COMPUTE_LIMIT =
  /^max(Buffer|BindGroups$|Bindings|Compute|(Storage|Uniform)Buffers?(PerShaderStage|BindingSize))/;

/** Looks at everything that Weft needs under Node; downloads and changes nothing, and reports what is missing. */
export async function doctorReport(options: DoctorOptions = {}): Promise<DoctorReport> {
  const missing: DoctorReport['missing'] = [];
  const attempt = async <T>(
    remedy: string | undefined,
    look: () => T | Promise<T>,
  ): Promise<T | undefined> => {
    try {
      return await look();
    } catch (error) {
      missing.push({ what: (error as Error).message, remedy });
      return undefined;
    }
  };

  const cache = { path: cachePath(), isWritable: isCacheWritable(), freeBytes: freeBytes(cachePath()) };
  if (!cache.isWritable) {
    missing.push({
      what: `the cache folder ${cache.path} can't be written`,
      remedy: 'set WEFT_CACHE_DIR to a folder that can',
    });
  }
  const dawn = await attempt(undefined, () => findDawn().version);
  const opened = dawn
    ? await attempt(adapterRemedy(options.adapter), () => look(options.adapter))
    : undefined;
  const data = await attempt(dataRemedy(options.dir), () => findData(options.dir));
  return {
    ok: missing.length === 0,
    system: {
      name: process.platform === 'linux' ? readOsRelease().prettyName : `${os.type()} ${os.release()}`,
      platform: PLATFORM,
      node: process.version,
      cores: os.availableParallelism(),
      memoryBytes: os.totalmem(),
    },
    cache,
    dawn,
    adapters: opened?.found ?? [],
    adapter: opened?.adapter,
    lavapipe: isLavapipeCached() ? lavapipeFolder() : undefined,
    data,
    missing,
  };
}

/** The report for a person to read. */
export function formatDoctor(report: DoctorReport): string {
  const { system, cache, adapter } = report;
  const lines: [string, string][] = [
    [
      'system',
      `${system.name} (${system.platform}), ${system.cores} cores, ${gibibytes(system.memoryBytes)} of memory`,
    ],
    ['Node', system.node],
    ['webgpu', report.dawn ?? 'missing'],
    ['cache', `${cache.path}${cache.freeBytes === undefined ? '' : `, ${gibibytes(cache.freeBytes)} free`}`],
    ['lavapipe', report.lavapipe ?? 'none in the cache'],
    ['adapters', report.adapters.map(describe).join('; ') || 'none'],
    ['adapter', adapter ? describe(adapter) : 'none'],
  ];
  if (adapter) {
    lines.push(['features', adapter.features.join(', ') || 'none']);
    lines.push(['subgroups', `${[...new Set(adapter.subgroupSizes)].join(' to ')} wide`]);
    const limits = Object.entries(adapter.limits).filter(([name]) => COMPUTE_LIMIT.test(name));
    for (const [name, value] of limits) lines.push([`  ${name}`, value.toLocaleString('en')]);
  }
  lines.push(['data', report.data ?? 'none']);
  const width = Math.max(...lines.map(([name]) => name.length)) + 2;
  const table = lines.map(([name, value]) => name.padEnd(width) + value);
  const faults = report.missing.map(
    ({ what, remedy }) => `missing: ${what}${remedy ? `\n  to get it: ${remedy}` : ''}`,
  );
  return [...table, '', ...(faults.length > 0 ? faults : ['nothing is missing'])].join('\n');
}

async function look(choice?: string): Promise<{ found: FoundAdapter[]; adapter: DoctorReport['adapter'] }> {
  const opened: OpenAdapter = await openAdapter({ adapter: choice, fetch: false });
  try {
    const { adapter, name, isSoftware, found } = opened;
    const limits: Record<string, number> = {};
    for (const key in adapter.limits) {
      const value = adapter.limits[key as keyof GPUSupportedLimits];
      if (typeof value === 'number') limits[key] = value;
    }
    const { subgroupMinSize = 0, subgroupMaxSize = 0 } = adapter.info;
    const features = [...adapter.features].sort();
    return {
      found,
      adapter: { name, isSoftware, subgroupSizes: [subgroupMinSize, subgroupMaxSize], limits, features },
    };
  } finally {
    opened.close();
  }
}

async function findData(dir?: string): Promise<string> {
  const chosen = chosenDataFolder(dir);
  if (!chosen && !isFashionMnistCached()) throw new Error('Fashion-MNIST is not on this machine yet');
  const folder = chosen ?? fashionMnistCache();
  await readFolder(folder);
  return folder;
}

function adapterRemedy(choice = 'auto'): string | undefined {
  const wantsSoftware = ['auto', 'software', 'lavapipe'].includes(choice);
  return process.platform === 'linux' && wantsSoftware && !aptProblem()
    ? 'or without root: the first `weft train` unpacks lavapipe, a software GPU, into the cache folder (about 60 MB of downloads)'
    : undefined;
}

function dataRemedy(dir?: string): string {
  if (chosenDataFolder(dir))
    return 'name a folder with the four whole files by --data or FASHION_MNIST_DIR, or none';
  return 'the first `weft train` downloads it (30 MB); or name a folder with its four files by --data or FASHION_MNIST_DIR';
}

function describe({ name, isSoftware }: { name: string; isSoftware: boolean }): string {
  return `${name} (${isSoftware ? 'software' : 'hardware'})`;
}

function gibibytes(bytes: number): string {
  return `${(bytes / 2 ** 30).toFixed(1)} GiB`;
}
