import { existsSync, readFileSync } from 'node:fs';
import type { DataSet } from '../data/fashionMnist.ts';
import { Gpu } from '../gpu/gpu.ts';
import { openAdapter } from '../node/adapter.ts';
import { findDawn } from '../node/dawn.ts';
import { loadFashionMnist } from '../node/fashionMnist.ts';
import { close, useGpu } from '../tensor/device.ts';
import type { Console } from './console.ts';
import type { Versions } from './run.ts';

export interface Data {
  readonly train: DataSet;
  readonly test: DataSet;
  /** Where it came from. */
  readonly source: string;
}

/** Reads or fetches Fashion-MNIST and says where from. @param dir a folder with its files, which then is the only source */
export async function openData(dir: string | undefined, out: Console): Promise<Data> {
  const data = await loadFashionMnist({ dir, onProgress: out.download, onNote: (line) => out.line(line) });
  out.line(`data: Fashion-MNIST from ${data.source}`);
  return data;
}

export interface OpenGpu {
  readonly gpu: Gpu;
  /** The adapter's name with its driver's version, where the driver says it. */
  readonly name: string;
  readonly isSoftware: boolean;
}

/** Opens the adapter, says which, and makes it the one that tensors live on. `close()` lets go of it. */
export async function openGpu(choice: string | undefined, out: Console): Promise<OpenGpu> {
  const opened = await openAdapter({
    adapter: choice,
    onProgress: out.download,
    onNote: (line) => out.line(line),
  });
  const { adapter, name, isSoftware } = opened;
  const gpu = useGpu(await Gpu.open(adapter, { onClose: opened.close }));
  out.line(`adapter: ${name} (${isSoftware ? 'software' : 'hardware'})`);
  return { gpu, name, isSoftware };
}

export { close };

export const versions = (): Versions => ({
  weft: weftVersion(),
  node: process.version,
  webgpu: findDawn().version,
});

/** Of the package that this file is part of, as source or in the bundle. */
export function weftVersion(): string {
  for (let folder = new URL('./', import.meta.url); ; folder = new URL('../', folder)) {
    const file = new URL('package.json', folder);
    const found = existsSync(file) ? JSON.parse(readFileSync(file, 'utf8')) : undefined;
    if (found?.name === 'weft-gpu') return found.version;
    if (folder.pathname === '/') return 'unknown';
  }
}
