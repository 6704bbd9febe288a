import { threeDigits } from '../../report/numbers.ts';
import type { Block, Section } from '../../report/page.ts';
import { duration } from '../console.ts';
import type { Flags, Versions } from '../manifest.ts';
import { estimate } from '../presets.ts';
import { recipeRows } from '../recipeRows.ts';
import type { ReportedRun } from './reportedRun.ts';

type Fact = readonly [name: string, value: string];

/** What decided a run. */
export function manifestSection({ manifest, experiment }: ReportedRun): Section {
  const title = 'What decided the run';
  const { seed, created, flags, versions, like, dataFrom, choices, resumed } = manifest;
  const facts: Fact[] = [
    ['network', `${experiment.name}: ${experiment.title}`],
    ['project', experiment.project],
    ['begun', showTime(created)],
    ['seed', String(seed)],
    ['options', describeFlags(flags)],
    ...(like === undefined ? [] : [['repeats the run', like] as const]),
    ['versions', describeVersions(versions)],
    ['data', dataFrom ?? 'not known yet'],
    ...(resumed.length > 0
      ? [
          [
            'gone on with',
            resumed.map(({ at, versions }) => `${showTime(at)}, ${describeVersions(versions)}`).join('; '),
          ] as const,
        ]
      : []),
  ];
  const recipe: Block[] = choices
    ? [
        {
          kind: 'table',
          caption: `The recipe: preset ${choices.plan.preset}, ${choices.why}`,
          header: ['option', 'here'],
          rows: recipeRows({ ...experiment, recipe: choices.plan }),
        },
      ]
    : [{ kind: 'text', text: 'The run was stopped before it made its choices.' }];
  return { title, blocks: [{ kind: 'facts', facts }, ...recipe] };
}

/** What a run was computed by, and how fast. */
export function hardwareSection({ manifest }: ReportedRun): Section {
  const title = 'Hardware and speed';
  const { adapter, choices } = manifest;
  const facts: Fact[] = [['adapter', adapter ?? 'not known yet']];
  if (!choices) return { title, blocks: [{ kind: 'facts', facts }] };
  const { plan, secondsPerImage, kernels } = choices;
  const { training, total } = estimate(plan, secondsPerImage);
  facts.push(
    ['training speed', `${threeDigits(1 / secondsPerImage)} images/s`],
    [
      'a training step',
      `${threeDigits(1000 * secondsPerImage * plan.batchSize)} ms, ${plan.batchSize} images`,
    ],
    ['all training steps', `about ${duration(training)}`],
    ['with validation and test', `about ${duration(total)}`],
  );
  const rows = Object.entries(kernels).map(([what, kernel]) => [what, kernel]);
  const table: Block[] =
    rows.length > 0
      ? [{ kind: 'table', caption: 'Kernels that the run is made with', header: ['of', 'kernel'], rows }]
      : [];
  return {
    title,
    blocks: [
      { kind: 'facts', facts },
      {
        kind: 'text',
        text: 'Speed was measured by a few training steps when the run began, once its kernels were compiled; times follow from it.',
      },
      ...table,
    ],
  };
}

/** `2026-01-31 12:05 UTC` */
const showTime = (iso: string): string => `${iso.slice(0, 10)} ${iso.slice(11, 16)} UTC`;

const describeVersions = ({ weft, node, webgpu }: Versions): string =>
  `weft ${weft}, Node ${node}, webgpu ${webgpu}`;

/** Options as they were given: `--epochs 10 --no-augment`. */
function describeFlags(flags: Flags): string {
  const { set = {}, ...others } = flags;
  const words = Object.entries(others).flatMap(([name, value]) => {
    if (value === undefined || value === false) return [];
    const option = name === 'learningRate' ? 'lr' : name.replace(/[A-Z]/g, (c) => `-${c.toLowerCase()}`);
    return value === true ? [`--${option}`] : [`--${option} ${value}`];
  });
  words.push(...Object.entries(set).map(([name, value]) => `--set ${name}=${value}`));
  return words.join(' ') || 'none';
}
