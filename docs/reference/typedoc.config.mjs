import { readFileSync } from 'node:fs';
import { CommentTag, Converter, ReflectionKind } from 'typedoc';

/**
 * The reference of the public API, from its docstrings: `npm run docs` writes it to docs/api. Its topics, in their order: what an export
 * is about follows from the file that it stands in, by the longest beginning of a path that fits.
 */
const TOPICS = {
  'Tensors and the GPU': ['src/tensor/', 'src/gpu/gpu', 'src/errors'],
  'Models and layers': [
    'src/nn/',
    'src/nn/layers/',
    'src/kernels/shared/padding',
    'src/kernels/shared/windows',
  ],
  Training: [
    'src/nn/fit',
    'src/nn/callbacks',
    'src/nn/averaging',
    'src/nn/nonFinite',
    'src/nn/updateBatchNorm',
  ],
  Losses: [
    'src/kernels/binaryCrossEntropy',
    'src/kernels/l2',
    'src/kernels/meanSquaredError',
    'src/kernels/softmaxCrossEntropy',
  ],
  'Optimizers and schedules': ['src/nn/optimizers/', 'src/nn/schedules', 'src/nn/slots'],
  Data: ['src/data/'],
  Augmentation: ['src/data/augment', 'src/data/replicate'],
  'Evaluation and analysis': ['src/analysis/', 'src/nn/evaluate', 'src/nn/extractor'],
  Search: ['src/search/'],
  Report: ['src/report/'],
  Files: ['src/formats/', 'src/nn/modelFile', 'src/nn/safetensors'],
  'Under Node': ['src/node/'],
  Ops: ['src/kernels/'],
  'Ops of augmentation': [
    'src/kernels/adjustBrightness',
    'src/kernels/draw',
    'src/kernels/eraseImages',
    'src/kernels/gatherImages',
    'src/kernels/warpImages',
  ],
  'Ops of optimizers': [
    'src/kernels/adam',
    'src/kernels/sgd',
    'src/kernels/shared/updates',
    'src/kernels/stepMetrics',
  ],
  'Kernels of your own': [
    'src/gpu/',
    'src/tensor/autograd',
    'src/tensor/checkGradients',
    'src/tensor/launch',
    'src/tensor/work',
  ],
  Speed: ['src/tensor/profile', 'src/tensor/tune', 'src/tensor/choices', 'src/tensor/browserChoices'],
};

function topicOf(path) {
  const fitting = Object.entries(TOPICS)
    .flatMap(([topic, beginnings]) => beginnings.map((beginning) => ({ topic, beginning })))
    .filter(({ beginning }) => path.startsWith(beginning))
    .sort((a, b) => b.beginning.length - a.beginning.length);
  return fitting[0]?.topic;
}

/** Writes its topic into the docstring of every export. */
function sortByTopic(app) {
  app.converter.on(Converter.EVENT_RESOLVE_BEGIN, ({ project }) => {
    const exported = project.children.flatMap((child) =>
      child.kind === ReflectionKind.Module ? (child.children ?? []) : child,
    );
    for (const reflection of exported) {
      if (reflection.kind === ReflectionKind.Reference) continue;
      const { fullFileName } = reflection.sources[0];
      const path = fullFileName.slice(fullFileName.lastIndexOf('/src/') + 1);
      const topic = topicOf(path);
      if (!topic)
        app.logger.error(
          `${reflection.name} has no topic: add its file to docs/reference/typedoc.config.mjs`,
        );
      for (const { comment } of reflection.signatures ?? [reflection])
        comment?.blockTags.push(new CommentTag('@category', [{ kind: 'text', text: topic ?? 'Other' }]));
    }
  });
}

const { exports } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'));
/** The sources of the package's types: `./dist/files.d.ts` is made of src/files.ts. */
const entryPoints = Object.values(exports)
  .filter(({ types }) => types)
  .map(({ types }) => types.replace('./dist/', '../../src/').replace('.d.ts', '.ts'));

export default {
  name: 'Weft',
  entryPoints,
  tsconfig: 'tsconfig.json',
  out: '../api',
  readme: 'index.md',
  projectDocuments: ['../guide-keras.md'],
  // A checkout's remote may be anything: nothing is linked to.
  disableGit: true,
  sourceLinkTemplate: 'src/{path}#L{line}',
  plugin: [sortByTopic],
  categoryOrder: Object.keys(TOPICS),
  categorizeByGroup: false,
  navigation: { includeCategories: true, includeGroups: false },
  excludeInternal: true,
  excludePrivate: true,
  sort: ['kind', 'alphabetical'],
  kindSortOrder: ['Module', 'Namespace', 'Function', 'Class', 'Variable', 'Interface', 'TypeAlias'],
  requiredToBeDocumented: ['Class', 'Interface', 'Function', 'TypeAlias', 'Variable', 'Enum', 'Method'],
  validation: { notDocumented: true, notExported: true, invalidLink: true, rewrittenLink: true },
  treatWarningsAsErrors: true,
  // `npm run typecheck` does that.
  skipErrorChecking: true,
};
