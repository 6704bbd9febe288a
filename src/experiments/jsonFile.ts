import { hasCode } from '../node/files.ts';
import { readWholeFile } from '../node/readFile.ts';
import { parseJson, type Schema } from '../schema.ts';

/** Bytes of a JSON file that are read at most, where nothing else is said. */
const MOST_BYTES = 2 ** 24;

/** A value as the text of a JSON file. */
export const json = (value: unknown): string => `${JSON.stringify(value, null, 2)}\n`;

/** A file's bytes; undefined where there is none. @throws WeftError where it can't be read */
export async function readIfThere(
  path: string,
  options?: { mostBytes?: number },
): Promise<Uint8Array<ArrayBuffer> | undefined> {
  try {
    return await readWholeFile(path, options);
  } catch (error) {
    if (hasCode((error as Error).cause, 'ENOENT')) return undefined;
    throw error;
  }
}

/** What a JSON file holds, as its schema has it; undefined where there is none. @throws WeftError naming the file and what is wrong in it */
export async function readJson<T>(
  path: string,
  schema: Schema<T>,
  { mostBytes = MOST_BYTES } = {},
): Promise<T | undefined> {
  const bytes = await readIfThere(path, { mostBytes });
  return bytes && parseJson(path, new TextDecoder().decode(bytes), schema);
}
