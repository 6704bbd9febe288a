import fs from 'node:fs/promises';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import os from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import {
  assembleFashionMnist,
  FASHION_MNIST_CLASSES,
  FASHION_MNIST_FILES,
  FASHION_MNIST_PUBLISHERS,
  type FashionMnistPart,
} from '../../src/data/fashionMnist.ts';
import { WeftError } from '../../src/errors.ts';
import {
  chosenDataFolder,
  fashionMnistCache,
  loadFashionMnist,
  readFolder,
} from '../../src/node/fashionMnist.ts';

type Files = Record<FashionMnistPart, Uint8Array>;

const PARTS = Object.keys(FASHION_MNIST_FILES) as FashionMnistPart[];
const nameOf = (part: FashionMnistPart) => FASHION_MNIST_FILES[part].name;

/** The real files: damaged copies of them are what these tests are about. */
let real: Files;
let gzipped: Map<string, Uint8Array>;
let folder: string;

beforeAll(async () => {
  await loadFashionMnist();
  real = await readFolder(chosenDataFolder() ?? fashionMnistCache());
  gzipped = new Map(PARTS.map((part) => [`/${nameOf(part)}.gz`, gzipSync(real[part], { level: 1 })]));
});

beforeEach(async () => {
  folder = await fs.mkdtemp(join(os.tmpdir(), 'weft-data-'));
  vi.stubEnv('FASHION_MNIST_DIR', undefined);
  vi.stubEnv('WEFT_CACHE_DIR', join(folder, 'cache'));
});

afterEach(async () => {
  vi.useRealTimers();
  vi.unstubAllEnvs();
  await fs.rm(folder, { recursive: true, force: true });
});

/** A folder with the four files, some of them replaced or, by `undefined`, left out. */
async function folderWith(files: Partial<Record<FashionMnistPart, Uint8Array | undefined>>): Promise<string> {
  const path = join(folder, 'data');
  await fs.mkdir(path);
  for (const part of PARTS) {
    const bytes = part in files ? files[part] : real[part];
    if (bytes) await fs.writeFile(join(path, nameOf(part)), bytes);
  }
  return path;
}

function flipped(bytes: Uint8Array, at: number): Uint8Array {
  const copy = Uint8Array.from(bytes);
  copy[at] ^= 1;
  return copy;
}

describe('assembleFashionMnist', () => {
  test('makes both sets of the real files', async () => {
    const { train, test } = await assembleFashionMnist(real);
    expect(train).toMatchObject({
      count: 60000,
      height: 28,
      width: 28,
      channels: 1,
      classNames: FASHION_MNIST_CLASSES,
    });
    expect(test).toMatchObject({ count: 10000, height: 28, width: 28, channels: 1 });
    expect(train.images.length).toBe(60000 * 28 * 28);
    for (const [set, perClass] of [
      [train, 6000],
      [test, 1000],
    ] as const) {
      const counts = new Array(10).fill(0);
      for (const label of set.labels) counts[label]++;
      expect(counts).toEqual(new Array(10).fill(perClass));
    }
    // The first training image is an ankle boot.
    expect(FASHION_MNIST_CLASSES[train.labels[0]]).toBe('Ankle boot');
  });

  test.each(PARTS)('refuses %s with one bit flipped', async (part) => {
    const files = { ...real, [part]: flipped(real[part], real[part].length - 1) };
    const assemble = assembleFashionMnist(files);
    await expect(assemble).rejects.toThrow(WeftError);
    await expect(assemble).rejects.toThrow(
      `${nameOf(part)}: expected SHA-256 ${FASHION_MNIST_FILES[part].sha256}, got `,
    );
  });
});

