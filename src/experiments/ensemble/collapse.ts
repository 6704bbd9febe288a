import { join } from 'node:path';
import { classificationReport, predictedClasses } from '../../analysis/classification.ts';
import { classTree, type GroupAnswers } from '../../analysis/classTree.ts';
import { ensemble } from '../../analysis/ensemble.ts';
import { type ClassGroups, groupNames } from '../../data/classGroups.ts';
import { WeftError } from '../../errors.ts';
import { formatConfusion, formatScores } from '../../report/scores.ts';
import type { Console } from '../console.ts';
import { BATCH, imagesToTest, type Member, membersAt } from '../evaluate.ts';
import type { ExperimentSet } from '../experimentSet.ts';
import { newRunPath, readManifest } from '../run.ts';
import { openData, openGpu, pinKernels, versions } from '../session.ts';
import { stoppable } from '../stoppable.ts';
import { classify, testIndices } from '../testing.ts';
import {
  ENSEMBLE,
  type EnsembleFile,
  type MemberScore,
  makeEnsembleFolder,
  writeEnsemble,
} from './ensembleFile.ts';
import { printEnsemble, scorer } from './score.ts';

export interface CollapseOptions {
  beside: string[];
  limit?: number;
  fullTest?: boolean;
  out?: string;
  name?: string;
  data?: string;
  adapter?: string;
}

/** A run's networks, which answer together: several repeats by a soft vote. */
interface Voice {
  readonly name: string;
  readonly members: readonly Member[];
}

/**
 * Tests a network of groups of classes together with the specialist that tells a group's classes apart, beside networks of all classes on
 * the same images. Resolves with the exit code.
 */
export async function collapseRuns(
  generalPath: string,
  specialistPath: string,
  options: CollapseOptions,
  out: Console,
): Promise<number> {
  const voice = async (path: string): Promise<Voice> => ({ name: path, members: await membersAt(path, out) });
  const [general, specialist] = [await voice(generalPath), await voice(specialistPath)];
  const plain = await Promise.all(options.beside.map(voice));
  const groups = groupsOf(general);
  const parts = groupsOf(specialist);
  for (const { name, members } of plain)
    if (members.some(({ classes, task }) => classes || task !== 'classify'))
      throw new WeftError(`--beside ${name}: that is no network of all classes`);
  const asked = (classes: ClassGroups): GroupAnswers => ({ groups: classes, probabilities: [] });
  // Says it now if the two don't fit together.
  classTree({ general: asked(groups), specialists: [asked(parts)] });
  const { seed } = await readManifest(generalPath);
  const folder = newRunPath('collapse', seed, options);
  await makeEnsembleFolder(folder);
  const data = await openData(options.data, out);
  const { test } = data;
  return stoppable(out, async (stop) => {
    const gpu = await openGpu(options.adapter, out);
    const all = [general, specialist, ...plain].flatMap(({ members }) => members);
    const indices = testIndices(test.labels, imagesToTest(all, options));
    /** What networks say of all test images, whatever is on them. */
    const ask = async ({ name, members }: Voice, classNames: readonly string[]): Promise<Float32Array> => {
      // The loss isn't looked at: any label that all of them know will do.
      const set: ExperimentSet = { ...test, labels: new Uint8Array(test.count), classNames };
      const answers: Float32Array[] = [];
      for (const { kernels, pixelScale, load } of members) {
        pinKernels(gpu, kernels, out);
        const model = await load();
        const onProgress = (done: number, total: number) => {
          out.progress(name, done, total);
          stop.check();
        };
        const asked = classify(model, set, indices, { pixelScale, batchSize: BATCH, onProgress });
        answers.push((await asked.finally(() => model.dispose())).probabilities);
      }
      return ensemble(answers, { classes: classNames.length }).probabilities;
    };
    const named = (classes: ClassGroups) => groupNames(test.classNames, classes);
    const answersBy = async (from: Voice, classes: ClassGroups): Promise<GroupAnswers> => ({
      groups: classes,
      probabilities: await ask(from, named(classes)),
    });
    const whole = await answersBy(general, groups);
    const branch = await answersBy(specialist, parts);
    const labels = Array.from(indices, (i) => test.labels[i]);
    const members: MemberScore[] = [];
    const predictions: Uint32Array[] = [];
    for (const from of plain) {
      const predicted = predictedClasses(await ask(from, test.classNames), test.classNames.length);
      predictions.push(predicted);
      members.push({ name: from.name, test: classificationReport(labels, predicted, test.classNames) });
    }
    const accuracies = members.map((member) => member.test.accuracy);
    const best = accuracies.indexOf(Math.max(...accuracies));
    const score = scorer(test, indices.length, predictions[best]);
    const tree = (routing: 'product' | 'hard') =>
      classTree({ general: whole, specialists: [branch], routing }).predictions;
    const file: EnsembleFile = {
      format: 1,
      kind: 'collapse',
      made: new Date().toISOString(),
      seed,
      versions: versions(),
      adapter: gpu.name,
      dataFrom: data.source,
      testImages: test.count,
      members,
      best,
      parts: [
        { name: general.name, test: scoreOnGroups(whole, labels, named(groups)) },
        { name: specialist.name, test: scoreOnGroups(branch, labels, named(parts)) },
      ],
      methods: [
        score('collapse', 'p(group) times p(class | group)', tree('product')),
        score('collapse, hard', "the most probable group's specialist alone", tree('hard')),
      ],
    };
    printEnsemble(file, out);
    const [{ test: report }] = file.methods;
    out.line(`\ncollapse\n${formatScores(report)}\n\n${formatConfusion(report)}\n`);
    await writeEnsemble(folder, file);
    out.line(`file: ${join(folder, ENSEMBLE)}`);
  });
}

/** What a run's networks stand for. @throws WeftError where that is no groups of classes */
function groupsOf({ name, members: [{ classes }] }: Voice): ClassGroups {
  if (classes) return classes;
  throw new WeftError(
    `${name} is no run by groups of classes: train v5-8 and v5-3, or experiments like them`,
  );
}

/** How classifiers of groups do on the images of their groups. */
function scoreOnGroups(
  { groups, probabilities }: GroupAnswers,
  labels: readonly number[],
  classNames: readonly string[],
) {
  const predicted = predictedClasses(probabilities, groups.length);
  const theirs = labels.flatMap((label, i) => {
    const group = groups.findIndex((classes) => classes.includes(label));
    return group < 0 ? [] : { group, predicted: predicted[i] };
  });
  return classificationReport(
    theirs.map(({ group }) => group),
    theirs.map((sample) => sample.predicted),
    classNames,
  );
}
