import os from 'node:os';
import { type OpenAdapter, openAdapter } from '../../../src/node/adapter.ts';
import { findDawn } from '../../../src/node/dawn.ts';
import { VERSION } from '../../../src/tensor/version.ts';
import type { RunContext } from '../context.ts';

/** What faster kernels could use where it is there. */
const EXTENSIONS = [
  'shader-f16',
  'subgroups',
  'subgroup-size-control',
  'chromium-experimental-subgroup-matrix',
];
/** What Dawn keeps back until it is asked for by name. */
const UNSAFE = ['allow_unsafe_apis', 'vulkan_enable_f16_on_nvidia'];

/** The limits of an adapter: they are getters, which JSON wouldn't show. */
function limitsOf({ limits }: GPUAdapter): Record<string, number> {
  const found: Record<string, number> = {};
  for (const name in limits) {
    const value = limits[name as keyof GPUSupportedLimits];
    if (typeof value === 'number') found[name] = value;
  }
  return found;
}

/** Configurations of subgroup matrices, as plain data. */
function matricesOf({ info }: GPUAdapter): object[] {
  const { subgroupMatrixConfigs = [] } = info as {
    subgroupMatrixConfigs?: Iterable<Record<string, unknown>>;
  };
  return Array.from(subgroupMatrixConfigs, ({ componentType, resultComponentType, M, N, K }) => ({
    componentType,
    resultComponentType,
    M,
    N,
    K,
  }));
}

const extensionsOf = (dawnFeatures: readonly string[], { adapter }: OpenAdapter): object => ({
  dawnFeatures,
  ...Object.fromEntries(EXTENSIONS.map((name) => [name, adapter.features.has(name as GPUFeatureName)])),
  subgroupMatrices: matricesOf(adapter),
});

/** Which adapter this is, and what it offers with and without what Dawn keeps back. */
export async function adapter({ given, set }: RunContext): Promise<void> {
  const usual = await openAdapter({ adapter: given.adapter });
  const { info, features } = usual.adapter;
  const { vendor, architecture, device, description, subgroupMinSize, subgroupMaxSize } = info;
  // The name under which Dawn lists it: the device's own, where `description` is the driver's.
  const chosen = usual.found.find(({ name }) => usual.name.startsWith(name)) ?? usual.found[0];
  set({
    name: chosen.name,
    driver: description,
    isSoftware: usual.isSoftware,
    backend: chosen.backend,
    info: { vendor, architecture, device, description, subgroupMinSize, subgroupMaxSize },
    limits: limitsOf(usual.adapter),
    features: [...features].sort(),
    host: {
      platform: `${os.platform()} ${os.release()} ${os.arch()}`,
      processor: os.cpus()[0]?.model,
      cores: os.availableParallelism(),
      memoryGiB: Math.round(os.totalmem() / 2 ** 30),
      node: process.version,
      dawn: findDawn().version,
      weft: VERSION,
    },
  });
  const extensions = [extensionsOf([], usual)];
  set({ extensions });
  const unsafe = await openAdapter({ adapter: given.adapter, dawnFeatures: UNSAFE });
  extensions.push(extensionsOf(UNSAFE, unsafe));
  set({ extensions });
  for (const opened of [usual, unsafe]) opened.close();
}