describe('a chosen folder', () => {
  test('may hold the files gzipped, plain, or both kinds', async () => {
    const path = await folderWith({ testImages: undefined });
    await fs.writeFile(join(path, `${nameOf('testImages')}.gz`), gzipped.get(`/${nameOf('testImages')}.gz`)!);
    const { train, test, source } = await loadFashionMnist({ dir: path });
    expect([train.count, test.count, source]).toEqual([60000, 10000, path]);
    vi.stubEnv('FASHION_MNIST_DIR', path);
    expect((await loadFashionMnist()).source).toBe(path);
    await expect(fs.stat(fashionMnistCache())).rejects.toThrow('ENOENT');
  });

  test('that lacks a file is an error that names it, whatever other sources there are', async () => {
    const path = await folderWith({ trainLabels: undefined });
    const load = loadFashionMnist({ dir: path });
    await expect(load).rejects.toThrow(WeftError);
    await expect(load).rejects.toThrow(`${path} holds no train-labels-idx1-ubyte`);
  });

  const cases: [string, FashionMnistPart, () => Uint8Array, string][] = [
    [
      'a file cut short',
      'testImages',
      () => real.testImages.subarray(0, 5000),
      'expected 7840016 bytes uncompressed, got 5000: the file is cut short',
    ],
    [
      'a file that is too long',
      'testLabels',
      () => Buffer.concat([real.testLabels, Uint8Array.of(0)]),
      'expected 10008 bytes uncompressed, got 10009: the file is too long',
    ],
    [
      'swapped images',
      'trainImages',
      () => real.testImages,
      'expected train-images-idx3-ubyte, got the contents of t10k-images-idx3-ubyte: files are swapped',
    ],
    [
      'images for labels',
      'trainLabels',
      () => real.trainImages,
      'expected train-labels-idx1-ubyte, got the contents of train-images-idx3-ubyte',
    ],
    ['a flipped bit', 'testLabels', () => flipped(real.testLabels, 9), 'the file is corrupt'],
    ['an empty file', 'testLabels', () => new Uint8Array(), 'expected 10008 bytes uncompressed, got 0'],
    [
      'gzip cut short',
      'testLabels',
      () => gzipSync(real.testLabels).subarray(0, 3000),
      'expected a gzipped t10k-labels-idx1-ubyte, got a corrupt one: unexpected end of file',
    ],
    [
      'zeros without end, gzipped',
      'testLabels',
      () => gzipSync(new Uint8Array(2 ** 25)),
      'expected 10008 bytes uncompressed, got more: the file is too long',
    ],
    [
      'a file longer than any of the set',
      'testLabels',
      () => new Uint8Array(50e6),
      'expected t10k-labels-idx1-ubyte of 10008 bytes, got 50000000',
    ],
  ];
  test.each(cases)('with %s is an error that names it', async (_, part, bytes, message) => {
    const path = await folderWith({ [part]: bytes() });
    const load = loadFashionMnist({ dir: path });
    await expect(load).rejects.toThrow(WeftError);
    await expect(load).rejects.toThrow(join(path, nameOf(part)));
    await expect(load).rejects.toThrow(message);
  });

  test('with what is no file at all is an error that names it', async () => {
    const path = await folderWith({ trainImages: undefined });
    await fs.symlink('/dev/zero', join(path, nameOf('trainImages')));
    await expect(loadFashionMnist({ dir: path })).rejects.toThrow(`${nameOf('trainImages')} is no file`);
  });
});

