import { Gpu } from '../gpu/gpu.ts';
import { openAdapter } from '../node/adapter.ts';
import { findDawn } from '../node/dawn.ts';
import { loadFashionMnist } from '../node/fashionMnist.ts';
import { pinChoices } from '../tensor/choices.ts';
import { close, useGpu } from '../tensor/device.ts';
import { VERSION } from '../tensor/version.ts';
import type { Console } from './console.ts';
import type { ExperimentSet } from './experimentSet.ts';
import type { Kernels, Versions } from './run.ts';

export interface Data {
  readonly train: ExperimentSet;
  readonly test: ExperimentSet;
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
  const gpu = useGpu(await Gpu.open(adapter, { onClose: opened.close, whileWaiting: opened.whileWaiting }));
  out.line(`adapter: ${name} (${isSoftware ? 'software' : 'hardware'})`);
  return { gpu, name, isSoftware };
}

/** Makes ops take the kernels that a run was made with, and says where this adapter doesn't offer one. */
export function pinKernels({ gpu }: OpenGpu, kernels: Kernels, out: Console): void {
  pinChoices(gpu, kernels, (key, candidate, instead) =>
    out.line(
      `the run was made with the kernel '${candidate}' for ${key}, which this adapter and version don't offer: '${instead}' takes its place, so the bits are others`,
    ),
  );
}

export { close };

export const versions = (): Versions => ({
  weft: VERSION,
  node: process.version,
  webgpu: findDawn().version,
});
