import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import fs from 'node:fs/promises';
import os from 'node:os';
import { dirname, join } from 'node:path';
import { WeftError } from '../errors.ts';
import { freeBytes } from './cacheDir.ts';
import { cleaningUp } from './cleanUp.ts';
import { hasProgram, lastLines, mustRun, runCommand } from './command.ts';
import { isDebianLike, type OsRelease, readOsRelease } from './osRelease.ts';
import type { Reporting } from './progress.ts';

/*
 * Packages of Debian and Ubuntu, unpacked into a folder of ours. All of apt's state is private, so that nothing of the
 * system is asked for or changed: no root, no package lists, no installed packages. From the machine's own configuration
 * come the mirrors' addresses, the keys, the proxies and, where root runs it, the user that apt downloads as.
 */

/** One source of packages: the fields of a stanza of a `.sources` file (man sources.list). */
export interface AptSource {
  uris: string[];
  suites: string[];
  components: string[];
  /** The other fields as they stand there, `Signed-By` above all. */
  options: [name: string, value: string][];
}

/** What each architecture of Node is called by Debian. */
const ARCHITECTURES: Partial<Record<NodeJS.Architecture, { name: string; triplet: string }>> = {
  x64: { name: 'amd64', triplet: 'x86_64-linux-gnu' },
  arm64: { name: 'arm64', triplet: 'aarch64-linux-gnu' },
};

/**
 * Packages that must be the system's own, since they are loaded in this process already: apt is told that they are installed.
 * Python is there because drivers' packages may hold a script; nobody runs it.
 */
const FROM_THE_SYSTEM = ['libc6', 'libgcc-s1', 'libstdc++6', 'python3'];

/** The sources of a file below /etc/apt, by its name: deb822 in `*.sources`, one a line in `*.list`. */
export function parseAptSources(text: string, fileName: string): AptSource[] {
  return fileName.endsWith('.sources') ? parseDeb822(text) : text.split('\n').flatMap(parseOneLine);
}

