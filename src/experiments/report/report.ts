import { existsSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { WeftError } from '../../errors.ts';
import { atomicWrite, makeFolder } from '../../node/files.ts';
import { reportPage, type Section } from '../../report/page.ts';
import { learningCurvesSection } from '../../report/sections/learningCurves.ts';
import { VERSION } from '../../tensor/version.ts';
import type { Console } from '../console.ts';
import { ENSEMBLE, readEnsemble } from '../ensemble/ensembleFile.ts';
import { ensembleSections } from '../ensemble/section.ts';
import { MANIFEST } from '../manifest.ts';
import { isClassified } from '../results.ts';
import { readSearch, SEARCH } from '../search/folder.ts';
import { searchSection } from '../search/section.ts';
import { type Data, openData } from '../session.ts';
import { shellPath, shellWord } from '../shell.ts';
import { mapFile, PIXELS, readMaps } from '../tsne/artefact.ts';
import { tsneSection } from '../tsne/section.ts';
import { type Missing, missingSection, type Read } from './missing.ts';
import { type ReportedRun, readRun } from './reportedRun.ts';
import { resultsSection } from './results.ts';
import { historiesOf, readSections } from './runSections.ts';

export interface ReportOptions {
  /** The file to write. */
  out?: string;
  title?: string;
  data?: string;
}

/** A folder beside those of runs that a report shows. */
interface OtherFolder {
  /** The file that such a folder holds. */
  readonly file: string;
  readonly read: (path: string) => Promise<Read>;
}

const OTHER_FOLDERS: readonly OtherFolder[] = [
  { file: SEARCH, read: reportedSearch },
  {
    file: ENSEMBLE,
    read: async (path) => ({ sections: ensembleSections((await readEnsemble(path))!), missing: [] }),
  },
  {
    file: mapFile(PIXELS),
    read: async (path) => ({ sections: (await readMaps(path)).map(tsneSection), missing: [] }),
  },
];

/** Writes what folders of runs hold as one page. Resolves with the exit code. */
export async function report(
  paths: readonly string[],
  { out: file, title, data: dir }: ReportOptions,
  out: Console,
): Promise<number> {
  const kinds = paths.map(kindOf);
  const names = namesOf(paths);
  const runs = await Promise.all(
    paths.flatMap((path, i) => (kinds[i] === MANIFEST ? readRun(path, names[i]) : [])),
  );
  const missing: Missing[] = [];
  const sections: Section[] = [];
  if (runs.length > 0) {
    sections.push(resultsSection(runs), learningCurvesSection(historiesOf(runs)));
    const data = await readData(runs, dir, missing, out);
    for (const run of runs) {
      const own = await readSections(run, data);
      sections.push(
        ...(paths.length > 1
          ? own.sections.map((section) => ({ ...section, group: run.name }))
          : own.sections),
      );
      missing.push(...own.missing);
    }
  }
  for (const [i, path] of paths.entries()) {
    const other = OTHER_FOLDERS.find((folder) => folder.file === kinds[i]);
    if (!other) continue;
    const found = await other.read(path);
    sections.push(...found.sections);
    missing.push(...found.missing);
  }
  const target = file ?? (paths.length === 1 ? join(paths[0], 'report.html') : manyPath());
  const page = reportPage({
    title: title ?? names.join(', '),
    subtitle: `${today()}, weft ${VERSION}`,
    sections: [...sections, ...missingSection(missing)],
  });
  await makeFolder(dirname(target));
  await atomicWrite(target, page);
  out.line(`report: ${target}`);
  for (const { what, command } of missing) out.line(`  without ${what}: ${command}`);
  return 0;
}

/** Folders' names; whole paths where two have the same. */
function namesOf(paths: readonly string[]): string[] {
  const names = paths.map((path) => basename(resolve(path)));
  return names.map((name, i) => (names.indexOf(name) === names.lastIndexOf(name) ? name : paths[i]));
}

const today = (): string => new Date().toISOString().slice(0, 10);

const manyPath = (): string => join('runs', `report-${today()}.html`);

/** The file that says what a folder is. @throws WeftError where it holds none of them */
function kindOf(path: string): string {
  const files = [MANIFEST, ...OTHER_FOLDERS.map(({ file }) => file)];
  const found = files.find((file) => existsSync(join(path, file)));
  if (found) return found;
  throw new WeftError(
    `${path} is no folder that a report can be written of: it holds no ${files.join(', no ')}`,
  );
}

async function reportedSearch(path: string): Promise<Read> {
  const manifest = await readSearch(path);
  const { experiment, search, trials } = manifest;
  const isFinished = trials.length >= (search.trials ?? 0);
  const rest = {
    what: 'the other trials',
    command: `weft search ${shellWord(experiment)} --resume ${shellPath(path)}`,
  };
  return { sections: [searchSection(manifest)], missing: isFinished ? [] : [rest] };
}

/** The data set, where pictures of it are to be shown. Without it, the report says so. */
async function readData(
  runs: readonly ReportedRun[],
  dir: string | undefined,
  missing: Missing[],
  out: Console,
): Promise<Data | undefined> {
  const tested = runs.filter(({ repeats }) => repeats.some(({ test }) => isClassified(test)));
  if (tested.length === 0) return undefined;
  try {
    return await openData(dir ?? tested[0].manifest.flags.data, out);
  } catch (error) {
    if (!(error instanceof WeftError) || dir !== undefined) throw error;
    out.line(`no pictures of the data: ${error.message}`);
    missing.push({
      what: 'pictures of mistakes and right answers',
      command: `weft report ${runs.map(({ path }) => shellPath(path)).join(' ')} --data FOLDER`,
    });
    return undefined;
  }
}
