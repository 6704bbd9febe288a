import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import fs from 'node:fs/promises';
import os from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import {
  type AptSource,
  aptProblem,
  distributionSources,
  formatAptSources,
  parseAptSources,
  parseDownloadBytes,
  parseSimulatedInstall,
  unpackPackages,
} from '../../src/node/apt.ts';
import { mustRun, runCommand } from '../../src/node/command.ts';
import { isDebianLike, parseOsRelease, readOsRelease } from '../../src/node/osRelease.ts';
import type { Progress } from '../../src/node/progress.ts';

const BOOKWORM = parseOsRelease(
  'PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\nVERSION_ID="12"\nVERSION_CODENAME=bookworm\nID=debian\n',
);
const NOBLE = parseOsRelease(
  'PRETTY_NAME="Ubuntu 24.04.1 LTS"\nVERSION_ID="24.04"\nVERSION_CODENAME=noble\nID=ubuntu\nID_LIKE=debian\n',
);
const KEYRING = '/usr/share/keyrings/debian-archive-keyring.gpg';

const DEB822 = `# the release itself
Types: deb
# an older address
URIs: http://mirror.example/debian
Suites: bookworm bookworm-updates
Components: main contrib
Signed-By: ${KEYRING}

Types: deb deb-src
URIs: http://mirror.example/debian-security
Suites: bookworm-security
Components: main
Signed-By:
 -----BEGIN PGP PUBLIC KEY BLOCK-----
 .
 mDMEZ
 -----END PGP PUBLIC KEY BLOCK-----

Enabled: no
Types: deb
URIs: http://off.example/debian
Suites: bookworm
Components: main

Types: deb-src
URIs: http://src.example/debian
Suites: bookworm
Components: main
`;

describe('the machine’s apt sources', () => {
  test('are read from deb822 files, without comments and what is switched off', () => {
    expect(parseAptSources(DEB822, 'debian.sources')).toEqual([
      {
        uris: ['http://mirror.example/debian'],
        suites: ['bookworm', 'bookworm-updates'],
        components: ['main', 'contrib'],
        options: [['Signed-By', KEYRING]],
      },
      {
        uris: ['http://mirror.example/debian-security'],
        suites: ['bookworm-security'],
        components: ['main'],
        options: [
          [
            'Signed-By',
            '-----BEGIN PGP PUBLIC KEY BLOCK-----\n .\n mDMEZ\n -----END PGP PUBLIC KEY BLOCK-----',
          ],
        ],
      },
    ]);
  });

  test('are read from one-line files', () => {
    const text = `# comment
deb http://mirror.example/ubuntu noble main universe # trailing
  deb [ arch=amd64 signed-by=/k.gpg trusted=yes ] https://mirror.example/ubuntu noble-updates main
deb-src http://mirror.example/ubuntu noble main
nonsense
deb http://flat.example/ ./
`;
    expect(parseAptSources(text, 'sources.list')).toEqual([
      {
        uris: ['http://mirror.example/ubuntu'],
        suites: ['noble'],
        components: ['main', 'universe'],
        options: [],
      },
      {
        uris: ['https://mirror.example/ubuntu'],
        suites: ['noble-updates'],
        components: ['main'],
        options: [
          ['Signed-By', '/k.gpg'],
          ['Trusted', 'yes'],
        ],
      },
      { uris: ['http://flat.example/'], suites: ['./'], components: [], options: [] },
    ]);
  });

  const source = (uri: string, suite: string, ...components: string[]): AptSource => ({
    uris: [uri],
    suites: [suite],
    components,
    options: [['Signed-By', KEYRING]],
  });

  test('are narrowed to the distribution’s own, and backports come from the same mirror', () => {
    const chosen = distributionSources(
      [
        source('https://other.example/apt', 'cloud-bookworm', 'main'),
        source('https://other.example/node', 'nodistro', 'main'),
        source('https://other.example/docker', 'bookworm', 'stable'),
        source('http://mirror.example/debian-security', 'bookworm-security', 'main', 'non-free'),
        {
          ...source('http://mirror.example/debian', 'bookworm', 'main'),
          uris: ['cdrom:[CD]/', 'http://mirror.example/debian'],
        },
      ],
      BOOKWORM,
      'bookworm-backports',
    );
    expect(chosen).toEqual([
      source('http://mirror.example/debian-security', 'bookworm-security', 'main'),
      source('http://mirror.example/debian', 'bookworm', 'main'),
      source('http://mirror.example/debian', 'bookworm-backports', 'main'),
    ]);
  });

  test('keep backports that the machine names itself', () => {
    const machine = [
      source('http://mirror.example/debian', 'bookworm', 'main'),
      source('http://near.example/debian', 'bookworm-backports', 'main'),
    ];
    expect(distributionSources(machine, BOOKWORM, 'bookworm-backports')).toEqual(machine);
  });

  test('without one of the distribution are an error', () => {
    expect(() =>
      distributionSources([source('http://m.example/debian', 'trixie', 'main')], BOOKWORM),
    ).toThrow('names no source of Debian GNU/Linux 12 (bookworm)');
  });

  test('survive being written and read again', () => {
    const sources = parseAptSources(DEB822, 'a.sources');
    expect(parseAptSources(formatAptSources(sources), 'b.sources')).toEqual(sources);
    const ubuntu = distributionSources(
      [source('http://m.example/ubuntu', 'noble', 'main', 'universe')],
      NOBLE,
    );
    expect(formatAptSources(ubuntu)).toBe(
      `Types: deb\nURIs: http://m.example/ubuntu\nSuites: noble\nComponents: main universe\nSigned-By: ${KEYRING}\n`,
    );
  });
});

