import fs from 'node:fs/promises';
import { dirname } from 'node:path';
import * as v from 'valibot';
import { dictionary, finiteNumber, object, parseJson, type Schema } from '../schema.ts';
import type { ChoiceStore, StoredChoice } from '../tensor/tune.ts';
import { cachePath } from './cacheDir.ts';
import { atomicWrite, hasCode } from './files.ts';
import { note, type Reporting } from './progress.ts';

/** Where `fileChoices` keeps its file. */
export interface FileChoicesOptions extends Pick<Reporting, 'onNote'> {
  /** Default: `choices.json` in the cache folder. */
  path?: string;
}

/** The file: decisions by adapter, then by key. */
type Contents = Record<string, Record<string, StoredChoice>>;

const storedChoice = object({
  candidate: v.string(),
  among: v.optional(v.array(v.string()), []),
  ms: v.optional(finiteNumber),
  error: v.optional(finiteNumber),
});
const schema: Schema<Contents> = dictionary(dictionary(storedChoice));

/** Keeps decisions in a JSON file. Where it is damaged or can't be written, a note says so; nothing fails. */
export function fileChoices({
  path = cachePath('choices.json'),
  ...reporting
}: FileChoicesOptions = {}): ChoiceStore {
  const read = async (onDamage: (why: string) => void): Promise<Contents> => {
    try {
      return parseJson(path, await fs.readFile(path, 'utf8'), schema);
    } catch (error) {
      if (!hasCode(error, 'ENOENT')) onDamage((error as Error).message);
      return {};
    }
  };
  return {
    async load(adapter) {
      const warn = (why: string) => note(reporting, `the tuned choices in ${path} can't be used: ${why}`);
      return (await read(warn))[adapter] ?? {};
    },
    async save(adapter, choices) {
      // Read anew: another process may have added its own. A damaged file, of which `load` told, is replaced.
      const contents = await read(() => {});
      const merged = { ...contents, [adapter]: { ...contents[adapter], ...choices } };
      try {
        await fs.mkdir(dirname(path), { recursive: true });
        await atomicWrite(path, `${JSON.stringify(merged, null, 2)}\n`);
      } catch (error) {
        note(reporting, `tuned choices are not kept: ${(error as Error).message}`);
      }
    },
  };
}
