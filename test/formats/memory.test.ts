import { execFileSync } from 'node:child_process';
import fs from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { build } from 'esbuild';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { encodeNpy, type NpyData } from '../../src/formats/npy.ts';
import { encodeNpz } from '../../src/formats/npz.ts';

/*
 * How much memory reading a file takes at most, beside the file: a process of its own reads each, and what the system says of it
 * before and after is compared.
 */

const MiB = 2 ** 20;
/** Of each file but the gzipped one. */
const BYTES = 12 * MiB;
/** What the garbage collector and the compiler take in a small process. */
const OTHER_BYTES = 24 * MiB;

let folder: string;
let reader: string;
beforeAll(async () => {
  folder = await fs.mkdtemp(join(tmpdir(), 'weft-test-'));
  reader = join(folder, 'reader.mjs');
  const source = (path: string) =>
    JSON.stringify(fileURLToPath(new URL(`../../src/${path}`, import.meta.url)));
  await build({
    stdin: {
      contents: `
        import fs from 'node:fs';
        import { decodeNpy } from ${source('formats/npy.ts')};
        import { decodeNpz } from ${source('formats/npz.ts')};
        import { decodeSafetensors } from ${source('nn/safetensors.ts')};
        import { loadFashionMnist } from ${source('node/fashionMnist.ts')};
        const [path, kind] = process.argv.slice(2);
        const readers = { npy: decodeNpy, npz: decodeNpz, safetensors: decodeSafetensors };
        const file = kind in readers ? new Uint8Array(fs.readFileSync(path)) : undefined;
        const before = process.resourceUsage().maxRSS;
        let outcome = 'read';
        try {
          await (file ? readers[kind](file) : loadFashionMnist({ dir: path, offline: true }));
        } catch (error) {
          outcome = error.message;
        }
        console.log(JSON.stringify({ outcome, more: (process.resourceUsage().maxRSS - before) * 1024 }));`,
      resolveDir: fileURLToPath(new URL('../..', import.meta.url)),
    },
    outfile: reader,
    bundle: true,
    platform: 'node',
    format: 'esm',
    external: ['webgpu'],
    logLevel: 'error',
  });
});
afterAll(() => fs.rm(folder, { recursive: true }));

function read(path: string, kind: string): { outcome: string; more: number } {
  return JSON.parse(
    execFileSync(process.execPath, [reader, path, kind], { encoding: 'utf8', timeout: 60_000 }),
  );
}

function safetensors(dtype: string, elementBytes: number): Uint8Array {
  const entry = { dtype, shape: [BYTES / elementBytes], data_offsets: [0, BYTES] };
  const header = new TextEncoder().encode(JSON.stringify({ x: entry }));
  const file = new Uint8Array(8 + header.length + BYTES);
  new DataView(file.buffer).setBigUint64(0, BigInt(header.length), true);
  file.set(header, 8);
  return file;
}

/** An array's file with words of its header replaced by others as long. */
function npy(data: NpyData, shape: readonly number[], [from, to]: readonly [string, string]): Uint8Array {
  const file = Buffer.from(encodeNpy({ shape, data }));
  file.write(to, file.indexOf(from));
  return file;
}

const f32 = () => new Float32Array(BYTES / 4);
const files: Record<string, () => Uint8Array | Promise<Uint8Array>> = {
  'BF16.safetensors': () => safetensors('BF16', 2),
  'F16.safetensors': () => safetensors('F16', 2),
  'I64.safetensors': () => safetensors('I64', 8),
  'big-endian.npy': () => npy(f32(), [BYTES / 4], ["'<f4'", "'>f4'"]),
  'fortran.npy': () => npy(f32(), [64, BYTES / 256], ['False', 'True ']),
  'stored.npz': () => encodeNpz(new Map([['x', { shape: [BYTES / 4], data: f32() }]])),
};

describe('reading takes at most 4 times the memory of a file, itself included', () => {
  it.each(Object.entries(files))('%s', async (name, make) => {
    const path = join(folder, name);
    await fs.writeFile(path, await make());
    const { outcome, more } = read(path, name.split('.')[1]);
    expect(outcome).toBe('read');
    expect(more).toBeLessThan(3 * BYTES + OTHER_BYTES);
  });
});

describe('what unpacks to far more than it has takes the memory of what it claims, if that is allowed', () => {
  it('an .npz archive', async () => {
    const path = join(folder, 'zeros.npz');
    const zeros = new Map(['a', 'b'].map((name) => [name, { shape: [BYTES / 4], data: f32() }]));
    await fs.writeFile(path, await encodeNpz(zeros, { compressed: true }));
    const { outcome, more } = read(path, 'npz');
    expect(outcome).toBe('read');
    // The arrays, and a part of one that is just unpacked.
    expect(more).toBeLessThan(2 * BYTES + 48 * MiB + OTHER_BYTES);
  });

  it('an idx.gz that is too long', async () => {
    await fs.writeFile(
      join(folder, 'train-images-idx3-ubyte.gz'),
      gzipSync(new Uint8Array(128 * MiB), { level: 1 }),
    );
    const { outcome, more } = read(folder, 'idx.gz');
    expect(outcome).toMatch(/expected 47040016 bytes uncompressed, got more: the file is too long/);
    expect(more).toBeLessThan(47_040_016 + 2 * OTHER_BYTES);
  });
});
