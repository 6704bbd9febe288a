import { WeftError } from '../errors.ts';
import { Gpu } from '../gpu/gpu.ts';
import { openAdapter } from '../node/adapter.ts';
import { undoing } from '../node/cleanUp.ts';
import { findDawn } from '../node/dawn.ts';
import { loadFashionMnist } from '../node/fashionMnist.ts';
import { pinChoices } from '../tensor/choices.ts';
import { close, useGpu } from '../tensor/device.ts';
import { VERSION } from '../tensor/version.ts';
import type { Console } from './console.ts';
import type { ExperimentSet } from './experimentSet.ts';
import type { ManifestFolder } from './folder.ts';
import type { Kernels, Manifest, Versions } from './manifest.ts';

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

/** What the manifests of all work that can be gone on with hold. */
type Begun = Pick<Manifest, 'flags' | 'versions' | 'adapter' | 'choices' | 'resumed'>;

/** Opens the adapter for some work, and makes it take the kernels that were chosen for it. Of new work that hasn't got one, nothing stays. */
export async function openGpuFor(
  folder: ManifestFolder<Begun>,
  isNew: boolean,
  { adapter, allowOtherAdapter = false }: { adapter?: string; allowOtherAdapter?: boolean },
  out: Console,
): Promise<OpenGpu> {
  return undoing(
    async () => {
      const gpu = await openGpu(adapter ?? folder.manifest.flags.adapter, out);
      await settleAdapter(folder, gpu, allowOtherAdapter, !isNew, out);
      pinKernels(gpu, folder.manifest.choices?.kernels ?? {}, out);
      return gpu;
    },
    async () => {
      if (isNew) await folder.discard();
    },
  );
}

/** Keeps work on the adapter that it was begun on, and writes down which. */
async function settleAdapter(
  folder: ManifestFolder<Begun>,
  { name }: OpenGpu,
  mayDiffer: boolean,
  isResumed: boolean,
  out: Console,
): Promise<void> {
  const { adapter, resumed, versions: begunWith } = folder.manifest;
  const now = versions();
  if (adapter !== null && adapter !== name) {
    if (!mayDiffer)
      throw new WeftError(
        `this run belongs to the adapter ${adapter}, and this is ${name}: its bits would be others. --allow-other-adapter goes on all the same`,
      );
    out.line(`another adapter than ${adapter}: from here on, the bits are others`);
  }
  if (JSON.stringify(now) !== JSON.stringify(begunWith)) {
    out.line(
      `begun with ${describeVersions(begunWith)}, now ${describeVersions(now)}: from here on, the bits may be others`,
    );
  }
  const again = isResumed ? [{ at: new Date().toISOString(), adapter: name, versions: now }] : [];
  await folder.update({ adapter: name, resumed: [...resumed, ...again] });
}

const describeVersions = ({ weft, node, webgpu }: ReturnType<typeof versions>) =>
  `weft ${weft}, Node ${node}, webgpu ${webgpu}`;

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
