import { existsSync } from 'node:fs';
import fs from 'node:fs/promises';
import { join } from 'node:path';
import { createGunzip } from 'node:zlib';
import {
  type DataSet,
  FASHION_MNIST_FILES,
  FASHION_MNIST_PUBLISHERS,
  type FashionMnistFile,
  type FashionMnistPart,
  fashionMnistSets,
  verifyFashionMnistFile,
} from '../data/fashionMnist.ts';
import { WeftError } from '../errors.ts';
import { aptProblem, isOffline, unpackPackages } from './apt.ts';
import { cacheDir, cachePath, withTemporaryFolder } from './cacheDir.ts';
import { download as fetchFile } from './download.ts';
import { isArchive, readFashionMnistArchive } from './fashionMnistCsv.ts';
import { atomicWrite, hasCode } from './files.ts';
import { note, type Reporting } from './progress.ts';

/** Where `loadFashionMnist` finds the data. */
export interface FashionMnistOptions extends Reporting {
  /**
   * A folder with the four files, gzipped or not, or a .tar.gz with the two CSV files: that and no other source. Default:
   * `FASHION_MNIST_DIR`.
   */
  dir?: string;
  /** Forbids downloads; default: `WEFT_OFFLINE=1`. */
  offline?: boolean;
  /** The address of the four gzipped files; default: those of `FASHION_MNIST_PUBLISHERS`, one after the other. */
  publisher?: string;
}

/** Fashion-MNIST: 60,000 images to train with, 10,000 to test with. */
export interface FashionMnist {
  train: DataSet;
  test: DataSet;
  /** Where the files came from, for a person to read. */
  source: string;
}

type Files = Record<FashionMnistPart, Uint8Array>;

const PARTS = Object.entries(FASHION_MNIST_FILES) as [FashionMnistPart, FashionMnistFile][];
/** The package, what is in it and apt's lists: measured 79 MiB. */
const UNPACKING_BYTES = 150e6;
const DEBIAN_PACKAGE = 'dataset-fashion-mnist';
/** Where Debian's package keeps the files. */
const DEBIAN_FOLDER = 'usr/share/datasets/fashion-mnist';

/** Bytes that gzip makes a file longer, at most. */
const GZIP_BYTES = 2 ** 16;
/** No file of the set is longer, gzipped or not. */
const MAX_FILE_BYTES = Math.max(...PARTS.map(([, { bytes }]) => bytes)) + GZIP_BYTES;
/** A download that brings nothing for so long has failed. */
const STALL_MS = 15_000;
/** For one file; the largest has 26 MB. */
const DOWNLOAD_MS = 15 * 60_000;

/** The folder that downloaded files are kept in, uncompressed. */
export function fashionMnistCache(): string {
  return cachePath('fashion-mnist');
}

/** The folder that the user has chosen, if any: `dir`, else `FASHION_MNIST_DIR`. */
export function chosenDataFolder(dir?: string): string | undefined {
  return dir || process.env.FASHION_MNIST_DIR || undefined;
}

/** Whether the cache holds all four files, whole or not. */
export function isFashionMnistCached(): boolean {
  return PARTS.every(([, { name }]) => existsSync(join(fashionMnistCache(), name)));
}

/**
 * Fashion-MNIST: from the chosen folder if there is one; else from the cache, the publisher or the Debian package; what was
 * downloaded goes into the cache. Every file is checked by its SHA-256.
 *
 * @throws WeftError naming the file that is missing or isn't what it should be, or each source and why it failed.
 */
export async function loadFashionMnist(options: FashionMnistOptions = {}): Promise<FashionMnist> {
  const chosen = chosenDataFolder(options.dir);
  if (chosen && isArchive(chosen)) {
    note(options, `reading the CSV files in ${chosen}, which takes a while`);
    return readFashionMnistArchive(chosen);
  }
  if (chosen) return { ...fashionMnistSets(await readFolder(chosen)), source: chosen };

  if (isFashionMnistCached()) {
    try {
      const folder = fashionMnistCache();
      return { ...fashionMnistSets(await readFolder(folder)), source: folder };
    } catch (error) {
      note(options, `${(error as Error).message}: fetching Fashion-MNIST anew`);
    }
  }
  const { files, source } = await download(options);
  const cache = await cacheDir('fashion-mnist');
  for (const [part, { name }] of PARTS) await atomicWrite(join(cache, name), files[part]);
  return { ...fashionMnistSets(files), source };
}

/**
 * Reads the four files of a folder, gzipped or not, and checks them.
 * @throws WeftError naming the first file that is wrong.
 */
export async function readFolder(folder: string): Promise<Files> {
  const files: Partial<Files> = {};
  for (const [part, file] of PARTS) files[part] = await readFile(folder, file);
  return files as Files;
}

