import { checkBytes } from '../checks.ts';
import { WeftError } from '../errors.ts';
import { decodeNpy, encodeNpy, type NpyArray } from './npy.ts';
import { loadPeer } from './peer.ts';

/*
 * Several arrays in one zip archive, NAME.npy each: what numpy.savez and savez_compressed write.
 */

const fflate = (what: string) => loadPeer('fflate', what, () => import('fflate'));

/** Most that deflate makes of one byte: 258 bytes from two bits. */
const MAX_RATIO = 1032;
/** zip's first date: the same arrays give the same bytes. */
const MTIME = new Date(1980, 0, 1);

/** How `encodeNpz` writes. */
export interface NpzOptions {
  /** Whether to deflate, as savez_compressed does. Default false. */
  compressed?: boolean;
}

/** @throws WeftError where the package fflate isn't installed */
export async function encodeNpz(
  arrays: ReadonlyMap<string, NpyArray>,
  { compressed = false }: NpzOptions = {},
): Promise<Uint8Array> {
  const { zipSync } = await fflate('writing .npz');
  const level = compressed ? 6 : 0;
  const entries = [...arrays].map(([name, array]) => [
    `${name}.npy`,
    [encodeNpy(array), { level, mtime: MTIME }],
  ]);
  return zipSync(Object.fromEntries(entries));
}

/** What `decodeNpz` accepts. */
export interface ReadNpzOptions {
  /** What error messages call the file. */
  name?: string;
  /** Most bytes that the arrays may have together. Default 1 GiB. */
  maxBytes?: number;
}

/**
 * Reads the arrays by name.
 * @throws WeftError where the file is no zip archive or damaged, an entry is no npy file, two have one name, or the arrays claim
 * more than the file can hold or than `maxBytes`; and where the package fflate isn't installed
 * @example
 * ```ts
 * import { decodeNpz, encodeNpz } from 'weft-gpu/files';
 *
 * const file = await encodeNpz(new Map([['x', { shape: [2], data: Float32Array.of(1, 2) }]]));
 * console.log((await decodeNpz(file)).get('x')?.data); // Float32Array [1, 2]
 * ```
 */
export async function decodeNpz(
  file: Uint8Array,
  { name = 'the file', maxBytes = 2 ** 30 }: ReadNpzOptions = {},
): Promise<Map<string, NpyArray>> {
  checkBytes('an .npz file', file);
  const { unzipSync } = await fflate('reading .npz');
  const allowed = Math.min(maxBytes, MAX_RATIO * file.length);
  const seen = new Set<string>();
  let claimed = 0;
  let entries: Record<string, Uint8Array>;
  try {
    entries = unzipSync(file, {
      filter: ({ name: entry, size, originalSize }) => {
        if (!entry.endsWith('.npy')) throw new WeftError(`${name} holds '${entry}', which is no .npy`);
        if (seen.has(entry)) throw new WeftError(`${name} holds '${entry}' twice`);
        seen.add(entry);
        // A stored entry is copied as long as it is, whatever it says of its contents.
        claimed += Math.max(size, originalSize);
        if (claimed > allowed)
          throw new WeftError(
            `${name} claims ${claimed} bytes of arrays, more than ${allowed} can be in a file of ${file.length}`,
          );
        return true;
      },
    });
  } catch (error) {
    if (error instanceof WeftError) throw error;
    throw new WeftError(`${name} is no zip archive, or damaged: ${(error as Error).message}`, {
      cause: error,
    });
  }
  return new Map(
    Object.entries(entries).map(([entry, bytes]) => [
      entry.replace(/\.npy$/, ''),
      decodeNpy(bytes, `'${entry}' in ${name}`),
    ]),
  );
}
