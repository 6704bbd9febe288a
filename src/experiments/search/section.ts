import type { Block, Section } from '../../report/page.ts';
import type { Dimension } from '../../search/space.ts';
import type { SearchManifest } from './folder.ts';
import {
  bestTrial,
  describeParameters,
  drawTrials,
  failuresOf,
  objectiveName,
  trainCommand,
  trialTable,
} from './outcome.ts';

/** A search's part of a report: what was searched, what it came to, and every trial. */
export function searchSection(manifest: SearchManifest): Section {
  const { experiment, search, seed, trials, choices, adapter } = manifest;
  const best = bestTrial(manifest);
  const failed = failuresOf(manifest).length;
  const svg = drawTrials(manifest);
  const name = objectiveName(manifest);
  const plan = choices?.plan;
  const facts: [string, string][] = [
    ['method', search.method],
    ['trials', `${trials.length} of ${search.trials}${failed > 0 ? `, ${failed} failed` : ''}`],
    ['objective', `${search.direction === 'minimize' ? 'lowest' : 'highest'} ${name} of a trial's epochs`],
    ['seed', String(seed)],
    ...(plan
      ? ([
          ['images', `${plan.trainingImages} to train, ${plan.validationImages} to validate, none to test`],
          ['epochs', String(plan.epochs)],
        ] satisfies [string, string][])
      : []),
    ...Object.entries(search.space).map(([name, dimension]): [string, string] => [
      name,
      describeDimension(dimension),
    ]),
    ...(adapter === null ? [] : ([['adapter', adapter]] satisfies [string, string][])),
  ];
  const outcome = best
    ? `Trial ${best.number} is the best, with a ${name} of ${best.value!.toFixed(4)}: ${describeParameters(best.parameters)}.\n\nTo train with these settings: ${trainCommand(manifest, best.parameters)}`
    : 'No trial has come to its end without failing.';
  const chart: Block[] =
    svg && best
      ? [
          {
            kind: 'chart',
            caption: 'A line for each trial, across its settings; the last axis is what it came to.',
            alt: `Parallel coordinates of ${trials.length - failed} trials; the best, trial ${best.number}, has a ${name} of ${best.value!.toFixed(4)}.`,
            svg,
          },
        ]
      : [];
  return {
    title: `Search for ${experiment}`,
    blocks: [
      { kind: 'facts', facts },
      { kind: 'text', text: outcome },
      ...chart,
      { kind: 'table', caption: 'Trials, the best first', ...trialTable(manifest) },
      ...failuresOf(manifest).map((text): Block => ({ kind: 'text', text })),
    ],
  };
}

/** A dimension in words: `0.0001 to 0.01, logarithmic`. */
function describeDimension(dimension: Dimension): string {
  if (dimension.kind === 'choice') return dimension.values.join(', ');
  const { kind, low, high } = dimension;
  const isLog = kind === 'logUniform' || (kind === 'integer' && dimension.log);
  return `${low} to ${high}${isLog ? ', logarithmic' : ''}${kind === 'integer' ? ', whole' : ''}`;
}
