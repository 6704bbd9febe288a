import { spawn } from 'node:child_process';
import fs from 'node:fs/promises';
import os from 'node:os';
import { join } from 'node:path';
import { build } from 'tsup';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { WeftError } from '../../src/errors.ts';
import { adapterEnvironment, chooseAdapter, openAdapter } from '../../src/node/adapter.ts';
import { type FoundAdapter, findDawn, listAdapters, parseAdapterList } from '../../src/node/dawn.ts';
import { doctorReport, formatDoctor } from '../../src/node/doctor.ts';
import {
  fetchLavapipe,
  installationAdvice,
  lavapipeVariables,
  loadLibrary,
} from '../../src/node/lavapipe.ts';
import { parseOsRelease } from '../../src/node/osRelease.ts';

afterEach(() => {
  vi.unstubAllEnvs();
});

const GPU_A: FoundAdapter = { name: 'NVIDIA H200', backend: 'vulkan', isSoftware: false };
const GPU_B: FoundAdapter = { name: 'Intel(R) UHD Graphics', backend: 'vulkan', isSoftware: false };
const LAVAPIPE: FoundAdapter = {
  name: 'llvmpipe (LLVM 15.0.6, 256 bits)',
  backend: 'vulkan',
  isSoftware: true,
};
const SWIFTSHADER: FoundAdapter = {
  name: 'SwiftShader Device (Subzero)',
  backend: 'vulkan',
  isSoftware: true,
};

describe('the choice of an adapter', () => {
  test.each([
    ['auto', [SWIFTSHADER, LAVAPIPE, GPU_A, GPU_B], GPU_A],
    ['auto', [SWIFTSHADER, LAVAPIPE], LAVAPIPE],
    ['auto', [SWIFTSHADER], SWIFTSHADER],
    ['auto', [], undefined],
    ['hardware', [LAVAPIPE, GPU_B], GPU_B],
    ['hardware', [LAVAPIPE, SWIFTSHADER], undefined],
    ['software', [GPU_A, SWIFTSHADER, LAVAPIPE], LAVAPIPE],
    ['software', [GPU_A, SWIFTSHADER], SWIFTSHADER],
    ['software', [GPU_A], undefined],
    ['lavapipe', [GPU_A, SWIFTSHADER], undefined],
    ['Lavapipe', [GPU_A, LAVAPIPE], LAVAPIPE],
    ['swiftshader', [LAVAPIPE, SWIFTSHADER], SWIFTSHADER],
    ['swiftshader', [LAVAPIPE], undefined],
    ['uhd', [GPU_A, GPU_B], GPU_B],
    ['h200', [GPU_B, LAVAPIPE], undefined],
    ['NVIDIA H200, NVIDIA: 580.1', [GPU_B, GPU_A], GPU_A],
  ])('%s', (choice, found, expected) => {
    expect(chooseAdapter(found, choice)).toBe(expected);
  });

  test('Dawn’s list is read, the platform’s own backends first and no others', () => {
    const message = `no suitable backends found
Available adapters:
 * backend: 'opengles', name: 'NVIDIA H200'
 * backend: 'vulkan', name: 'NVIDIA H200'
 * backend: 'vulkan', name: 'llvmpipe (LLVM 15.0.6, 256 bits)'
 * backend: 'd3d12', name: 'Someone's GPU'`;
    expect(parseAdapterList(message)).toEqual([
      { backend: 'd3d12', name: "Someone's GPU", isSoftware: false },
      GPU_A,
      LAVAPIPE,
    ]);
    expect(parseAdapterList('')).toEqual([]);
  });
});

