import { join } from 'node:path';
import * as v from 'valibot';
import { WeftError } from '../../errors.ts';
import { atomicWrite } from '../../node/files.ts';
import { object, type Schema, wholeNumber } from '../../schema.ts';
import { checkHistory, searchMethods } from '../../search/search.ts';
import { checkSpace } from '../../search/space.ts';
import type { Trial } from '../../search/trial.ts';
import { figure, list, MOST, seconds, text } from '../fields.ts';
import { ManifestFolder } from '../folder.ts';
import { readJson } from '../jsonFile.ts';
import { begun, parameters } from '../manifest.ts';
import { spaceSchema } from './space.ts';

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

const trial: Schema<Trial> = v.pipe(
  object({
    /** Counted from 1. */
    number: wholeNumber({ min: 1, max: MOST.trials }),
    parameters,
    state: v.picklist(['complete', 'failed'], "'complete' or 'failed'"),
    value: v.optional(figure),
    message: v.optional(text),
    seconds,
  }),
  v.check(
    ({ state, value }) => (state === 'complete') === (value !== undefined),
    'an object with a value where it is complete, and none where it failed',
  ),
);

const stage = v.optional(wholeNumber({ min: 1, max: MOST.trials }));

const searchSchema = object({
  ...begun,
  objective: v.picklist(objectives, "'val-accuracy' or 'val-loss'"),
  search: object({
    space: spaceSchema,
    method: v.picklist(searchMethods, searchMethods.map((name) => `'${name}'`).join(', ')),
    trials: stage,
    direction: v.optional(v.picklist(['minimize', 'maximize'], "'minimize' or 'maximize'")),
    coarseTrials: stage,
    best: stage,
    startupTrials: stage,
  }),
  trials: list(trial, MOST.trials),
});

/** What search.json holds: beside the trials, what a run's manifest does, for all of them. */
export type SearchManifest = Readonly<v.InferOutput<typeof searchSchema>>;

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
  const manifest = await readJson(file, searchSchema);
  if (!manifest) throw new WeftError(`${path} is no search: there is no ${file}`);
  try {
    checkSpace(manifest.search.space);
    checkHistory(manifest.search.space, manifest.trials);
  } catch (error) {
    throw new WeftError(`${file}: ${(error as Error).message}`, { cause: error });
  }
  return manifest;
}
