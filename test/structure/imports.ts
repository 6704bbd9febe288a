import { posix } from 'node:path';
import ts from 'typescript';

/*
 * The house's rule: a folder imports only from itself and from folders above it. What a reader learns in one folder never depends
 * on a folder further down.
 */

/** Folders of `src`, top to bottom. */
export const FLOORS = [
  'gpu',
  'tensor',
  'kernels',
  'data',
  'nn',
  'analysis',
  'search',
  'formats',
  'report',
  'node',
  'experiments',
] as const;

/** Where Node's own modules may be imported: the rest of the library runs in a browser. */
const NODE_FOLDERS: readonly string[] = ['node', 'experiments'];

/** Where packages may be imported: the rest of the library depends on nothing. Packages draw plots and open containers. */
const PACKAGE_FOLDERS: readonly string[] = ['formats', 'report', ...NODE_FOLDERS];

/** Public entry points: they see every floor of the library. Three are for browsers; the first carries no package. */
const BROWSER_ENTRY = 'src/index.ts';
const FILES_ENTRY = 'src/files.ts';
const REPORT_ENTRY = 'src/report.ts';
const NODE_ENTRIES: readonly string[] = ['src/index.node.ts', 'src/files.node.ts', 'src/node.ts'];

/** Imported from everywhere, and themselves only from those before them. */
const GROUND: readonly string[] = [
  'src/errors.ts',
  'src/nearestName.ts',
  'src/otherNames.ts',
  'src/checks.ts',
  'src/schema.ts',
];

/** A package that is in every bundle, as far as it is used, and so may be imported from everywhere: the parts of schemas. */
const SCHEMA_PACKAGE = 'valibot';

/** Source text by path from the root of the project, with `/` between folders. */
export type Sources = ReadonlyMap<string, string>;

interface Import {
  readonly specifier: string;
  readonly line: number;
}

function importsOf(text: string): Import[] {
  const { importedFiles } = ts.preProcessFile(text, true, true);
  return importedFiles.map(({ fileName, pos }) => ({ specifier: fileName, line: lineOf(text, pos) }));
}

const lineOf = (text: string, at: number): number => text.slice(0, at).split('\n').length;

/** `src/kernels/relu.ts` lives in `kernels`, `src/index.ts` in no folder. */
const folderOf = (path: string): string | undefined => path.match(/^src\/([^/]+)\//)?.[1];

const isRelative = (specifier: string): boolean => specifier.startsWith('.');
const resolve = (from: string, specifier: string): string => posix.join(posix.dirname(from), specifier);

/** Every offence against the rule, as `path:line: what is wrong`. */
export function violations(sources: Sources): string[] {
  const found: string[] = [];
  for (const [path, text] of sources) {
    for (const { specifier, line } of importsOf(text)) {
      const wrong = isRelative(specifier)
        ? wrongFile(path, resolve(path, specifier), sources)
        : wrongPackage(path, specifier);
      if (wrong) found.push(`${path}:${line}: ${wrong}`);
    }
    if (folderOf(path) !== 'gpu') {
      for (const { index } of text.matchAll(/\bGPUDevice\b/g))
        found.push(`${path}:${lineOf(text, index)}: GPUDevice is named outside src/gpu`);
    }
  }
  return [...found, ...packagesBehindBrowserEntry(sources)];
}

function wrongFile(from: string, to: string, sources: Sources): string | undefined {
  // What the command shows of measured results lies beside the sources.
  if (folderOf(from) === 'experiments' && /^results\/[\w-]+\.json$/.test(to)) return undefined;
  if (!to.endsWith('.ts')) return `'${to}' is imported without its extension .ts`;
  if (!sources.has(to)) return `'${to}' is no file of src`;
  if (from === to) return undefined;
  if (GROUND.includes(from)) return fromGround(from, to);
  if (GROUND.includes(to)) return undefined;
  const folder = folderOf(from);
  const target = folderOf(to);
  if (folder === undefined) return fromRoot(from, target);
  const floor = FLOORS.indexOf(folder as (typeof FLOORS)[number]);
  if (floor < 0) return `src/${folder} has no place in the house`;
  if (target === undefined) return `src/${folder} imports the entry point ${to}`;
  const targetFloor = FLOORS.indexOf(target as (typeof FLOORS)[number]);
  if (targetFloor < 0 || targetFloor > floor)
    return `src/${folder} imports from src/${target}, which is below it`;
  return undefined;
}

function fromGround(from: string, to: string): string | undefined {
  const before = GROUND.slice(0, GROUND.indexOf(from));
  return before.includes(to)
    ? undefined
    : `${from} imports ${to}: it knows only ${before.join(', ') || 'itself'}`;
}

function fromRoot(from: string, target: string | undefined): string | undefined {
  const isNodeEntry = NODE_ENTRIES.includes(from);
  if (![BROWSER_ENTRY, FILES_ENTRY, REPORT_ENTRY].includes(from) && !isNodeEntry)
    return `${from} has no place in the house: it is no entry point`;
  if (target === 'experiments')
    return `${from} imports from src/experiments: the library knows no experiment`;
  if (target === 'node' && !isNodeEntry) return `${from} imports from src/node: it must run in a browser`;
  return undefined;
}

function wrongPackage(from: string, specifier: string): string | undefined {
  if (specifier === SCHEMA_PACKAGE) return undefined;
  const folders = specifier.startsWith('node:') ? NODE_FOLDERS : PACKAGE_FOLDERS;
  const folder = folderOf(from);
  if (folder === undefined ? NODE_ENTRIES.includes(from) : folders.includes(folder)) return undefined;
  return `'${specifier}' is imported outside ${folders.map((name) => `src/${name}`).join(', ')} and the entry points for Node`;
}

/** Follows the imports of the browser's entry point, which reach the library's own files and no others. */
function packagesBehindBrowserEntry(sources: Sources): string[] {
  const found: string[] = [];
  const cameFrom = new Map<string, string>([[BROWSER_ENTRY, '']]);
  // A Map goes through the keys that are added on the way.
  for (const path of cameFrom.keys()) {
    const text = sources.get(path);
    if (text === undefined) continue;
    for (const { specifier, line } of importsOf(text)) {
      if (isRelative(specifier)) {
        const target = resolve(path, specifier);
        if (!cameFrom.has(target)) cameFrom.set(target, path);
      } else if (specifier !== SCHEMA_PACKAGE) {
        const chain: string[] = [];
        for (let at: string | undefined = path; at; at = cameFrom.get(at)) chain.unshift(at);
        found.push(
          `${path}:${line}: '${specifier}' is reached from the browser's entry point: ${chain.join(' > ')}`,
        );
      }
    }
  }
  return found;
}
