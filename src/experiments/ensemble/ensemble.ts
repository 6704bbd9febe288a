import { randomInt } from 'node:crypto';
import { join } from 'node:path';
import { predictedClasses } from '../../analysis/classification.ts';
import { type EnsembleMethod, ensemble } from '../../analysis/ensemble.ts';
import { stacking } from '../../analysis/stacking.ts';
import { WeftError } from '../../errors.ts';
import { atomicWrite } from '../../node/files.ts';
import type { Console } from '../console.ts';
import { BATCH, imagesToTest, type Member, membersAt } from '../evaluate.ts';
import { type ExperimentSet, groupSets } from '../experimentSet.ts';
import { newRunPath } from '../run.ts';
import { type Data, type OpenGpu, openData, openGpu, pinKernels, versions } from '../session.ts';
import type { StopSignal } from '../stop.ts';
import { stoppable } from '../stoppable.ts';
import { classify, type Tested, test } from '../testing.ts';
import {
  ENSEMBLE,
  type EnsembleFile,
  type MemberScore,
  type MethodScore,
  makeEnsembleFolder,
  writeEnsemble,
} from './ensembleFile.ts';
import { type HeldOut, heldOutImages } from './heldOut.ts';
import { printEnsemble, scorer, showPoints } from './score.ts';

export interface EnsembleOptions {
  limit?: number;
  fullTest?: boolean;
  /** Images that the meta-learner is fitted to, at most. */
  stackingImages: number;
  seed?: number;
  out?: string;
  name?: string;
  data?: string;
  adapter?: string;
}

/** What one member says. */
interface Answered {
  readonly member: Member;
  readonly tested: Tested;
  /** Of the held-out images, where there are some. */
  readonly heldOut?: { readonly probabilities: Float32Array; readonly accuracy: number };
}

/** Tests the networks of runs and files together, by several methods. Resolves with the exit code. */
export async function ensembleRuns(
  paths: readonly string[],
  options: EnsembleOptions,
  out: Console,
): Promise<number> {
  const members = (await Promise.all(paths.map((path) => membersAt(path, out)))).flat();
  checkTogether(members);
  const seed = options.seed ?? randomInt(2 ** 32);
  const folder = newRunPath('ensemble', seed, options);
  await makeEnsembleFolder(folder);
  const data = groupSets(await openData(options.data, out), members[0].classes);
  return stoppable(out, async (stop) => {
    const gpu = await openGpu(options.adapter, out);
    const heldOut = heldOutImages(members, data.train, options.stackingImages, seed);
    if ('refused' in heldOut) out.line(`no stacking: ${heldOut.refused}`);
    else
      out.line(
        `stacking is fitted to ${heldOut.indices.length} training images that no member was trained on, of which ${heldOut.validation} are every member's validation images`,
      );
    const images = imagesToTest(members, options);
    const answered: Answered[] = [];
    for (const member of members) answered.push(await ask(member, data, images, heldOut, { gpu, stop, out }));
    const accuracies = answered.map(({ tested }) => tested.result.accuracy);
    const best = accuracies.indexOf(Math.max(...accuracies));
    const methods = votes(answered, best, data.test);
    const stacked = 'refused' in heldOut ? undefined : await stack(answered, best, data, heldOut, seed);
    const file: EnsembleFile = {
      format: 1,
      kind: 'ensemble',
      made: new Date().toISOString(),
      seed,
      versions: versions(),
      adapter: gpu.name,
      dataFrom: data.source,
      testImages: data.test.count,
      members: answered.map(scoreOf),
      best,
      methods: stacked ? [...methods, stacked.score] : methods,
      stacking: stacked ? stacked.fittedOn : (heldOut as { refused: string }),
    };
    printEnsemble(file, out);
    if (stacked) {
      await atomicWrite(join(folder, 'stacking.safetensors'), stacked.model);
      const { points } = stacked.score.gain;
      const beside = points < 0 ? 'worse than' : points > 0 ? 'better than' : 'as good as';
      out.line(`\nstacking is ${beside} the best member, by ${showPoints(points)} points`);
    }
    await writeEnsemble(folder, file);
    out.line(`file: ${join(folder, ENSEMBLE)}`);
  });
}

