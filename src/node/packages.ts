import { createRequire } from 'node:module';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

/** A package that the user has installed. */
export interface InstalledPackage {
  /** Of the module that `require` gives. */
  readonly path: string;
  readonly require: NodeJS.Require;
}

/** A package beside this one, or in the project that the process runs in. Undefined: neither has it. */
export function findPackage(name: string): InstalledPackage | undefined {
  for (const base of [import.meta.url, pathToFileURL(join(process.cwd(), 'package.json')).href]) {
    try {
      const require = createRequire(base);
      return { path: require.resolve(name), require };
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'MODULE_NOT_FOUND') throw error;
    }
  }
  return undefined;
}

/** Where native code is for: "linux-x64". */
export const PLATFORM = `${process.platform}-${process.arch}`;
