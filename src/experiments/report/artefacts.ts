import type { Section } from '../../report/page.ts';
import { evaluationSection, readEvaluation } from '../evaluation.ts';
import { readInside } from '../inspect/inside.ts';
import { insideSections } from '../inspect/section.ts';
import { shellPath } from '../shell.ts';
import { readMaps } from '../tsne/artefact.ts';
import { tsneSection } from '../tsne/section.ts';

/** What a command adds to the folder of a run's repeat, beside what training leaves there. */
export interface Artefact {
  /** What the report lacks without it. */
  readonly what: string;
  /** The command that adds it. */
  readonly command: (run: string) => string;
  /** What a repeat's folder has of it; undefined where there is nothing. */
  readonly sections: (folder: string) => Promise<readonly Section[] | undefined>;
}

/** In the order of the page. */
export const artefacts: readonly Artefact[] = [
  {
    what: 'the speed of inference',
    command: (run) => `weft evaluate ${shellPath(run)}`,
    sections: async (folder) => {
      const evaluation = await readEvaluation(folder);
      return evaluation && [evaluationSection(evaluation)];
    },
  },
  {
    what: 'feature maps, filters and dead channels',
    command: (run) => `weft inspect ${shellPath(run)}`,
    sections: async (folder) => {
      const found = await readInside(folder);
      return found && insideSections(found);
    },
  },
  {
    what: 'a map of the images by what the network makes of them (t-SNE)',
    command: (run) => `weft tsne ${shellPath(run)}`,
    sections: async (folder) => {
      const maps = await readMaps(folder);
      return maps.length > 0 ? maps.map(tsneSection) : undefined;
    },
  },
];
