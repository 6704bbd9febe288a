import { existsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { WeftError } from '../errors.ts';
import { adapterName, isSoftwareAdapter } from '../gpu/gpu.ts';
import { type AdapterListing, type FoundAdapter, listAdapters, loadDawn } from './dawn.ts';
import {
  enterEnvironment,
  fetchLavapipe,
  installationAdvice,
  isLavapipeCached,
  lavapipeFolder,
  lavapipeVariables,
  loaderVariables,
  loadLibrary,
} from './lavapipe.ts';
import { napUntil } from './nap.ts';
import { readOsRelease } from './osRelease.ts';
import { note, type Reporting } from './progress.ts';

/** Which adapter, and how it is provided. */
export interface AdapterOptions extends Reporting {
  /**
   * `auto` (default): a hardware GPU, else lavapipe, else another software adapter. `hardware`, `software`, `lavapipe`,
   * `swiftshader`, part of a device's name in any case, or an `OpenAdapter.name`: that and nothing else.
   */
  adapter?: string;
  /** Whether lavapipe may be downloaded where it is needed; default: yes. */
  fetch?: boolean;
  /**
   * Features of Dawn's own (its "toggles") to switch on, by name. For measurements: `disable_robustness` takes bounds checks out of kernels,
   * `allow_unsafe_apis` offers extensions that aren't finished. Default: none.
   */
  dawnFeatures?: readonly string[];
}

/** An adapter, and what keeps it open. */
export interface OpenAdapter {
  adapter: GPUAdapter;
  /** The device's name and its driver with its version. */
  name: string;
  isSoftware: boolean;
  /** All adapters that were found with this one, in the order in which Dawn prefers them. */
  found: FoundAdapter[];
  /** Lets go of Dawn, so that the process can end; the adapter's devices can't be used any more. */
  close(): void;
  /** To be called with answers that wait for the GPU: leaves a software adapter the cores that it computes on. */
  whileWaiting: ((answer: Promise<unknown>) => void) | undefined;
}

/** The files that Chromium's packages keep SwiftShader's manifest in. */
const SWIFTSHADER_MANIFESTS = [
  '/usr/lib/chromium/vk_swiftshader_icd.json',
  '/usr/lib/chromium-browser/vk_swiftshader_icd.json',
  '/usr/lib64/chromium-browser/vk_swiftshader_icd.json',
  '/opt/google/chrome/vk_swiftshader_icd.json',
  '/opt/chromium.org/chromium/vk_swiftshader_icd.json',
];

const LOADER = 'libvulkan.so.1';

const LAVAPIPE = /llvmpipe|lavapipe/i;
const SWIFTSHADER = /swiftshader/i;

/** The adapter that a choice (see `AdapterOptions.adapter`) means among those found; undefined where it isn't there. */
export function chooseAdapter(found: FoundAdapter[], choice = 'auto'): FoundAdapter | undefined {
  const wanted = choice.toLowerCase();
  const hardware = found.find(({ isSoftware }) => !isSoftware);
  const lavapipe = found.find(({ name }) => LAVAPIPE.test(name));
  const software = lavapipe ?? found.find(({ isSoftware }) => isSoftware);
  switch (wanted) {
    case 'auto':
      return hardware ?? software;
    case 'hardware':
      return hardware;
    case 'software':
      return software;
    case 'lavapipe':
      return lavapipe;
    case 'swiftshader':
      return found.find(({ name }) => SWIFTSHADER.test(name));
    default:
      return found.find(({ name }) => {
        const device = name.toLowerCase();
        return device.includes(wanted) || wanted.startsWith(`${device}, `);
      });
  }
}

/**
 * The environment variables that a process lacks to find the chosen adapter; empty where this one's will do. Where no GPU
 * driver can be used and the choice allows a software one, lavapipe is unpacked into the cache folder first (Debian and Ubuntu).
 *
 * @throws WeftError where the chosen adapter isn't there, saying what was found and what to do.
 */
export async function adapterEnvironment(options: AdapterOptions = {}): Promise<Record<string, string>> {
  return (await findAdapter(options)).variables;
}

/**
 * Opens a WebGPU adapter under Node and makes WebGPU's globals (`GPUBufferUsage` …) known. What the system lacks for it is
 * provided as `adapterEnvironment` does, within this process.
 *
 * @throws WeftError where the chosen adapter isn't there, saying what was found and what to do.
 */
export async function openAdapter(options: AdapterOptions = {}): Promise<OpenAdapter> {
  const { dawnFeatures = [] } = options;
  const { variables, chosen, found } = await findAdapter(options);
  enterEnvironment(variables);
  const { create, globals } = await loadDawn();
  Object.assign(globalThis, globals);
  // A profile needs the GPU's clock as it is; Dawn rounds it to steps of 0.066 ms, which protects the users of web pages.
  const gpu = create([
    `backend=${chosen.backend}`,
    `adapter=${chosen.name}`,
    'disable-dawn-features=timestamp_quantization',
    ...(dawnFeatures.length > 0 ? [`enable-dawn-features=${dawnFeatures.join(',')}`] : []),
  ]);
  const adapter = await gpu.requestAdapter({ powerPreference: 'high-performance' });
  if (!adapter) throw new WeftError(`the adapter ${chosen.name} was found, but Dawn doesn't open it`);
  const key = Symbol(chosen.name);
  held.set(key, gpu);
  const driver = adapterName(adapter.info);
  return {
    adapter,
    name: driver === chosen.name ? driver : `${chosen.name}, ${driver}`,
    isSoftware: isSoftwareAdapter(adapter.info),
    found,
    close: () => void held.delete(key),
    whileWaiting: isSoftwareAdapter(adapter.info) ? napUntil : undefined,
  };
}

/** If what Dawn's `create` returns is collected while a device lives, promises never settle; if it is kept, the process stays. */
const held = new Map<symbol, GPU>();

interface AdapterSearch {
  variables: Record<string, string>;
  chosen: FoundAdapter;
  found: FoundAdapter[];
}

/** Looks for the chosen adapter with this process' environment, then with what can be provided beside it. */
async function findAdapter(options: AdapterOptions): Promise<AdapterSearch> {
  const choice = options.adapter || 'auto';
  const listings: AdapterListing[] = [];
  for await (const variables of environments(choice, options)) {
    const listing = await listAdapters(variables);
    const chosen = chooseAdapter(listing.adapters, choice);
    if (chosen) return { variables, chosen, found: listing.adapters };
    listings.push(listing);
  }
  throw new WeftError(notFound(choice, listings));
}

/** What may be set beside this process' environment to find an adapter: the least first. Each is provided when its turn comes. */
async function* environments(
  choice: string,
  options: AdapterOptions,
): AsyncGenerator<Record<string, string>> {
  if (process.platform !== 'linux') {
    yield {};
    return;
  }
  // Mesa complains at every start where this is unset.
  const base: Record<string, string> = process.env.XDG_RUNTIME_DIR ? {} : { XDG_RUNTIME_DIR: tmpdir() };
  yield base;

  const wanted = choice.toLowerCase();
  const hasLoader = loadLibrary(LOADER) === undefined;
  const { fetch = true } = options;
  const cached = isLavapipeCached();
  if (wanted === 'swiftshader') {
    const manifests = SWIFTSHADER_MANIFESTS.filter((path) => existsSync(path));
    if (manifests.length > 0 && !hasLoader && !cached) {
      if (!fetch) return;
      await fetchLavapipe(options);
    }
    for (const manifest of manifests) {
      yield { ...base, VK_DRIVER_FILES: manifest, ...(hasLoader ? {} : loaderVariables()) };
    }
    return;
  }
  const lavapipeWillDo = isLavapipe(wanted) || wanted === 'auto' || wanted === 'software';
  if (hasLoader && !lavapipeWillDo) return;
  if (!cached) {
    if (!fetch) return;
    await fetchLavapipe(options);
  }
  if (!hasLoader) yield { ...base, ...loaderVariables() };
  if (!lavapipeWillDo) return;
  yield { ...base, ...lavapipeVariables() };
  if (!cached || !fetch) return;
  note(options, `the lavapipe in ${lavapipeFolder()} doesn't work: fetching it anew`);
  await fetchLavapipe(options, true);
  yield { ...base, ...lavapipeVariables() };
}

/** Whether a choice in small letters can be nothing but lavapipe, whose device calls itself `llvmpipe (LLVM …)`. */
function isLavapipe(wanted: string): boolean {
  return LAVAPIPE.test(wanted) || 'llvmpipe'.startsWith(wanted);
}

function notFound(choice: string, listings: AdapterListing[]): string {
  const adapters = listings.flatMap((listing) => listing.adapters.map(({ name }) => name));
  const names = [...new Set(adapters)];
  const found = names.length > 0 ? `found: ${names.join(', ')}` : 'found none';
  const problem = listings.map((listing) => listing.problem).find(Boolean);
  const complaint = names.length === 0 && problem ? ` (${problem})` : '';
  return `no adapter '${choice}': ${found}${complaint}. ${advice(choice.toLowerCase())}`;
}

function advice(choice: string): string {
  if (choice === 'swiftshader') return "SwiftShader comes with Chromium: install the package 'chromium'";
  if (process.platform !== 'linux') return "Check that the GPU's driver is installed and up to date";
  if (choice === 'auto' || choice === 'software' || LAVAPIPE.test(choice))
    return installationAdvice(readOsRelease());
  return "A GPU needs its maker's Vulkan driver; --adapter software runs without one";
}
