import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Plugin } from 'esbuild';
import { H5WASM_PLACE } from './h5wasm.ts';

/*
 * THIRD-PARTY.md: the licences of the packages that bundles hold, as the packages have them.
 */

const root = fileURLToPath(new URL('../', import.meta.url));
const OUT = join(root, 'THIRD-PARTY.md');
const HEADING =
  '# Licences of third parties\n\nThe files in `dist` hold code of these packages, under the licences that follow.';

/** What packages hold of others without their licence, by a text that was written down here. */
const WITHIN: Readonly<Record<string, string>> = { h5wasm: 'licences/h5wasm.txt' };

/** The folder of the package that a bundled module is from; undefined: it is our own. */
function folderOf(module: string): string | undefined {
  if (H5WASM_PLACE.test(module)) return 'node_modules/h5wasm';
  return module.match(/^.*node_modules\/(?:@[^/]+\/)?[^/]+/)?.[0];
}

/** @throws Error where a package has no licence text: it can't be bundled */
function section(folder: string): string {
  const path = join(root, folder);
  const { name, version, license } = JSON.parse(readFileSync(join(path, 'package.json'), 'utf8'));
  const files = readdirSync(path).filter((file) => /^(licen[cs]e|copying|notice)\b/i.test(file));
  if (files.length === 0) throw new Error(`${folder} has no licence text: THIRD-PARTY.md lacks it`);
  const texts = files.sort().map((file) => readFileSync(join(path, file), 'utf8'));
  if (name in WITHIN) texts.push(readFileSync(new URL(WITHIN[name], import.meta.url), 'utf8'));
  const blocks = texts.map((text) => `\`\`\`text\n${text.trim()}\n\`\`\``);
  return [`## ${name} ${version}: ${license}`, ...blocks].join('\n\n');
}

/** A plugin for all bundles of the package: the file is whole when the last of them is. */
export function writeThirdParty(): Plugin {
  const folders = new Set<string>();
  return {
    name: 'THIRD-PARTY.md',
    setup({ initialOptions, onEnd }) {
      initialOptions.metafile = true;
      onEnd(({ metafile }) => {
        for (const { inputs } of Object.values(metafile?.outputs ?? {}))
          for (const module of Object.keys(inputs)) {
            const folder = folderOf(module);
            if (folder) folders.add(folder);
          }
        writeFileSync(OUT, `${[HEADING, ...[...folders].sort().map(section)].join('\n\n')}\n`);
      });
    },
  };
}
