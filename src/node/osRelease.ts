import { readFileSync } from 'node:fs';

/** What `/etc/os-release` says about a Linux distribution (freedesktop.org's os-release). */
export interface OsRelease {
  /** `debian`, `ubuntu`, `fedora` …; empty where the file is missing. */
  id: string;
  /** The distributions that this one derives from, nearest first. */
  idLike: string[];
  versionId: string;
  /** `bookworm`, `noble` … */
  codename: string;
  prettyName: string;
}

export function parseOsRelease(text: string): OsRelease {
  const fields = new Map<string, string>();
  for (const line of text.split('\n')) {
    const match = /^\s*([A-Z0-9_]+)=(.*?)\s*$/.exec(line);
    if (match) fields.set(match[1], match[2].replace(/^(["'])(.*)\1$/, '$2'));
  }
  const id = fields.get('ID') ?? '';
  return {
    id,
    idLike: (fields.get('ID_LIKE') ?? '').split(' ').filter(Boolean),
    versionId: fields.get('VERSION_ID') ?? '',
    codename: fields.get('VERSION_CODENAME') ?? '',
    prettyName: fields.get('PRETTY_NAME') ?? (id || 'unknown Linux'),
  };
}

/** This machine's distribution; fields are empty where it doesn't say. */
export function readOsRelease(): OsRelease {
  for (const path of ['/etc/os-release', '/usr/lib/os-release']) {
    try {
      return parseOsRelease(readFileSync(path, 'utf8'));
    } catch {}
  }
  return parseOsRelease('');
}

/** Whether apt and its packages' names are those of Debian: Debian, Ubuntu and what derives from them. */
export function isDebianLike(os: OsRelease): boolean {
  return [os.id, ...os.idLike].some((id) => id === 'debian' || id === 'ubuntu');
}