describe('downloads', () => {
  let server: http.Server;
  let address: string;
  let answer: (request: http.IncomingMessage, response: http.ServerResponse) => void;
  let requests: string[];

  beforeEach(async () => {
    requests = [];
    answer = (request, response) => response.end(gzipped.get(request.url!));
    server = http.createServer((request, response) => {
      requests.push(request.url!);
      answer(request, response);
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    address = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    // The Debian package is out of reach; `offline: false` below lets the publisher be asked all the same.
    vi.stubEnv('WEFT_OFFLINE', '1');
  });

  afterEach(() => {
    server.closeAllConnections();
    server.close();
  });

  const load = (notes: string[] = [], progress: string[] = []) =>
    loadFashionMnist({
      offline: false,
      publisher: address,
      onNote: (line) => notes.push(line),
      onProgress: ({ what, done, total }) => progress.push(`${what} ${done}/${total}`),
    });

  test('come from the publisher, with progress, and go into the cache', async () => {
    const progress: string[] = [];
    const { train, test, source } = await load([], progress);
    expect([train.count, test.count, source]).toEqual([60000, 10000, address]);
    expect(requests.sort()).toEqual([...gzipped.keys()].sort());
    const bytes = gzipped.get(`/${nameOf('trainImages')}.gz`)!.length;
    expect(progress).toContain(`Fashion-MNIST: train-images-idx3-ubyte ${bytes}/${bytes}`);
    expect((await fs.readdir(fashionMnistCache())).sort()).toEqual(PARTS.map(nameOf).sort());

    expect((await loadFashionMnist({ offline: true })).source).toBe(fashionMnistCache());
    expect(requests).toHaveLength(4);
  });

  test('replace a corrupt file in the cache, which is reported', async () => {
    await load();
    const path = join(fashionMnistCache(), nameOf('testLabels'));
    await fs.writeFile(path, real.testLabels.subarray(0, 99));
    const notes: string[] = [];
    expect((await load(notes)).source).toBe(address);
    expect(notes).toEqual([
      `${path}: expected 10008 bytes uncompressed, got 99: the file is cut short: fetching Fashion-MNIST anew`,
    ]);
    expect((await loadFashionMnist({ offline: true })).source).toBe(fashionMnistCache());
  });

  const faults: [string, typeof answer, string][] = [
    ['isn’t there', (_, response) => response.writeHead(404).end(), 'HTTP status 404'],
    ['is a web page', (_, response) => response.end('<html>'), 'expected 47040016 bytes uncompressed, got 6'],
    [
      'breaks off',
      (_, response) => {
        response.writeHead(200, { 'content-length': '5000' });
        response.write(new Uint8Array(1000), () => response.destroy());
      },
      'train-images-idx3-ubyte.gz: ',
    ],
  ];
  test.each(faults)(
    'that fail (the file %s) end in one error with every source, and nothing in the cache',
    async (...fault) => {
      answer = fault[1];
      await expect(load()).rejects.toThrow(WeftError);
      await expect(load()).rejects.toThrow(`${address}: ${address}/train-images-idx3-ubyte.gz`);
      await expect(load()).rejects.toThrow(fault[2]);
      await expect(load()).rejects.toThrow('the Debian package dataset-fashion-mnist: ');
      await expect(fs.stat(fashionMnistCache())).rejects.toThrow('ENOENT');
    },
  );

  test('that have no end are broken off', async () => {
    answer = (_, response) => {
      const more = () => {
        while (response.writable && response.write(new Uint8Array(1 << 20)));
        response.once('drain', more);
      };
      more();
    };
    await expect(load()).rejects.toThrow(/train-images-idx3-ubyte\.gz: larger than 47105552 bytes/);
  });

  test('are asked for by HTTPS first', () => {
    const schemes = FASHION_MNIST_PUBLISHERS.map((address) => new URL(address).protocol);
    expect(schemes).toEqual([...schemes].sort().reverse());
    expect(schemes[0]).toBe('https:');
  });

  test('that stop without an end are given up', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    const stalled = new Promise<void>((resolve) => {
      answer = (_, response) => {
        response.writeHead(200, { 'content-length': '5000' });
        response.write(new Uint8Array(1000), () => resolve());
      };
    });
    const failed = expect(load()).rejects.toThrow('no answer in time');
    await stalled;
    await vi.advanceTimersByTimeAsync(30_000);
    await failed;
  });

  test('are refused where they are forbidden', async () => {
    await expect(loadFashionMnist({ publisher: address })).rejects.toThrow(
      'downloads are forbidden (WEFT_OFFLINE=1)',
    );
    expect(requests).toEqual([]);
  });
});
