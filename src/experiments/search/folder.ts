import { join } from 'node:path';
import { WeftError } from '../../errors.ts';
import { atomicWrite } from '../../node/files.ts';
import type { SearchPlan } from '../../search/search.ts';
import type { Trial } from '../../search/trial.ts';
import { ManifestFolder, parseJson, readIfThere } from '../folder.ts';
import type { Manifest } from '../run.ts';

/*
 * A search's folder:
 *
 *   search.json     what decides the search, its choices and its adapter, and every trial that is done
 *   trials/001 …    each trial's run, as `weft train` would have it, without a test
 *   search.svg      at the end
 *
 * The trials that are to come follow from search.json. A trial that was broken off goes on from its run's checkpoint.
 */

export const SEARCH = 'search.json';

/** What a search makes small or large, of the epochs of each trial. */
export const objectives = ['val-accuracy', 'val-loss'] as const;
export type Objective = (typeof objectives)[number];

/** What search.json holds: beside the trials, what a run's manifest does, for all of them. */
export interface SearchManifest extends Omit<Manifest, 'like'> {
  readonly objective: Objective;
  readonly search: Omit<SearchPlan, 'seed'>;
  readonly trials: readonly Trial[];
}

export class SearchFolder extends ManifestFolder<SearchManifest> {
  private constructor(path: string, manifest: SearchManifest) {
    super(path, SEARCH, manifest);
  }

  /** Makes the folder of a new search. @throws WeftError where something is there already */
  static async create(path: string, manifest: SearchManifest): Promise<SearchFolder> {
    const folder = new SearchFolder(path, manifest);
    await folder.begin();
    return folder;
  }

  /** @throws WeftError where there is no search, or its file is damaged */
  static async open(path: string): Promise<SearchFolder> {
    return new SearchFolder(path, await readSearch(path));
  }

  async saveChart(svg: string): Promise<void> {
    await atomicWrite(join(this.path, 'search.svg'), svg);
  }

  protected override read(): Promise<SearchManifest> {
    return readSearch(this.path);
  }

  /** The folder of a trial's run. */
  trialPath(number: number): string {
    return join(this.path, 'trials', String(number).padStart(3, '0'));
  }
}

/** Reads what was kept of the search in a folder. @throws WeftError where there is none, or it is damaged */
export async function readSearch(path: string): Promise<SearchManifest> {
  const file = join(path, SEARCH);
  const bytes = await readIfThere(file);
  if (!bytes) throw new WeftError(`${path} is no search: there is no ${file}`);
  const manifest = parseJson<SearchManifest>(file, bytes);
  if (manifest?.format !== 1 || !Array.isArray(manifest.trials) || typeof manifest.search?.space !== 'object')
    throw new WeftError(`${file} is no search that this version of weft can read`);
  return manifest;
}
