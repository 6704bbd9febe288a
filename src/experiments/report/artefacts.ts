import type { Section } from '../../report/page.ts';
import { evaluationSection, readEvaluation } from '../evaluation.ts';
import type { Data } from '../session.ts';

/** What a command adds to the folder of a run's repeat, beside what training leaves there. */
export interface Artefact {
  /** What the report lacks without it. */
  readonly what: string;
  /** The command that adds it. */
  readonly command: (run: string) => string;
  /** Whether it can be had of a network that gives images back instead of classifying them. Default: it can. */
  readonly ofReconstructions?: boolean;
  /** What a repeat's folder has of it; undefined where there is nothing. */
  readonly sections: (folder: string, context: ArtefactContext) => Promise<Section[] | undefined>;
}

export interface ArtefactContext {
  /** The data set, where it could be read. */
  readonly data: Data | undefined;
}

/** In the order of the page. */
export const artefacts: readonly Artefact[] = [
  {
    what: 'the speed of inference',
    command: (run) => `weft evaluate ${run}`,
    sections: async (folder) => {
      const evaluation = await readEvaluation(folder);
      return evaluation && [evaluationSection(evaluation)];
    },
  },
];
