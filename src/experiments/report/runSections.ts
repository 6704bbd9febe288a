import { firstRightAndWrong, mostConfidentMistakes } from '../../analysis/mistakes.ts';
import type { Section } from '../../report/page.ts';
import { classificationSection } from '../../report/sections/classification.ts';
import { gallerySection } from '../../report/sections/gallery.ts';
import type { NamedHistory } from '../../report/sections/learningCurves.ts';
import { modelSection } from '../../report/sections/model.ts';
import type { Data } from '../session.ts';
import { decodeTested, testIndices } from '../testing.ts';
import { artefacts } from './artefacts.ts';
import { hardwareSection, manifestSection } from './manifestSections.ts';
import { bestRepeat, isClassified, type ReportedRepeat, type ReportedRun } from './reportedRun.ts';

/** Pictures in a gallery. */
const SHOWN = 9;

/** The trainings of runs, one for each repeat. */
export const historiesOf = (runs: readonly ReportedRun[]): NamedHistory[] =>
  runs.flatMap(({ name, repeats }) =>
    repeats.map((repeat) => ({
      name: [runs.length > 1 || !repeat.name ? name : '', repeat.name].filter(Boolean).join(', '),
      history: repeat.epochs,
    })),
  );

/** What one run has beside what runs are compared by. @param titled gives a section the run's name, where there are others */
export async function runSections(
  run: ReportedRun,
  titled: (title: string) => string,
  data: Data | undefined,
): Promise<Section[]> {
  const { summary, repeats, model } = run;
  const best = bestRepeat(run);
  const title = (text: string, repeat?: ReportedRepeat) =>
    titled(repeat?.name ? `${text}: ${repeat.name}` : text);
  const sections: Section[] = [];
  if (summary)
    sections.push(
      classificationSection(summary.ensemble, {
        title: titled(`Classification: the ${repeats.length} repeats together (soft vote)`),
      }),
    );
  if (best?.result && isClassified(best.result.test)) {
    sections.push(classificationSection(best.result.test, { title: title('Classification', best) }));
    if (data) sections.push(...(await answersSection(best, data, title('Mistakes and right answers', best))));
  }
  for (const repeat of repeats)
    for (const artefact of artefacts) {
      const found = (await artefact.sections(repeat.folder.path, { data })) ?? [];
      sections.push(...found.map((section) => ({ ...section, title: title(section.title, repeat) })));
    }
  sections.push(
    modelSection(model, { title: titled('The network') }),
    manifestSection(run, titled('What decided the run')),
    hardwareSection(run, titled('Hardware and speed')),
  );
  return sections;
}

/** The answers that a repeat was tested by, as pictures; none where it didn't keep them. */
async function answersSection(repeat: ReportedRepeat, { test }: Data, title: string): Promise<Section[]> {
  const file = await repeat.folder.probabilities();
  const result = repeat.result?.test;
  if (!file || !result || !isClassified(result)) return [];
  const { probabilities } = decodeTested(file, result);
  const indices = testIndices(test.labels, result.samples);
  const labels = Array.from(indices, (i) => test.labels[i]);
  const answers = (found: ReturnType<typeof mostConfidentMistakes>) =>
    found.map((answer) => ({ ...answer, index: indices[answer.index] }));
  const { right, wrong } = firstRightAndWrong(labels, probabilities, SHOWN);
  const galleries = [
    {
      caption: 'The most confident mistakes, the surest first',
      answers: answers(mostConfidentMistakes(labels, probabilities, SHOWN)),
    },
    { caption: 'The first right answers', answers: answers(right) },
    { caption: 'The first wrong answers', answers: answers(wrong) },
  ];
  return [gallerySection(test, galleries, { title, classNames: result.classes.map(({ name }) => name) })];
}