test('os-release is read with and without quotes, and may be empty', () => {
  expect(NOBLE).toEqual({
    id: 'ubuntu',
    idLike: ['debian'],
    versionId: '24.04',
    codename: 'noble',
    prettyName: 'Ubuntu 24.04.1 LTS',
  });
  expect(parseOsRelease("ID='arch'")).toMatchObject({ id: 'arch', idLike: [], prettyName: 'arch' });
  expect(parseOsRelease('').prettyName).toBe('unknown Linux');
});

test('a command that fills the disk ends in the error of a full disk', async () => {
  const full = runCommand('sh', ['-c', 'echo "tar: x: Cannot write: No space left on device" >&2; exit 2']);
  await expect(full).rejects.toMatchObject({ code: 'ENOSPC' });
});

test('a command that fails is an error with its last words, one that is not there names itself', async () => {
  await expect(mustRun('sh', ['-c', 'echo why >&2; exit 3'])).rejects.toThrow(
    'sh failed with exit code 3: why',
  );
  await expect(mustRun('no-such-program', [])).rejects.toThrow('could not run no-such-program');
});

test('a command is ended when its time is over, with all that it started; one that is not there keeps nobody waiting', async () => {
  const start = performance.now();
  const slow = mustRun('sh', ['-c', 'sleep 20 & wait'], { timeoutMs: 200 });
  await expect(slow).rejects.toThrow("sh didn't end within 0.2 s");
  const waiting = () => process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length;
  const before = waiting();
  await expect(mustRun('no-such-program', [], { timeoutMs: 600_000 })).rejects.toThrow('could not run');
  expect(waiting()).toBe(before);
  expect(performance.now() - start).toBeLessThan(10_000);
});

test('where apt is missing, that is the reason', () => {
  vi.stubEnv('PATH', '/nonexistent');
  const isDebian = isDebianLike(readOsRelease());
  expect(aptProblem()).toMatch(isDebian ? 'there is no apt-get here' : 'has no packages');
  vi.unstubAllEnvs();
});

test('apt’s answers are read', () => {
  const simulated = `Reading package lists...
Inst libz3-4 (4.8.12-3.1 Debian:12/stable [amd64])
Inst libllvm15 [1:14] (1:15.0.6-4+b1 Debian:12/stable [amd64])
Conf libz3-4 (4.8.12-3.1 Debian:12/stable [amd64])
`;
  expect(parseSimulatedInstall(simulated)).toEqual(['libz3-4=4.8.12-3.1', 'libllvm15=1:15.0.6-4+b1']);
  const uris = `Reading package lists...
'http://m.example/a_1%3a1_amd64.deb' a_1%3a1_amd64.deb 99888 SHA256:22
'http://m.example/b.deb' b.deb 112 SHA256:23
`;
  expect(parseDownloadBytes(uris)).toBe(100_000);
});

