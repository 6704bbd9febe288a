import type { Block, Section } from '../../report/page.ts';
import { classificationSection } from '../../report/sections/classification.ts';
import type { EnsembleFile, MethodScore } from './ensembleFile.ts';
import { showPoints } from './score.ts';

/** What networks come to together, as sections of a page: who decides how well, then the best method class by class. */
export function ensembleSections(file: EnsembleFile): Section[] {
  const { kind, members, best, methods, parts = [], stacking, testImages, adapter, made, seed } = file;
  const first = methods.reduce((found, method) =>
    method.test.accuracy > found.test.accuracy ? method : found,
  );
  const accuracy = (value: number) => `${(100 * value).toFixed(2)} %`;
  const table: Block = {
    kind: 'table',
    caption: 'Accuracy on the test images; gains in percentage points over the best member',
    header: ['', 'accuracy', 'gain', 'set right', 'spoilt', 'what decides'],
    rows: [
      ...parts.map(({ name, test }) => [
        name,
        accuracy(test.accuracy),
        '',
        '',
        '',
        `of its ${test.classes.length} classes`,
      ]),
      ...members.map(({ name, test }, i) => [
        ...[
          name,
          accuracy(test.accuracy),
          showPoints(100 * (test.accuracy - members[best].test.accuracy)),
          '',
          '',
        ],
        i === best ? 'the best member' : '',
      ]),
      ...methods.map(({ name, how, test, gain }) => [
        ...[
          name,
          accuracy(test.accuracy),
          showPoints(gain.points),
          String(gain.fixed),
          String(gain.broken),
          how,
        ],
      ]),
    ],
  };
  const { samples } = members[best].test;
  const facts: [string, string][] = [
    ['test images', `${whole(samples)} of ${whole(testImages)}`],
    ...(stacking ? [['stacking', describeStacking(stacking)] satisfies [string, string]] : []),
    ['seed', String(seed)],
    ['adapter', adapter],
    ['made', made.slice(0, 10)],
  ];
  return [
    {
      title: kind === 'collapse' ? 'Collapsed classes and their specialist' : 'Ensemble',
      blocks: [
        { kind: 'text', text: methods.map((method) => outcome(method, members[best].name)).join(' ') },
        table,
        { kind: 'facts', facts },
      ],
    },
    classificationSection(first.test, { title: `Classification: ${first.name}` }),
  ];
}

/** How a method does beside the best member, in a sentence. */
function outcome({ name, gain: { points } }: MethodScore, best: string): string {
  if (points === 0) return `${upper(name)} is as good as the best member, ${best}.`;
  const beside = points > 0 ? 'better' : 'worse';
  return `${upper(name)} is ${Math.abs(points).toFixed(2)} points ${beside} than the best member, ${best}.`;
}

function describeStacking(stacking: NonNullable<EnsembleFile['stacking']>): string {
  if ('refused' in stacking) return `none: ${stacking.refused}`;
  const { images, validation, accuracy } = stacking;
  return `fitted to ${whole(images)} training images that no member was trained on, ${whole(validation)} of them every member’s validation images; accuracy on them ${accuracy.toFixed(4)}`;
}

const upper = (text: string): string => text[0].toUpperCase() + text.slice(1);
const whole = (n: number): string => n.toLocaleString('en-US');