/** @throws WeftError where networks can't decide together */
function checkTogether(members: readonly Member[]): void {
  const other = members.find(({ task }) => task !== 'classify');
  if (other) throw new WeftError(`${other.name} gives images back: it doesn't say what they show`);
  const [first] = members;
  const odd = members.find(({ classes }) => JSON.stringify(classes) !== JSON.stringify(first.classes));
  if (odd)
    throw new WeftError(`${odd.name} has other classes than ${first.name}: they can't decide together`);
  if (members.length < 2)
    throw new WeftError(`an ensemble takes at least two networks, and ${first.name} is one`);
}

async function ask(
  member: Member,
  data: Data,
  images: number,
  heldOut: HeldOut | { readonly refused: string },
  { gpu, stop, out }: { gpu: OpenGpu; stop: StopSignal; out: Console },
): Promise<Answered> {
  const { name, kernels, pixelScale } = member;
  pinKernels(gpu, kernels, out);
  const model = await member.load();
  const showing = (what: string) => (done: number, total: number) => {
    out.progress(`${name}, ${what}`, done, total);
    stop.check();
  };
  const how = { pixelScale, batchSize: BATCH };
  try {
    const tested = await test(model, data, { ...how, images, onProgress: showing('test images') });
    if ('refused' in heldOut) return { member, tested };
    const { probabilities, accuracy } = await classify(model, data.train, heldOut.indices, {
      ...how,
      onProgress: showing('held-out images'),
    });
    return { member, tested, heldOut: { probabilities, accuracy } };
  } finally {
    model.dispose();
  }
}

const scoreOf = ({ member: { name }, tested: { result }, heldOut }: Answered): MemberScore => {
  const { loss: _, ...test } = result;
  return { name, test, heldOutAccuracy: heldOut?.accuracy };
};

/** The methods that learn nothing. */
function votes(answered: readonly Answered[], best: number, test: ExperimentSet): MethodScore[] {
  const members = answered.map(({ tested }) => tested.probabilities);
  const classes = test.classNames.length;
  const score = scorerOf(answered, best, test);
  const vote = (name: string, how: string, method: EnsembleMethod, weights?: readonly number[]) =>
    score(name, how, ensemble(members, { classes, method, weights }).predictions);
  const weights = answered.flatMap(({ heldOut }) => heldOut?.accuracy ?? []);
  return [
    vote('hard vote', 'most votes, of as many the larger sum of probabilities', 'hardVote'),
    vote('soft vote', 'sum of probabilities: what their simple average chooses', 'softVote'),
    vote('simple average', 'of logits: the geometric mean of probabilities', 'logitAverage'),
    ...(weights.length === members.length
      ? [vote('weighted vote', 'soft, by accuracy on held-out images', 'softVote', weights)]
      : []),
  ];
}

/** Fits a meta-learner to what members say of held-out images, and asks it about the test images. */
async function stack(
  answered: readonly Answered[],
  best: number,
  data: Data,
  heldOut: HeldOut,
  seed: number,
) {
  const learnt = await stacking({
    members: answered.map(({ heldOut }) => heldOut!.probabilities),
    labels: Array.from(heldOut.indices, (i) => data.train.labels[i]),
    classes: data.train.classNames.length,
    seed,
  });
  try {
    const { predictions } = await learnt.predict(answered.map(({ tested }) => tested.probabilities));
    const how = `a softmax regression, fitted to ${heldOut.indices.length} held-out images`;
    const { samples: images, loss, accuracy } = learnt.fitted;
    return {
      score: scorerOf(answered, best, data.test)('stacking', how, predictions),
      fittedOn: { images, validation: heldOut.validation, loss, accuracy },
      model: await learnt.model.save(),
    };
  } finally {
    learnt.dispose();
  }
}

function scorerOf(answered: readonly Answered[], best: number, test: ExperimentSet) {
  const { result, probabilities } = answered[best].tested;
  return scorer(test, result.samples, predictedClasses(probabilities, test.classNames.length));
}
