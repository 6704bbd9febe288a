import fs from 'node:fs/promises';
import { join } from 'node:path';
import type { ClassificationReport } from '../../analysis/classification.ts';
import { WeftError } from '../../errors.ts';
import { atomicWrite, writeError } from '../../node/files.ts';
import { json, parseJson, readIfThere } from '../folder.ts';
import type { Versions } from '../run.ts';

/*
 * ensemble.json, in a folder of its own: what networks come to together, by `weft ensemble` or `weft collapse`.
 */

export const ENSEMBLE = 'ensemble.json';

/** A network, and what it says of the test images by itself. */
export interface MemberScore {
  readonly name: string;
  readonly test: ClassificationReport;
  /** On the images that were held out for the meta-learner. */
  readonly heldOutAccuracy?: number;
}

/** Beside the best member, on the same test images. */
export interface Gain {
  /** Percentage points of accuracy. */
  readonly points: number;
  /** Images that are right now and were wrong, and the other way round. */
  readonly fixed: number;
  readonly broken: number;
}

/** A way in which networks decide together. */
export interface MethodScore {
  readonly name: string;
  /** What decides, in a few words. */
  readonly how: string;
  readonly test: ClassificationReport;
  readonly gain: Gain;
}

/** The images that a meta-learner was fitted to: training images that no member was trained on. */
export interface FittedOn {
  readonly images: number;
  /** Of them, those that every member was validated on. */
  readonly validation: number;
  /** Its loss and accuracy on them. */
  readonly loss: number;
  readonly accuracy: number;
}

export interface EnsembleFile {
  readonly format: 1;
  readonly kind: 'ensemble' | 'collapse';
  readonly made: string;
  readonly seed: number;
  readonly versions: Versions;
  readonly adapter: string;
  readonly dataFrom: string;
  /** Images in the test set, of which `test.samples` were taken. */
  readonly testImages: number;
  /** What the methods are compared with: of an ensemble its members, of a collapse the plain networks. */
  readonly members: readonly MemberScore[];
  /** The number of the best, by its accuracy on the test images. */
  readonly best: number;
  /** Of a collapse: the network of groups and its specialist, each on its own classes. */
  readonly parts?: readonly MemberScore[];
  readonly methods: readonly MethodScore[];
  /** Of an ensemble: what the meta-learner was fitted to, or why there is none. */
  readonly stacking?: FittedOn | { readonly refused: string };
}

/** Makes a folder for what networks come to together. @throws WeftError where something is in it already */
export async function makeEnsembleFolder(path: string): Promise<void> {
  try {
    await fs.mkdir(path, { recursive: true });
  } catch (error) {
    throw writeError(path, error);
  }
  if ((await fs.readdir(path)).length > 0)
    throw new WeftError(`${path} holds files already: choose another folder`);
}

export const writeEnsemble = (folder: string, file: EnsembleFile): Promise<void> =>
  atomicWrite(join(folder, ENSEMBLE), json(file));

/** What is in an ensemble's folder; undefined where it is none. */
export async function readEnsemble(folder: string): Promise<EnsembleFile | undefined> {
  const path = join(folder, ENSEMBLE);
  const file = await readIfThere(path);
  return file && parseJson<EnsembleFile>(path, file);
}
