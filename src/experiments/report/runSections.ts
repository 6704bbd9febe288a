import type { ClassGroups } from '../../data/classGroups.ts';
import type { Section } from '../../report/page.ts';
import { classificationSection } from '../../report/sections/classification.ts';
import type { NamedHistory } from '../../report/sections/learningCurves.ts';
import { modelSection } from '../../report/sections/model.ts';
import { answersOf, galleriesSection } from '../evaluation.ts';
import { groupSets } from '../experimentSet.ts';
import { isClassified } from '../results.ts';
import type { Data } from '../session.ts';
import { shellPath } from '../shell.ts';
import { artefacts } from './artefacts.ts';
import { hardwareSection, manifestSection } from './manifestSections.ts';
import type { Missing, Read } from './missing.ts';
import { bestRepeat, type ReportedRepeat, type ReportedRun } from './reportedRun.ts';

/** The trainings of runs, one for each repeat. */
export const historiesOf = (runs: readonly ReportedRun[]): NamedHistory[] =>
  runs.flatMap(({ name, repeats }) =>
    repeats.map((repeat) => ({
      name: [runs.length > 1 || !repeat.name ? name : '', repeat.name].filter(Boolean).join(', '),
      history: repeat.epochs,
    })),
  );

/** What one run has beside what runs are compared by. */
export async function readSections(run: ReportedRun, data: Data | undefined): Promise<Read> {
  const { summary, repeats, model, isFinished } = run;
  const best = bestRepeat(run);
  const title = (text: string, repeat: ReportedRepeat) => (repeat.name ? `${text}: ${repeat.name}` : text);
  const sections: Section[] = [];
  if (summary)
    sections.push(
      classificationSection(summary.ensemble, {
        title: `Classification: the ${repeats.length} repeats together (soft vote)`,
      }),
    );
  if (best && isClassified(best.test)) {
    sections.push(classificationSection(best.test, { title: title('Classification', best) }));
    const { classes } = run.manifest.choices!.plan;
    if (data)
      sections.push(
        ...(await answersSection(best, classes, data, title('Mistakes and right answers', best))),
      );
  }
  const missing: Missing[] = isFinished ? [] : [restOf(run)];
  for (const { what, command, sections: read } of artefacts) {
    let isThere = false;
    for (const repeat of repeats) {
      const found = await read(repeat.folder.path);
      isThere ||= found !== undefined;
      sections.push(...(found ?? []).map((section) => ({ ...section, title: title(section.title, repeat) })));
    }
    if (!isThere && isFinished) missing.push({ what, command: command(run.path) });
  }
  sections.push(modelSection(model, { title: 'The network' }), manifestSection(run), hardwareSection(run));
  return { sections, missing };
}

const restOf = ({ experiment, path }: ReportedRun): Missing => ({
  what: 'the rest of the training, and a test',
  command: `weft train ${experiment.name} --resume ${shellPath(path)}`,
});

/** Answers to test images as pictures; none where a repeat didn't keep them. */
async function answersSection(
  { folder, evaluation, result, test }: ReportedRepeat,
  classes: ClassGroups | undefined,
  data: Data,
  title: string,
): Promise<Section[]> {
  if (!isClassified(test)) return [];
  const tested = test === result?.test ? await folder.tested(test) : undefined;
  const answers = tested ? answersOf(tested, groupSets(data, classes).test) : evaluation?.answers;
  if (!answers) return [];
  const classNames = test.classes.map(({ name }) => name);
  return [galleriesSection(answers, data.test, classNames, title)];
}
