import { existsSync } from 'node:fs';
import fs from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { WeftError } from '../../errors.ts';
import { atomicWrite, writeError } from '../../node/files.ts';
import { reportPage, type Section } from '../../report/page.ts';
import { learningCurvesSection } from '../../report/sections/learningCurves.ts';
import { VERSION } from '../../tensor/version.ts';
import type { Console } from '../console.ts';
import { ENSEMBLE, readEnsemble } from '../ensemble/ensembleFile.ts';
import { ensembleSections } from '../ensemble/section.ts';
import { MANIFEST } from '../run.ts';
import { type Data, openData } from '../session.ts';
import { type Missing, missingOf, missingSection } from './missing.ts';
import { isClassified, type ReportedRun, readRun } from './reportedRun.ts';
import { resultsSection } from './results.ts';
import { historiesOf, runSections } from './runSections.ts';

export interface ReportOptions {
  /** The file to write. */
  out?: string;
  title?: string;
  data?: string;
}

/** Folders beside those of runs that a report shows, by the file that each of them holds. */
const OTHER_FOLDERS: readonly {
  readonly file: string;
  readonly sections: (path: string) => Promise<Section[]>;
}[] = [
  {
    file: ENSEMBLE,
    sections: async (path) => {
      const found = await readEnsemble(path);
      return found ? ensembleSections(found) : [];
    },
  },
];

/** Writes what folders of runs hold as one page. Resolves with the exit code. */
export async function report(
  paths: readonly string[],
  { out: file, title, data: dir }: ReportOptions,
  out: Console,
): Promise<number> {
  const kinds = paths.map(kindOf);
  const runs = await Promise.all(paths.filter((_, i) => kinds[i] === MANIFEST).map(readRun));
  const missing: Missing[] = [];
  const sections: Section[] = [];
  if (runs.length > 0) {
    sections.push(resultsSection(runs), learningCurvesSection(historiesOf(runs)));
    const data = await readData(runs, dir, missing, out);
    for (const run of runs) {
      const own = await runSections(run, data);
      sections.push(...(paths.length > 1 ? own.map((section) => ({ ...section, group: run.name })) : own));
      missing.push(...(await missingOf(run)));
    }
  }
  for (const [i, path] of paths.entries()) {
    const other = OTHER_FOLDERS.find((folder) => folder.file === kinds[i]);
    if (other) sections.push(...(await other.sections(path)));
  }
  const names = paths.map((path) => basename(resolve(path)));
  const target = file ?? (paths.length === 1 ? join(paths[0], 'report.html') : manyPath());
  const page = reportPage({
    title: title ?? names.join(', '),
    subtitle: `${today()}, weft ${VERSION}`,
    sections: [...sections, ...missingSection(missing)],
  });
  await fs.mkdir(dirname(target), { recursive: true }).catch((error) => {
    throw writeError(dirname(target), error);
  });
  await atomicWrite(target, page);
  out.line(`report: ${target}`);
  for (const { what, command } of missing) out.line(`  without ${what}: ${command}`);
  return 0;
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

/** The data set, where pictures of it are to be shown. Without it, the report says so. */
async function readData(
  runs: readonly ReportedRun[],
  dir: string | undefined,
  missing: Missing[],
  out: Console,
): Promise<Data | undefined> {
  const tested = runs.filter(({ repeats }) =>
    repeats.some(({ result }) => result && isClassified(result.test)),
  );
  if (tested.length === 0) return undefined;
  try {
    return await openData(dir ?? tested[0].manifest.flags.data, out);
  } catch (error) {
    if (!(error instanceof WeftError) || dir !== undefined) throw error;
    out.line(`no pictures of the data: ${error.message}`);
    missing.push({
      what: 'pictures of mistakes and right answers',
      command: `weft report ${runs.map(({ path }) => path).join(' ')} --data FOLDER`,
    });
    return undefined;
  }
}
