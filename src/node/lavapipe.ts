import { existsSync, readdirSync, readFileSync } from 'node:fs';
import fs from 'node:fs/promises';
import os from 'node:os';
import { join } from 'node:path';
import { isMainThread } from 'node:worker_threads';
import * as v from 'valibot';
import { WeftError } from '../errors.ts';
import { object, parseJson } from '../schema.ts';
import { aptProblem, libraryFolders, unpackPackages } from './apt.ts';
import { cacheDir, cachePath, withTemporaryFolder } from './cacheDir.ts';
import { listAdapters } from './dawn.ts';
import { placeFolder } from './files.ts';
import { type OsRelease, readOsRelease } from './osRelease.ts';
import { note, type Reporting } from './progress.ts';
import { checkTrusted, checkTrustedContents } from './trusted.ts';

/*
 * lavapipe, Mesa's Vulkan driver for the CPU, in the cache folder: for machines without a GPU and without lavapipe. The
 * folder holds `lib` (the driver, the Vulkan loader and the libraries that they need, but for the C and C++ runtimes) and
 * the driver's manifest, which names its library by a relative path, so that the folder can be moved.
 */

const MANIFEST = 'lvp_icd.json';
const DRIVER = 'libvulkan_lvp.so';
/** Downloads, what is in them and apt's lists: measured 317 MiB. */
const UNPACKING_BYTES = 350e6;
const PACKAGES = ['mesa-vulkan-drivers', 'libvulkan1'];

/** What a driver's package says of it to the Vulkan loader. */
const ICD_MANIFEST = object({
  file_format_version: v.string(),
  ICD: object({ library_path: v.string(), api_version: v.string(), library_arch: v.optional(v.string()) }),
});

/** Suites that bring a Mesa that Dawn accepts where the release's own is too old: Debian 12 has 22.3. */
const BACKPORTS: Record<string, string> = { bookworm: 'bookworm-backports' };

/** Where this system's lavapipe lies in the cache, whether it is there or not. */
export function lavapipeFolder(): string {
  const { id, versionId, codename } = readOsRelease();
  return cachePath(['lavapipe', id, versionId || codename, process.arch].filter(Boolean).join('-'));
}

export function isLavapipeCached(): boolean {
  return existsSync(join(lavapipeFolder(), MANIFEST));
}

/**
 * The variables that a process needs from its start to use the Vulkan loader of the cached lavapipe.
 * @throws WeftError where somebody else could have changed it
 */
export function loaderVariables(folder = lavapipeFolder()): Record<string, string> {
  checkTrustedContents(folder);
  const before = process.env.LD_LIBRARY_PATH;
  return { LD_LIBRARY_PATH: join(folder, 'lib') + (before ? `:${before}` : '') };
}

/**
 * The variables that a process needs from its start to use the cached lavapipe and no other driver. Compiled shaders are kept
 * in the cache folder, too: a home that can't be written would have them compiled anew at every start.
 * @throws WeftError where somebody else could have changed it
 */
export function lavapipeVariables(folder = lavapipeFolder()): Record<string, string> {
  const shaders = process.env.MESA_SHADER_CACHE_DIR ?? cachePath();
  return {
    ...loaderVariables(folder),
    VK_DRIVER_FILES: join(folder, MANIFEST),
    MESA_SHADER_CACHE_DIR: shaders,
  };
}

/**
 * Puts lavapipe and the Vulkan loader into the cache, from the packages of Debian or Ubuntu.
 * @param replace whether a lavapipe that is there gives way; else it stays: another process has just put it there.
 * @throws WeftError where they can't be had, naming what to install.
 */
export async function fetchLavapipe(reporting: Reporting, replace = false): Promise<void> {
  const problem = aptProblem();
  if (problem) throw cannotFetch(problem);
  const folder = lavapipeFolder();
  checkTrusted(await cacheDir());
  note(reporting, `unpacking lavapipe, a software GPU, into ${folder} (about 60 MB of downloads)`);
  await withTemporaryFolder(async (temporary) => {
    const { root, unpacked } = await unpackPackages(PACKAGES, temporary, {
      ...reporting,
      what: 'lavapipe',
      bytes: UNPACKING_BYTES,
      backports: BACKPORTS[readOsRelease().codename],
    });
    const finished = join(temporary, 'lavapipe');
    await gather(root, finished);
    await fs.writeFile(join(finished, 'packages.txt'), `${unpacked.join('\n')}\n`, { mode: 0o644 });
    const { adapters, problem } = await listAdapters(lavapipeVariables(finished));
    if (adapters.length === 0) {
      throw cannotFetch(
        `${unpacked.find((name) => name.startsWith(PACKAGES[0]))} doesn't work here: ${problem}`,
      );
    }
    if (existsSync(folder) && (replace || !isLavapipeCached()))
      await fs.rename(folder, join(temporary, 'replaced'));
    await placeFolder(finished, folder);
  });
}

function cannotFetch(reason: string): WeftError {
  return new WeftError(
    `lavapipe, the software GPU, can't be unpacked: ${reason}. ${installationAdvice(readOsRelease())}`,
  );
}

