import type { Section } from '../../report/page.ts';

/** What a report would show if it were there. */
export interface Missing {
  readonly what: string;
  readonly command: string;
}

/** What a folder has for a report, and what it doesn't have. */
export interface Read {
  readonly sections: readonly Section[];
  readonly missing: readonly Missing[];
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
              caption: 'Commands that add what these folders don’t have',
              header: ['missing', 'command'],
              rows: missing.map(({ what, command }) => [what, command]),
            },
          ],
        },
      ];