function parseDeb822(text: string): AptSource[] {
  const withoutComments = text.replace(/^#.*\n?/gm, '');
  return withoutComments.split(/\n(?:[ \t]*\n)+/).flatMap((stanza) => {
    // A field goes on in lines that begin with a blank.
    const fields = Array.from(
      stanza.matchAll(/^([^\s:]+):(.*(?:\n[ \t].*)*)/gm),
      (match): [string, string] => [match[1], match[2].trim()],
    );
    const find = (name: string) => fields.find(([field]) => field.toLowerCase() === name)?.[1] ?? '';
    const words = (name: string) => find(name).split(/\s+/).filter(Boolean);
    if (!words('types').includes('deb') || find('enabled').toLowerCase() === 'no') return [];
    const own = ['types', 'enabled', 'uris', 'suites', 'components', 'architectures'];
    return {
      uris: words('uris'),
      suites: words('suites'),
      components: words('components'),
      options: fields.filter(([field]) => !own.includes(field.toLowerCase())),
    };
  });
}

const ONE_LINE_OPTIONS: Record<string, string> = {
  'signed-by': 'Signed-By',
  trusted: 'Trusted',
  'check-valid-until': 'Check-Valid-Until',
  'check-date': 'Check-Date',
  'allow-insecure': 'Allow-Insecure',
  'allow-weak': 'Allow-Weak',
};

function parseOneLine(line: string): AptSource[] {
  const match = /^\s*deb\s+(?:\[([^\]]*)\]\s+)?(\S+)\s+(\S+)\s*(.*)$/.exec(line.replace(/#.*/, ''));
  if (!match) return [];
  const [, bracket = '', uri, suite, components] = match;
  const options = bracket.split(/\s+/).flatMap((option): [string, string][] => {
    const [name, value = ''] = option.split('=', 2);
    return ONE_LINE_OPTIONS[name] ? [[ONE_LINE_OPTIONS[name], value]] : [];
  });
  return [{ uris: [uri], suites: [suite], components: components.split(/\s+/).filter(Boolean), options }];
}

/**
 * Those of a machine's sources that are its distribution's own: other people's are left alone.
 *
 * @param backports a suite to have too, on the mirror of the distribution where the machine doesn't name it.
 * @throws WeftError where there is none.
 */
export function distributionSources(machine: AptSource[], os: OsRelease, backports?: string): AptSource[] {
  const release = [os.codename, 'stable', 'oldstable', 'testing', 'unstable', 'sid']
    .filter(Boolean)
    .join('|');
  const wanted = new RegExp(`^(${release})(-updates|-security)?$`);
  const sources = machine.flatMap((source) => {
    const suites = source.suites.filter((suite) => wanted.test(suite) || suite === backports);
    const components = source.components.filter(
      (component) => component === 'main' || component === 'universe',
    );
    const uris = source.uris.filter((uri) => !uri.startsWith('cdrom:'));
    return suites.length > 0 && components.includes('main') && uris.length > 0
      ? { ...source, uris, suites, components }
      : [];
  });
  const base = sources.find((source) => source.suites.includes(os.codename)) ?? sources[0];
  if (!base) {
    throw new WeftError(
      `the apt configuration of this machine (/etc/apt/sources.list*) names no source of ${os.prettyName}`,
    );
  }
  if (backports && !sources.some((source) => source.suites.includes(backports))) {
    sources.push({ ...base, suites: [backports] });
  }
  return sources;
}

/** Sources as the text of a `.sources` file. */
export function formatAptSources(sources: AptSource[]): string {
  return sources
    .map(({ uris, suites, components, options }) =>
      [
        'Types: deb',
        `URIs: ${uris.join(' ')}`,
        `Suites: ${suites.join(' ')}`,
        `Components: ${components.join(' ')}`,
        ...options.map(([name, value]) => `${name}: ${value}`),
      ].join('\n'),
    )
    .join('\n\n')
    .concat('\n');
}

/** The packages, `name=version` each, that `apt-get --simulate install` says it would install. */
export function parseSimulatedInstall(output: string): string[] {
  return Array.from(
    output.matchAll(/^Inst (\S+) (?:\[\S+\] )?\((\S+) /gm),
    ([, name, version]) => `${name}=${version}`,
  );
}

/** The bytes to fetch in all, by what `apt-get --print-uris download` says: address, file, bytes and checksum a line. */
export function parseDownloadBytes(output: string): number {
  return Array.from(output.matchAll(/^'\S+' \S+ (\d+) /gm), ([, bytes]) => Number(bytes)).reduce(
    (a, b) => a + b,
    0,
  );
}

/** Where packages keep shared libraries, below the folder that they are unpacked into. */
export function libraryFolders(root: string): string[] {
  const { triplet } = architecture();
  return [join(root, 'usr/lib', triplet), join(root, 'lib', triplet)].filter((folder) => existsSync(folder));
}

/** Why packages can't be had here, or undefined where they can. */
export function aptProblem(): string | undefined {
  const os = readOsRelease();
  if (process.platform !== 'linux' || !isDebianLike(os))
    return `${os.prettyName} has no packages of Debian or Ubuntu`;
  if (!ARCHITECTURES[process.arch]) return `there is no ${process.arch} build of Dawn for Linux`;
  const missing = ['apt-get', 'dpkg-deb'].find((program) => !hasProgram(program));
  if (missing) return `there is no ${missing} here`;
  if (isOffline()) return 'WEFT_OFFLINE=1 forbids downloads';
  return undefined;
}

/** Whether downloads are forbidden. */
export function isOffline(): boolean {
  return process.env.WEFT_OFFLINE === '1';
}

export interface UnpackOptions extends Reporting {
  /** What the packages are for, in the progress. */
  what: string;
  /** The most bytes that will lie in the folder at a time. Checked beforehand: on a full disk apt may wait for ever. */
  bytes?: number;
  /** A suite that goes before all others, taken from the distribution's mirror where the machine's configuration lacks it. */
  backports?: string;
  /** The sources to choose the distribution's own from; default: those of /etc/apt. */
  sources?: AptSource[];
}

/**
 * Downloads packages with all that they depend on and unpacks them.
 *
 * @param folder an empty folder; what apt needs may lie beside the result in it, so remove it afterwards.
 * @returns the folder that holds the packages' files, and the packages as `name=version`.
 * @throws WeftError with apt's own words where that fails.
 */
export async function unpackPackages(
  packages: string[],
  folder: string,
  options: UnpackOptions,
): Promise<{ root: string; unpacked: string[] }> {
  const problem = aptProblem();
  if (problem) throw new WeftError(`${packages.join(', ')} can't be fetched: ${problem}`);
  const { what, bytes = 0 } = options;
  checkRoom(folder, bytes, what);
  const root = join(folder, 'root');
  await fs.mkdir(root);
  if (process.getuid?.() !== 0) return unpackWith(join(folder, 'apt'), packages, root, options);
  const shared = sharedFolder();
  checkRoom(shared, bytes, what);
  const state = await fs.mkdtemp(join(shared, 'weft-apt-'));
  return cleaningUp(
    () => unpackWith(state, packages, root, options),
    () => fs.rm(state, { recursive: true, force: true }),
  );
}

function checkRoom(folder: string, bytes: number, what: string): void {
  const free = freeBytes(folder) ?? Infinity;
  if (free >= bytes) return;
  const [has, needs] = [free, bytes].map((size) => `${Math.floor(size / 1e6)} MB`);
  throw new WeftError(
    `the disk of ${folder} is too full: ${has} are free, ${what} needs ${needs} for a moment`,
  );
}

/** Where root's apt works: it downloads as a user of its own, who can't see root's folders. */
function sharedFolder(): string {
  const found = [os.tmpdir(), '/tmp', '/var/tmp'].find(isOpenToAll);
  if (found) return found;
  throw new WeftError(`apt's own user can't enter ${os.tmpdir()}: set TMPDIR to a folder that all can`);
}

/** Whether every user can reach what is in a folder. */
function isOpenToAll(folder: string): boolean {
  const mode = statSync(folder, { throwIfNoEntry: false })?.mode ?? 0;
  return (mode & 0o001) !== 0 && (dirname(folder) === folder || isOpenToAll(dirname(folder)));
}

/** Unpacks packages into `root`. @param state a folder for apt alone, there or not */
async function unpackWith(
  state: string,
  packages: string[],
  root: string,
  { what, backports, sources = readMachineSources(), onProgress }: UnpackOptions,
): Promise<{ root: string; unpacked: string[] }> {
  const apt = await privateApt(state, distributionSources(sources, readOsRelease(), backports));
  const downloads = join(state, ARCHIVES);

  onProgress?.({ what: `${what}: package lists`, done: 0, total: 0 });
  // A source that doesn't answer isn't fatal: what counts is whether the packages can be had.
  const update = await runCommand('apt-get', [...apt, 'update'], {
    env: PLAIN,
    timeoutMs: UPDATE_TIMEOUT_MS,
  });
  const install = [...apt, ...(backports ? ['-t', backports] : []), 'install', ...packages];
  const unpacked = await mustRun('apt-get', ['--simulate', ...install], { env: PLAIN }).then(
    parseSimulatedInstall,
    (error) => {
      if (!(error instanceof WeftError)) throw error;
      const reason = update.stderr ? `; the package lists: ${lastLines(update.stderr)}` : '';
      throw new WeftError(`${error.message}${reason}`, { cause: error });
    },
  );

  const uris = await mustRun('apt-get', ['--print-uris', ...install], { env: PLAIN });
  const total = parseDownloadBytes(uris);
  const tick = async () =>
    onProgress?.({
      what: `${what}: download`,
      done: (await folderBytes(downloads)) + (await folderBytes(join(downloads, 'partial'))),
      total,
    });
  const timer = setInterval(tick, 250);
  await cleaningUp(
    () =>
      mustRun('apt-get', ['--download-only', '--yes', ...install], {
        env: PLAIN,
        timeoutMs: DOWNLOAD_TIMEOUT_MS,
      }),
    () => clearInterval(timer),
  );
  const archives = (await fs.readdir(downloads)).filter((name) => name.endsWith('.deb'));
  for (const [i, archive] of archives.entries()) {
    onProgress?.({ what: `${what}: unpack`, done: i, total: archives.length });
    await mustRun('dpkg-deb', ['--extract', join(downloads, archive), root], { env: PLAIN });
  }
  onProgress?.({ what: `${what}: unpack`, done: archives.length, total: archives.length });
  return { root, unpacked };
}

/** For the package lists, about 10 MB. */
const UPDATE_TIMEOUT_MS = 10 * 60_000;
/** For the packages, about 60 MB. */
const DOWNLOAD_TIMEOUT_MS = 30 * 60_000;

/** apt's messages are read, so they have to be in English. */
const PLAIN = { LC_ALL: 'C' };

/** Where apt keeps packages that it has downloaded and checked, in its private state. */
const ARCHIVES = 'cache/archives';

/** Lays out a private state of apt in `folder`; returns the arguments that make apt-get use it. */
async function privateApt(folder: string, sources: AptSource[]): Promise<string[]> {
  const inFolder = (name: string) => join(folder, name);
  const { name: arch } = architecture();
  await fs.mkdir(inFolder(ARCHIVES), { recursive: true });
  await fs.mkdir(inFolder('lists'));
  // Whatever the umask: apt's own user must get at those of his folders in them.
  for (const name of ['', 'lists', 'cache', ARCHIVES]) await fs.chmod(inFolder(name), 0o755);
  await fs.mkdir(inFolder('sources'));
  // apt would leave packages of `file:` where they are.
  const copied = sources.map((source) => ({
    ...source,
    uris: source.uris.map((uri) => uri.replace(/^file:/, 'copy:')),
  }));
  await fs.writeFile(inFolder('sources/weft.sources'), formatAptSources(copied));
  await fs.writeFile(inFolder('status'), installedStatus(arch));
  await fs.writeFile(inFolder('apt.conf'), aptConfiguration(folder, arch));
  return ['-c', inFolder('apt.conf'), '-q'];
}

function installedStatus(arch: string): string {
  return FROM_THE_SYSTEM.map(
    (name) =>
      `Package: ${name}\nStatus: install ok installed\nArchitecture: ${arch}\n` +
      `Multi-Arch: ${name === 'python3' ? 'allowed' : 'same'}\nVersion: 999\n`,
  ).join('\n');
}

/** Read after the machine's own configuration: that keeps its proxies and keys, and takes its hooks away. */
function aptConfiguration(folder: string, arch: string): string {
  return `#clear APT::Update;
#clear DPkg;
#clear Acquire::IndexTargets;
Acquire::IndexTargets::deb::Packages {
  MetaKey "$(COMPONENT)/binary-$(ARCHITECTURE)/Packages";
  flatMetaKey "Packages";
  ShortDescription "Packages";
  Description "$(RELEASE)/$(COMPONENT) $(ARCHITECTURE) Packages";
};
#clear APT::Architectures;
APT::Architectures { "${arch}"; };
APT::Architecture "${arch}";
APT::Install-Recommends "false";
Acquire::Retries "2";
Acquire::http::Timeout "20";
Acquire::https::Timeout "20";
Dir::State "${folder}";
Dir::State::lists "${folder}/lists";
Dir::State::status "${folder}/status";
Dir::Log "${folder}";
Dir::Cache "${folder}/cache";
Dir::Cache::archives "${folder}/${ARCHIVES}";
Dir::Etc::sourcelist "/dev/null";
Dir::Etc::sourceparts "${folder}/sources";
Dir::Etc::preferences "/dev/null";
Dir::Etc::preferencesparts "/dev/null";
`;
}

function readMachineSources(): AptSource[] {
  const parts = existsSync('/etc/apt/sources.list.d') ? readdirSync('/etc/apt/sources.list.d') : [];
  const files = parts
    .filter((name) => /\.(list|sources)$/.test(name))
    .map((name) => join('/etc/apt/sources.list.d', name));
  return ['/etc/apt/sources.list', ...files]
    .filter((path) => existsSync(path))
    .flatMap((path) => parseAptSources(readFileSync(path, 'utf8'), path));
}

function architecture(): { name: string; triplet: string } {
  const found = ARCHITECTURES[process.arch];
  if (!found)
    throw new WeftError(`Debian and Ubuntu are known here on x64 and arm64, not on ${process.arch}`);
  return found;
}

/** Bytes of a folder's files; 0 where there is no such folder yet, or any more. */
async function folderBytes(folder: string): Promise<number> {
  const names = await fs.readdir(folder).catch(() => []);
  const sizes = names.map((name) =>
    fs.stat(join(folder, name)).then(
      (info) => (info.isFile() ? info.size : 0),
      () => 0,
    ),
  );
  return (await Promise.all(sizes)).reduce((a, b) => a + b, 0);
}
