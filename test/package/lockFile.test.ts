import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { root } from './emptyProject.ts';

interface Entry {
  version?: string;
  integrity?: string;
  resolved?: string;
}

const lockFile: { packages: Record<string, Entry> } = JSON.parse(
  await readFile(join(root, 'package-lock.json'), 'utf8'),
);
const packages = Object.entries(lockFile.packages).filter(([path]) => path !== '');

it('every package is locked to its contents, those of other platforms too', () => {
  expect(packages.length).toBeGreaterThan(100);
  const without = packages.filter(([, { integrity }]) => !/^sha512-[\w+/]{86}==$/.test(integrity ?? ''));
  expect(without.map(([path, { version }]) => `${path} ${version}`)).toEqual([]);
});

it('no package is bound to where it was fetched from', () => {
  expect(packages.filter(([, { resolved }]) => resolved !== undefined)).toEqual([]);
});