describe('unpackPackages', () => {
  let folder: string;

  beforeEach(async () => {
    folder = await fs.mkdtemp(join(os.tmpdir(), 'weft-apt-'));
    // Where root runs this, apt reads the mirror as another user.
    await fs.chmod(folder, 0o755);
  });

  afterEach(async () => {
    vi.unstubAllEnvs();
    await fs.rm(folder, { recursive: true, force: true });
  });

  /** A mirror in a folder: `tool`, which depends on `libpart` and on the C library. */
  async function makeMirror(): Promise<AptSource[]> {
    const arch = execFileSync('dpkg', ['--print-architecture'], { encoding: 'utf8' }).trim();
    const mirror = join(folder, 'mirror');
    const index = `dists/stable/main/binary-${arch}/Packages`;
    await fs.mkdir(join(mirror, index, '..'), { recursive: true });
    let packages = '';
    for (const [name, depends] of Object.entries({
      tool: 'libpart, libc6 (>= 2.3)',
      libpart: 'libc6',
      other: 'libpart',
    })) {
      const tree = join(folder, name);
      await fs.mkdir(join(tree, 'DEBIAN'), { recursive: true });
      await fs.mkdir(join(tree, 'usr'), { recursive: true });
      await fs.writeFile(join(tree, 'usr', name), `the file of ${name}`);
      const control = `Package: ${name}\nVersion: 1:2.0\nArchitecture: ${arch}\nMaintainer: a <a@example>\nDepends: ${depends}\nDescription: x\n`;
      await fs.writeFile(join(tree, 'DEBIAN', 'control'), control);
      execFileSync('dpkg-deb', ['--build', '--root-owner-group', tree, join(mirror, `${name}.deb`)], {
        stdio: 'ignore',
      });
      const deb = await fs.readFile(join(mirror, `${name}.deb`));
      const sha256 = createHash('sha256').update(deb).digest('hex');
      packages += `${control}Filename: ${name}.deb\nSize: ${deb.length}\nSHA256: ${sha256}\n\n`;
    }
    await fs.writeFile(join(mirror, index), packages);
    const sum = createHash('sha256').update(packages).digest('hex');
    const release = `Suite: stable\nCodename: stable\nComponents: main\nArchitectures: ${arch}\nDate: Thu, 01 Jan 2026 00:00:00 UTC\nSHA256:\n ${sum} ${packages.length} main/binary-${arch}/Packages\n`;
    await fs.writeFile(join(mirror, 'dists/stable/Release'), release);
    return [
      { uris: [`file://${mirror}`], suites: ['stable'], components: ['main'], options: [['Trusted', 'yes']] },
    ];
  }

  test('brings packages with what they depend on, and nothing else; where there is no apt it says so', async () => {
    vi.stubEnv('WEFT_OFFLINE', undefined);
    const target = join(folder, 'target');
    await fs.mkdir(target);
    const problem = aptProblem();
    if (problem) {
      await expect(unpackPackages(['tool'], target, { what: 'test' })).rejects.toThrow(problem);
      return;
    }
    const seen: Progress[] = [];
    const { root, unpacked } = await unpackPackages(['tool'], target, {
      what: 'test',
      sources: await makeMirror(),
      onProgress: (progress) => seen.push(progress),
    });
    expect(unpacked.sort()).toEqual(['libpart=1:2.0', 'tool=1:2.0']);
    expect((await fs.readdir(join(root, 'usr'))).sort()).toEqual(['libpart', 'tool']);
    expect(await fs.readFile(join(root, 'usr', 'tool'), 'utf8')).toBe('the file of tool');
    expect(seen.at(-1)).toEqual({ what: 'test: unpack', done: 2, total: 2 });

    await fs.mkdir(join(folder, 'again'));
    const missing = unpackPackages(['no-such-package'], join(folder, 'again'), {
      what: 'test',
      sources: await makeMirror(),
    });
    await expect(missing).rejects.toThrow('Unable to locate package no-such-package');
  });

  test('lets apt download as a user of its own where root runs it', async () => {
    vi.stubEnv('WEFT_OFFLINE', undefined);
    const asRoot = process.getuid?.() === 0 && aptProblem() === undefined;
    if (!asRoot || execFileSync('apt-config', ['dump', 'APT::Sandbox::User']).includes('"root"')) return;
    // An apt-get that says whose the folder of unfinished downloads is, named by `-c STATE/apt.conf`.
    const apt = execFileSync('which', ['apt-get'], { encoding: 'utf8' }).trim();
    const log = join(folder, 'owners');
    const spy = join(folder, 'bin', 'apt-get');
    await fs.mkdir(join(folder, 'bin'));
    await fs.writeFile(
      spy,
      `#!/bin/sh\n${apt} "$@"; code=$?\nwhile [ "$1" != -c ]; do shift; done\n` +
        `stat -c %U "$(dirname "$2")/cache/archives/partial" >>${log}; exit $code\n`,
      { mode: 0o755 },
    );
    vi.stubEnv('PATH', `${join(folder, 'bin')}:${process.env.PATH}`);
    await fs.mkdir(join(folder, 'target'));
    await unpackPackages(['tool'], join(folder, 'target'), { what: 'test', sources: await makeMirror() });
    expect((await fs.readFile(log, 'utf8')).trim().split('\n').at(-1)).toBe('_apt');
  });

  test('is refused where the disk hasn’t room for it, before anything is fetched', async () => {
    vi.stubEnv('WEFT_OFFLINE', undefined);
    const expected = aptProblem() ?? `the disk of ${folder} is too full`;
    await expect(
      unpackPackages(['tool'], folder, { what: 'test', bytes: 1e18, sources: [] }),
    ).rejects.toThrow(expected);
    expect(await fs.readdir(folder)).toEqual([]);
  });

  test('is refused where downloads are forbidden', async () => {
    vi.stubEnv('WEFT_OFFLINE', '1');
    await expect(unpackPackages(['tool'], folder, { what: 'test' })).rejects.toThrow(aptProblem());
  });
});
