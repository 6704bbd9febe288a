import type { Section } from '../../report/page.ts';
import { artefacts } from './artefacts.ts';
import type { ReportedRun } from './reportedRun.ts';

/** What a report would show if it were there. */
export interface Missing {
  readonly what: string;
  readonly command: string;
}

/** What a run doesn't have. */
export async function missingOf({ path, isFinished, experiment, repeats }: ReportedRun): Promise<Missing[]> {
  if (!isFinished)
    return [
      {
        what: 'the rest of the training, and a test',
        command: `weft train ${experiment.name} --resume ${path}`,
      },
    ];
  const missing: Missing[] = [];
  for (const { what, command, sections, ofReconstructions = true } of artefacts) {
    if (!ofReconstructions && experiment.task === 'reconstruct') continue;
    const found = await Promise.all(repeats.map(({ folder }) => sections(folder.path, { data: undefined })));
    if (found.every((section) => section === undefined)) missing.push({ what, command: command(path) });
  }
  return missing;
}

/** The closing section; none where nothing is missing. */
export const missingSection = (missing: readonly Missing[]): Section[] =>
  missing.length === 0
    ? []
    : [
        {
          title: 'What isn’t here',
          blocks: [
            {
              kind: 'table',
              caption: 'Commands that add what these runs don’t have',
              header: ['missing', 'command'],
              rows: missing.map(({ what, command }) => [what, command]),
            },
          ],
        },
      ];