describe('advice for a system without an adapter', () => {
  test.each([
    [
      'ID=debian\nVERSION_CODENAME=bookworm',
      'apt install -t bookworm-backports mesa-vulkan-drivers libvulkan1',
    ],
    ['ID=debian\nVERSION_CODENAME=trixie', 'apt install mesa-vulkan-drivers libvulkan1'],
    ['ID=ubuntu\nVERSION_CODENAME=noble', 'apt install mesa-vulkan-drivers libvulkan1'],
    ['ID=linuxmint\nID_LIKE="ubuntu debian"', 'apt install mesa-vulkan-drivers libvulkan1'],
    ['ID=fedora', 'dnf install mesa-vulkan-drivers vulkan-loader'],
    ['ID=arch', 'pacman -S vulkan-swrast vulkan-icd-loader'],
    ['ID=alpine', 'built for glibc'],
    ['ID=opensuse-tumbleweed\nID_LIKE="opensuse suse"', 'zypper install libvulkan_lvp libvulkan1'],
    ['', 'newer than 22.3'],
  ])('%j', (osRelease, expected) => {
    expect(installationAdvice(parseOsRelease(osRelease))).toContain(expected);
  });

  test('comes with the error where downloads are forbidden', async () => {
    vi.stubEnv('WEFT_OFFLINE', '1');
    await expect(fetchLavapipe({})).rejects.toThrow(WeftError);
    await expect(fetchLavapipe({})).rejects.toThrow(/can't be unpacked: .*\. (Install|On Alpine)/);
  });
});

test('a process that uses the unpacked lavapipe gets its libraries before others', async () => {
  const folder = await fs.mkdtemp(join(os.tmpdir(), 'weft-lavapipe-'));
  try {
    vi.stubEnv('LD_LIBRARY_PATH', '/mine');
    vi.stubEnv('MESA_SHADER_CACHE_DIR', '/shaders');
    expect(lavapipeVariables(folder)).toEqual({
      LD_LIBRARY_PATH: `${folder}/lib:/mine`,
      VK_DRIVER_FILES: `${folder}/lvp_icd.json`,
      MESA_SHADER_CACHE_DIR: '/shaders',
    });
    vi.stubEnv('LD_LIBRARY_PATH', undefined);
    expect(lavapipeVariables(folder).LD_LIBRARY_PATH).toBe(`${folder}/lib`);
  } finally {
    await fs.rm(folder, { recursive: true });
  }
});

test('a library that can’t be loaded is told from one that can', () => {
  expect(loadLibrary('/no/such/library.so')).toContain('library.so');
});

describe('on this machine', () => {
  test('Dawn is found, and lists the adapter that the tests run on', async () => {
    expect(findDawn().version).toMatch(/^\d+\.\d+/);
    const { adapters } = await listAdapters();
    expect(adapters.length).toBeGreaterThan(0);
    expect(chooseAdapter(adapters)).toBeDefined();
  });

  test('nothing has to be set beside what the test run has set', async () => {
    expect(await adapterEnvironment({ adapter: process.env.WEFT_ADAPTER })).toEqual({});
  });

  test('an adapter that isn’t there is an error that names it and those that are', async () => {
    const { adapters } = await listAdapters();
    const open = openAdapter({ adapter: 'Voodoo 2', fetch: false });
    await expect(open).rejects.toThrow(WeftError);
    await expect(open).rejects.toThrow(`no adapter 'Voodoo 2': found: ${adapters[0].name}`);
  });

  test('the report of what is here names adapter, limits and data', async () => {
    const report = await doctorReport({ adapter: process.env.WEFT_ADAPTER });
    expect(report.adapter?.limits.maxComputeInvocationsPerWorkgroup).toBeGreaterThanOrEqual(256);
    const text = formatDoctor(report);
    expect(text).toContain(report.adapter?.name);
    expect(text).toContain('maxStorageBufferBindingSize');
    expect(report.ok).toBe(report.data !== undefined);
  });

  test('the report of what is missing says so, doesn’t throw and isn’t ok', async () => {
    const empty = await fs.mkdtemp(join(os.tmpdir(), 'weft-doctor-'));
    const report = await doctorReport({ adapter: 'Voodoo 2', dir: empty });
    await fs.rm(empty, { recursive: true });
    expect(report.ok).toBe(false);
    expect(report.adapter).toBeUndefined();
    expect(report.missing.map(({ what }) => what)).toEqual([
      expect.stringContaining("no adapter 'Voodoo 2'"),
      expect.stringContaining(`${empty} holds no train-images-idx3-ubyte`),
    ]);
    expect(formatDoctor(report)).toContain("missing: no adapter 'Voodoo 2'");
  });
});

/** A program that opens the adapter, computes nothing, and waits for nothing once it has closed it. */
const PROGRAM = `
import { openAdapter } from '${join(process.cwd(), 'src/node/adapter.ts')}';
const { adapter, name, close } = await openAdapter({ adapter: process.env.WEFT_ADAPTER });
const device = await adapter.requestDevice();
const buffer = device.createBuffer({ size: 16, usage: GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST });
device.queue.writeBuffer(buffer, 0, Uint32Array.of(1, 2, 3, 4));
(globalThis as { gc?: () => void }).gc!();
await buffer.mapAsync(GPUMapMode.READ);
console.log(name, Array.from(new Uint32Array(buffer.getMappedRange())).join());
device.destroy();
close();
`;

test('a program started without any of this opens an adapter by itself, survives a collection and ends', async () => {
  const folder = await fs.mkdtemp(join(os.tmpdir(), 'weft-program-'));
  try {
    await fs.writeFile(join(folder, 'program.ts'), PROGRAM);
    await build({
      entry: [join(folder, 'program.ts')],
      outDir: folder,
      format: 'esm',
      target: 'node20',
      external: ['webgpu'],
      config: false,
      silent: true,
      outExtension: () => ({ js: '.mjs' }),
    });
    const { LD_LIBRARY_PATH: _, VK_DRIVER_FILES: __, ...env } = process.env;
    const child = spawn(process.execPath, ['--expose-gc', join(folder, 'program.mjs')], {
      env,
      timeout: 30_000,
    });
    let output = '';
    child.stdout.on('data', (text) => {
      output += text;
    });
    const code = await new Promise((resolve) => child.on('close', resolve));
    expect(output).toMatch(/1,2,3,4/);
    expect(code).toBe(0);
  } finally {
    await fs.rm(folder, { recursive: true, force: true });
  }
});
