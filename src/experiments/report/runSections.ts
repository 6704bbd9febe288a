import type { Section } from '../../report/page.ts';
import { classificationSection } from '../../report/sections/classification.ts';
import type { NamedHistory } from '../../report/sections/learningCurves.ts';
import { modelSection } from '../../report/sections/model.ts';
import { answersOf, galleriesSection } from '../evaluation.ts';
import { groupSets } from '../experimentSet.ts';
import type { Data } from '../session.ts';
import { decodeTested } from '../testing.ts';
import { artefacts } from './artefacts.ts';
import { hardwareSection, manifestSection } from './manifestSections.ts';
import { bestRepeat, isClassified, type ReportedRepeat, type ReportedRun } from './reportedRun.ts';

/** The trainings of runs, one for each repeat. */
export const historiesOf = (runs: readonly ReportedRun[]): NamedHistory[] =>
  runs.flatMap(({ name, repeats }) =>
    repeats.map((repeat) => ({
      name: [runs.length > 1 || !repeat.name ? name : '', repeat.name].filter(Boolean).join(', '),
      history: repeat.epochs,
    })),
  );

/** What one run has beside what runs are compared by. */
export async function runSections(run: ReportedRun, data: Data | undefined): Promise<Section[]> {
  const { summary, repeats, model } = run;
  const best = bestRepeat(run);
  const title = (text: string, repeat: ReportedRepeat) => (repeat.name ? `${text}: ${repeat.name}` : text);
  const sections: Section[] = [];
  if (summary)
    sections.push(
      classificationSection(summary.ensemble, {
        title: `Classification: the ${repeats.length} repeats together (soft vote)`,
      }),
    );
  if (best?.result && isClassified(best.result.test)) {
    sections.push(classificationSection(best.result.test, { title: title('Classification', best) }));
    if (data)
      sections.push(...(await answersSection(run, best, data, title('Mistakes and right answers', best))));
  }
  for (const repeat of repeats)
    for (const artefact of artefacts) {
      const found = (await artefact.sections(repeat.folder.path, { data })) ?? [];
      sections.push(...found.map((section) => ({ ...section, title: title(section.title, repeat) })));
    }
  sections.push(modelSection(model, { title: 'The network' }), manifestSection(run), hardwareSection(run));
  return sections;
}

/** The answers that a repeat was tested by, as pictures; none where it didn't keep them. */
async function answersSection(
  run: ReportedRun,
  repeat: ReportedRepeat,
  data: Data,
  title: string,
): Promise<Section[]> {
  const file = await repeat.folder.probabilities();
  const result = repeat.result?.test;
  if (!file || !result || !isClassified(result)) return [];
  const answers = answersOf(
    decodeTested(file, result),
    groupSets(data, run.manifest.choices?.plan.classes).test,
  );
  const classNames = result.classes.map(({ name }) => name);
  return [galleriesSection(answers, data.test, classNames, title)];
}