/** Takes what lavapipe needs out of unpacked packages. */
async function gather(root: string, target: string): Promise<void> {
  const lib = join(target, 'lib');
  await fs.mkdir(lib, { recursive: true, mode: 0o755 });
  for (const from of libraryFolders(root)) {
    for (const name of await fs.readdir(from)) {
      const otherDriver = name.startsWith('libvulkan_') && name !== DRIVER;
      if (!/\.so(\.|$)/.test(name) || otherDriver) continue;
      // Links into other folders of the package would lose their target; a hard link can't.
      const file = await fs.realpath(join(from, name)).catch(() => undefined);
      if (file) await fs.link(file, join(lib, name));
    }
  }
  const manifests = join(root, 'usr/share/vulkan/icd.d');
  const name = (await fs.readdir(manifests)).find((file) => file.startsWith('lvp_icd'));
  if (!name) throw new WeftError(`the package ${PACKAGES[0]} holds no lavapipe`);
  const path = join(manifests, name);
  const manifest = parseJson(path, await fs.readFile(path, 'utf8'), ICD_MANIFEST);
  const own = { ...manifest, ICD: { ...manifest.ICD, library_path: `./lib/${DRIVER}` } };
  await fs.writeFile(join(target, MANIFEST), JSON.stringify(own, null, 2), { mode: 0o644 });
}

/**
 * Makes this process one that was started with the variables: libraries can't be found by `LD_LIBRARY_PATH` any more once a
 * process runs, so they are loaded by their paths, and Dawn and the driver then find them loaded.
 *
 * @throws WeftError where a library doesn't load, and on a worker thread, whose environment the driver doesn't see.
 */
export function enterEnvironment(variables: Record<string, string>): void {
  if ('VK_DRIVER_FILES' in variables && !isMainThread) {
    const needed = Object.entries(variables).map(([name, value]) => `${name}=${value}`);
    throw new WeftError(`on a worker thread a software GPU needs a process started with ${needed.join(' ')}`);
  }
  for (const [name, value] of Object.entries(variables)) {
    if (name === 'LD_LIBRARY_PATH') loadLibraries(value.split(':')[0]);
    else process.env[name] = value;
  }
}

/** Loads all of a folder's shared libraries that aren't loaded yet, in an order that their dependencies allow. */
function loadLibraries(folder: string): void {
  const mapped = readFileSync('/proc/self/maps', 'utf8');
  let missing = readdirSync(folder).filter((name) => !mapped.includes(`/${name}\n`));
  let problems: string[];
  do {
    const before = missing.length;
    problems = [];
    missing = missing.filter((name) => {
      const problem = loadLibrary(join(folder, name));
      if (problem) problems.push(problem);
      return problem;
    });
    if (missing.length === before) break;
  } while (missing.length > 0);
  if (missing.length > 0) throw new WeftError(`libraries of ${folder} don't load: ${problems.join('; ')}`);
}

/** dlfcn.h's flag that keeps a library loaded when it is closed; Node names only the portable flags. */
const RTLD_NODELETE = 0x1000;

/**
 * Loads a shared library that is no Node add-on for good, by its path or, as the system finds it, by its name.
 * @returns why it can't be loaded; undefined where it is.
 */
export function loadLibrary(path: string): string | undefined {
  try {
    process.dlopen({ exports: {} }, path, os.constants.dlopen.RTLD_LAZY | RTLD_NODELETE);
  } catch (error) {
    // Node loads the library, then closes it since it registers no module: NODELETE has it stay.
    const { message } = error as Error;
    return message.includes('did not self-register') ? undefined : message;
  }
  return undefined;
}

/** What a user of this system has to install for a software GPU. */
export function installationAdvice(os: OsRelease): string {
  const names = [os.id, ...os.idLike];
  const like = (...ids: string[]) => ids.some((id) => names.includes(id));
  const install = (command: string) => `Install lavapipe (as root): ${command}`;
  if (os.codename in BACKPORTS) {
    const suite = BACKPORTS[os.codename];
    return `${install(`apt install -t ${suite} mesa-vulkan-drivers libvulkan1`)}, with the suite ${suite} among apt's sources`;
  }
  if (like('debian', 'ubuntu')) return install('apt install mesa-vulkan-drivers libvulkan1');
  if (like('fedora', 'rhel', 'centos')) return install('dnf install mesa-vulkan-drivers vulkan-loader');
  if (like('arch')) return install('pacman -S vulkan-swrast vulkan-icd-loader');
  if (like('opensuse', 'suse')) return install('zypper install libvulkan_lvp libvulkan1');
  if (like('alpine')) {
    return 'On Alpine lavapipe is mesa-vulkan-swrast with vulkan-loader, but Dawn is built for glibc: use a Debian or Ubuntu image';
  }
  return "Install a Vulkan driver: the GPU's own, or Mesa's lavapipe (newer than 22.3) with the Vulkan loader (libvulkan.so.1)";
}