async function readFile(folder: string, file: FashionMnistFile): Promise<Uint8Array> {
  const plain = join(folder, file.name);
  for (const path of [plain, `${plain}.gz`]) {
    const bytes = await bytesOf(path, file).catch((error) => {
      if (hasCode(error, 'ENOENT')) return undefined;
      if (error instanceof WeftError) throw error;
      throw new WeftError(`could not read ${path}: ${error.message}`, { cause: error });
    });
    if (bytes) return uncompressed(file, bytes, path);
  }
  throw new WeftError(
    `${folder} holds no ${file.name}, gzipped (.gz) or not: Fashion-MNIST needs four files there`,
  );
}

/** What lies at a path: a file that may be one of the set, or gzipped; no pipe, and nothing without an end. */
async function bytesOf(path: string, file: FashionMnistFile): Promise<Uint8Array> {
  const found = await fs.stat(path);
  if (!found.isFile()) throw new WeftError(`${path} is no file`);
  if (found.size > MAX_FILE_BYTES)
    throw new WeftError(`${path}: expected ${file.name} of ${file.bytes} bytes, got ${found.size}`);
  return fs.readFile(path);
}

/** The file's own bytes, checked, from what lies at `path`: itself, or gzipped. */
async function uncompressed(file: FashionMnistFile, bytes: Uint8Array, path: string): Promise<Uint8Array> {
  const isGzipped = bytes[0] === 0x1f && bytes[1] === 0x8b;
  const plain = isGzipped ? await unzipped(file, bytes, path) : bytes;
  await verifyFashionMnistFile(file, plain, path);
  return plain;
}

/** Unpacks no more than the file has: how long it is, is known before. */
async function unzipped(file: FashionMnistFile, bytes: Uint8Array, path: string): Promise<Uint8Array> {
  const plain = new Uint8Array(file.bytes);
  let done = 0;
  try {
    const gunzip = createGunzip();
    gunzip.end(bytes);
    for await (const chunk of gunzip as AsyncIterable<Uint8Array>) {
      if (done + chunk.length > plain.length)
        throw new WeftError(
          `${path}: expected ${file.bytes} bytes uncompressed, got more: the file is too long`,
        );
      plain.set(chunk, done);
      done += chunk.length;
    }
  } catch (error) {
    if (error instanceof WeftError) throw error;
    throw new WeftError(
      `${path}: expected a gzipped ${file.name}, got a corrupt one: ${(error as Error).message}`,
      { cause: error },
    );
  }
  return plain.subarray(0, done);
}

async function download(options: FashionMnistOptions): Promise<{ files: Files; source: string }> {
  if (options.offline ?? isOffline()) {
    throw new WeftError(
      'Fashion-MNIST is not on this machine, and downloads are forbidden (WEFT_OFFLINE=1): name a folder with its four files by --data or FASHION_MNIST_DIR',
    );
  }
  const publishers = options.publisher === undefined ? FASHION_MNIST_PUBLISHERS : [options.publisher];
  const sources: [name: string, fetchAll: () => Promise<Files>][] = [
    ...publishers.map((address): [string, () => Promise<Files>] => [
      address,
      () => fromPublisher(address, options),
    ]),
    [`the Debian package ${DEBIAN_PACKAGE}`, () => fromDebian(options)],
  ];
  const failures: string[] = [];
  for (const [source, fetchAll] of sources) {
    try {
      return { files: await fetchAll(), source };
    } catch (error) {
      failures.push(`${source}: ${(error as Error).message}`);
    }
  }
  throw new WeftError(
    `Fashion-MNIST can't be downloaded:\n  ${failures.join('\n  ')}\nName a folder with its four files by --data or FASHION_MNIST_DIR`,
  );
}

async function fromPublisher(address: string, options: Reporting): Promise<Files> {
  const files: Partial<Files> = {};
  for (const [part, file] of PARTS) {
    const url = `${address}/${file.name}.gz`;
    const onBytes = (done: number, total: number) =>
      options.onProgress?.({ what: `Fashion-MNIST: ${file.name}`, done, total });
    const limits = { bytes: file.bytes + GZIP_BYTES, stallMs: STALL_MS, totalMs: DOWNLOAD_MS, onBytes };
    files[part] = await uncompressed(file, await fetchFile(url, limits), url);
  }
  return files as Files;
}

async function fromDebian(options: Reporting): Promise<Files> {
  const problem = aptProblem();
  if (problem) throw new WeftError(problem);
  return withTemporaryFolder(async (temporary) => {
    const { root } = await unpackPackages([DEBIAN_PACKAGE], temporary, {
      ...options,
      what: 'Fashion-MNIST',
      bytes: UNPACKING_BYTES,
    });
    return readFolder(join(root, DEBIAN_FOLDER));
  });
}
