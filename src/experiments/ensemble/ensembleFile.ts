import fs from 'node:fs/promises';
import { join } from 'node:path';
import * as v from 'valibot';
import { WeftError } from '../../errors.ts';
import { atomicWrite, makeFolder } from '../../node/files.ts';
import { object, type Schema, wholeNumber } from '../../schema.ts';
import { classificationReport, figure, images, list, share, text } from '../fields.ts';
import { json, readJson } from '../jsonFile.ts';
import { versions } from '../manifest.ts';

/*
 * ensemble.json, in a folder of its own: what networks come to together, by `weft ensemble` or `weft collapse`.
 */

export const ENSEMBLE = 'ensemble.json';

const memberScore = object({
  name: text,
  test: classificationReport,
  /** On the images that were held out for the meta-learner. */
  heldOutAccuracy: v.optional(share),
});

/** A network, and what it says of the test images by itself. */
export type MemberScore = Readonly<v.InferOutput<typeof memberScore>>;

const gain = object({
  /** Percentage points of accuracy. */
  points: v.pipe(figure, v.minValue(-101, 'at least -100'), v.maxValue(101, 'at most 100')),
  /** Images that are right now and were wrong, and the other way round. */
  fixed: images(),
  broken: images(),
});

/** Beside the best member, on the same test images. */
export type Gain = Readonly<v.InferOutput<typeof gain>>;

const methodScore = object({
  name: v.pipe(text, v.nonEmpty('a name')),
  /** What decides, in a few words. */
  how: text,
  test: classificationReport,
  gain,
});

/** A way in which networks decide together. */
export type MethodScore = Readonly<v.InferOutput<typeof methodScore>>;

/** The images that a meta-learner was fitted to: training images that no member was trained on. */
const fittedOn = object({
  images: images(),
  /** Of them, those that every member was validated on. */
  validation: images(),
  /** Its loss and accuracy on them. */
  loss: figure,
  accuracy: share,
});
const refused = object({ refused: text });
type Stacking = v.InferOutput<typeof fittedOn> | v.InferOutput<typeof refused>;

const MOST_MEMBERS = 1000;

const ensembleSchema = v.pipe(
  object({
    format: v.literal(1, '1, the format that this version of weft reads'),
    kind: v.picklist(['ensemble', 'collapse'], "'ensemble' or 'collapse'"),
    made: text,
    seed: wholeNumber(),
    versions,
    adapter: text,
    dataFrom: text,
    /** Images in the test set, of which `test.samples` were taken. */
    testImages: images(),
    /** What the methods are compared with: of an ensemble its members, of a collapse the plain networks. */
    members: list(memberScore, MOST_MEMBERS),
    /** The number of the best, by its accuracy on the test images. */
    best: wholeNumber({ max: MOST_MEMBERS - 1 }),
    /** Of a collapse: the network of groups and its specialist, each on its own classes. */
    parts: v.optional(list(memberScore, MOST_MEMBERS)),
    methods: v.pipe(list(methodScore, 100), v.minLength(1, 'an array of at least 1')),
    /** Of an ensemble: what the meta-learner was fitted to, or why there is none. */
    stacking: v.optional(
      v.lazy(
        (stacking): Schema<Stacking> =>
          typeof stacking === 'object' && stacking !== null && 'refused' in stacking ? refused : fittedOn,
      ),
    ),
  }),
  v.check(({ members, best }) => best < members.length, 'an object whose best is the number of a member'),
);

export type EnsembleFile = Readonly<v.InferOutput<typeof ensembleSchema>>;

/** Makes a folder for what networks come to together. @throws WeftError where something is in it already */
export async function makeEnsembleFolder(path: string): Promise<void> {
  await makeFolder(path);
  if ((await fs.readdir(path)).length > 0)
    throw new WeftError(`${path} holds files already: choose another folder`);
}

export const writeEnsemble = (folder: string, file: EnsembleFile): Promise<void> =>
  atomicWrite(join(folder, ENSEMBLE), json(file));

/** What is in an ensemble's folder; undefined where it is none. */
export async function readEnsemble(folder: string): Promise<EnsembleFile | undefined> {
  return readJson(join(folder, ENSEMBLE), ensembleSchema);
}
