import { checkBytes, showValue } from '../checks.ts';
import { WeftError } from '../errors.ts';
import { crc32 } from '../nn/crc32.ts';
import { decodeNpy, decodeOwnNpy, encodeNpy, type NpyArray } from './npy.ts';
import { loadPeer } from './peer.ts';
import { MAX_ENTRIES, type ZipEntry, zipEntries } from './zip.ts';

/*
 * Several arrays in one zip archive, NAME.npy each: what numpy.savez and savez_compressed write.
 */

const fflate = (what: string) => loadPeer('fflate', what, () => import('fflate'));
type Fflate = Awaited<ReturnType<typeof fflate>>;

/** Most bytes of arrays beside the file's own length. */
const FIXED_BYTES = 512 * 2 ** 20;
/** The format's offsets have 32 bits. */
const MAX_FILE_BYTES = 2 ** 32 - 1;
/** Packed bytes that are unpacked at once: they make 17 MB at most. More come in parts, and end where they make too much. */
const PART = 2 ** 14;
/** zip's first date: the same arrays give the same bytes. */
const MTIME = new Date(1980, 0, 1);

/**
 * Who unpacks an archive gets files of its entries' names: none leads out of the folder.
 * @throws WeftError
 */
function checkEntry(where: string, entry: string): void {
  if (/^([\\/]|[a-z]:[\\/])|(^|[\\/])\.\.([\\/]|$)/i.test(entry))
    throw new WeftError(`${where}: ${showValue(entry)} is a path that leads out of the archive`);
}

/** How `encodeNpz` writes. */
export interface NpzOptions {
  /** Whether to deflate, as savez_compressed does. Default false. */
  compressed?: boolean;
}

/**
 * The archive of these arrays.
 * @throws WeftError for more arrays (65,535) or bytes (4 GiB) than the format holds, for a name that is a path which
 * leads out of the archive, and where the package fflate isn't installed
 */
export async function encodeNpz(
  arrays: ReadonlyMap<string, NpyArray>,
  { compressed = false }: NpzOptions = {},
): Promise<Uint8Array> {
  const { zipSync } = await fflate('writing .npz');
  const level = compressed ? 6 : 0;
  const bytes = [...arrays.values()].reduce((sum, { data }) => sum + (data?.byteLength ?? 0), 0);
  if (arrays.size > MAX_ENTRIES || bytes > MAX_FILE_BYTES)
    throw new WeftError(
      `encodeNpz: ${arrays.size} arrays of ${bytes} bytes; at most ${MAX_ENTRIES} of ${MAX_FILE_BYTES} can be written`,
    );
  const entries = [...arrays].map(([name, array]) => {
    const entry = `${name}.npy`;
    checkEntry('encodeNpz', entry);
    return [entry, [encodeNpy(array), { level, mtime: MTIME }]];
  });
  try {
    return zipSync(Object.fromEntries(entries));
  } catch (error) {
    throw new WeftError(`encodeNpz: ${(error as Error).message}`, { cause: error });
  }
}

/** What `decodeNpz` accepts. */
export interface ReadNpzOptions {
  /** What error messages call the file. */
  name?: string;
  /** Most bytes that the arrays may have together. Default 512 MiB more than the file: arrays that aren't packed always fit. */
  maxBytes?: number;
}

/**
 * Reads the arrays by name, one after the other. Takes the memory of the arrays, and of the largest once more where its elements are
 * in Fortran's order: with the default `maxBytes`, at most 3 times the file's and 1 GiB.
 *
 * @throws WeftError before anything is unpacked where the file is no zip archive or cut short, has more than 65,535 entries, two of
 * one name, one that is no npy file or leads out of the archive, or claims more than `maxBytes`; where an entry is damaged or isn't as long as it claims; and
 * where the package fflate isn't installed
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
  { name = 'the file', maxBytes }: ReadNpzOptions = {},
): Promise<Map<string, NpyArray>> {
  checkBytes('an .npz file', file);
  const library = await fflate('reading .npz');
  const entries = zipEntries(file, (why) => {
    throw new WeftError(`${name} is no zip archive, or damaged: ${why}`);
  });
  const seen = new Set<string>();
  let claimed = 0;
  for (const { name: entry, size } of entries) {
    if (!entry.endsWith('.npy')) throw new WeftError(`${name} holds ${showValue(entry)}, which is no .npy`);
    checkEntry(name, entry);
    if (seen.has(entry)) throw new WeftError(`${name} holds ${showValue(entry)} twice`);
    seen.add(entry);
    claimed += size;
  }
  const allowed = maxBytes ?? file.length + FIXED_BYTES;
  if (claimed > allowed)
    throw new WeftError(
      `${name} claims ${claimed} bytes of arrays, more than ${allowed}${maxBytes === undefined ? `, which are the ${file.length} of the file and 512 MiB` : ''}: the option maxBytes allows more`,
    );
  return new Map(
    entries.map((entry) => {
      const what = `${showValue(entry.name)} in ${name}`;
      return [entry.name.replace(/\.npy$/, ''), decodeEntry(library, entry, what)];
    }),
  );
}

/** @param what what error messages call the entry */
function decodeEntry(library: Fflate, entry: ZipEntry, what: string): NpyArray {
  const bytes = entry.isDeflated ? inflate(library, entry, what) : entry.packed;
  const found = crc32(bytes);
  if (found !== entry.crc32)
    throw new WeftError(`${what} is damaged: its checksum is ${entry.crc32}, its contents have ${found}`);
  return entry.isDeflated ? decodeOwnNpy(bytes, what) : decodeNpy(bytes, what);
}

/** An entry's bytes, in an array as long as it claims. */
function inflate({ Inflate, inflateSync }: Fflate, { packed, size }: ZipEntry, what: string): Uint8Array {
  const wrong = (found: string) =>
    new WeftError(`${what} is damaged: expected ${size} bytes unpacked, got ${found}`);
  // One more than there should be shows what is too long.
  const out = new Uint8Array(size + 1);
  let done = 0;
  try {
    if (packed.length <= PART) done = inflateSync(packed, { out }).length;
    else {
      const stream = new Inflate((part) => {
        if (done + part.length > size) throw wrong('more');
        out.set(part, done);
        done += part.length;
      });
      for (let at = 0; at < packed.length; at += PART)
        stream.push(packed.subarray(at, at + PART), at + PART >= packed.length);
    }
  } catch (error) {
    if (error instanceof WeftError) throw error;
    throw new WeftError(`${what} is damaged: ${(error as Error).message}`, { cause: error });
  }
  if (done !== size) throw wrong(done > size ? 'more' : `${done}`);
  return out.subarray(0, size);
}
